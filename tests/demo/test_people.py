from collections.abc import Mapping
from typing import Any

from reviewapp.accounts.models import User
from reviewapp.events.models import Event
from reviewapp.monitoring.demo import people
from reviewapp.monitoring.demo.keepsakes import Keepsakes
from reviewapp.monitoring.demo.people import Person
from reviewapp.registry.actions import clients
from reviewapp.registry.actions.streams import default_team
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ApiKey, Membership, Stream


def test_each_can_sign_in_and_has_one_role(cast: Mapping[str, Person]) -> None:
    roles = {
        name: Membership.objects.get(user=person.user).role
        for name, person in cast.items()
        if person.user.check_password(person.password)
    }

    assert roles == {
        "reviewer": "reviewer",
        "second_reviewer": "reviewer",
        "lead": "lead",
        "policy_owner": "policy_owner",
        "second_policy_owner": "policy_owner",
        "model_owner": "model_owner",
        "auditor": "auditor",
    }


def test_a_second_run_changes_nobody(cast: Mapping[str, Person], kept: Keepsakes) -> None:
    before = list(User.objects.order_by("pk").values())

    again = people.ensure(default_team(), kept)

    assert list(User.objects.order_by("pk").values()) == before
    assert {name: person.password for name, person in again.items()} == {
        name: person.password for name, person in cast.items()
    }


def test_the_printed_password_is_good_also_after_somebody_changed_it(
    cast: Mapping[str, Person], kept: Keepsakes
) -> None:
    user = cast["lead"].user
    user.set_password("another long password")
    user.save()

    again = people.ensure(default_team(), kept)["lead"]

    assert User.objects.get(pk=user.pk).check_password(again.password)


def test_the_key_is_kept_while_it_is_good(db: Any, kept: Keepsakes, bare_stream: Stream) -> None:
    first = people.ensure_key(default_team(), kept, streams=[bare_stream])
    events = Event.objects.count()

    assert people.ensure_key(default_team(), kept, streams=[bare_stream]) == first
    assert ApiKey.objects.count() == 1
    assert Event.objects.count() == events


def test_a_revoked_key_is_replaced(db: Any, kept: Keepsakes, bare_stream: Stream) -> None:
    first = people.ensure_key(default_team(), kept, streams=[bare_stream])
    clients.revoke_key(key=ApiKey.objects.get(), by=SYSTEM)

    second = people.ensure_key(default_team(), kept, streams=[bare_stream])

    assert second != first
    assert clients.key_for(second) is not None
