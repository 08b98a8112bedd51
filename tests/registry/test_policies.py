import pytest

from reviewapp.accounts.models import User
from reviewapp.domain.errors import Conflict, Forbidden
from reviewapp.events.models import Event
from reviewapp.registry.actions import policies as actions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import PolicyVersion, Stream
from tests.factories import policies
from tests.people import acting


def test_a_draft_changes_nothing_until_it_is_activated(bare_stream: Stream, policy_owner: User) -> None:
    draft = actions.draft(stream=bare_stream, body={"thresholds": {"intact": 0.9}}, by=acting(policy_owner))
    assert (draft.number, draft.state) == (1, "draft")
    assert actions.active_policy(bare_stream) is None

    active = actions.activate(policy=draft, by=acting(policy_owner))

    assert actions.active_policy(bare_stream) == active
    assert active.activated_at is not None
    assert list(
        Event.objects.filter(type__startswith="policy.").order_by("created_at").values_list("type", flat=True)
    ) == [
        "policy.drafted",
        "policy.activated",
    ]


def test_activating_retires_the_one_before(bare_stream: Stream) -> None:
    first, second = policies.active(bare_stream), policies.active(bare_stream, threshold=0.99)

    first.refresh_from_db()
    assert (first.state, second.state, second.number) == ("retired", "active", 2)
    assert first.retired_at is not None


def test_activating_twice_changes_nothing(bare_stream: Stream) -> None:
    policy = policies.active(bare_stream)

    again = actions.activate(policy=policy, by=SYSTEM)

    assert again.activated_at == policy.activated_at
    assert Event.objects.filter(type="policy.activated").count() == 1


def test_a_retired_policy_stays_retired(bare_stream: Stream) -> None:
    old = policies.active(bare_stream)
    policies.active(bare_stream)

    with pytest.raises(Conflict, match="retired"):
        actions.activate(policy=old, by=SYSTEM)


def test_only_a_draft_is_edited(bare_stream: Stream) -> None:
    draft = policies.draft(bare_stream)
    edited = actions.edit(policy=draft, body={"thresholds": {"intact": 0.5}}, by=SYSTEM)
    assert PolicyVersion.objects.get(pk=edited.pk).body == {"thresholds": {"intact": 0.5}}
    actions.activate(policy=draft, by=SYSTEM)

    with pytest.raises(Conflict, match="no draft any more"):
        actions.edit(policy=draft, body={"thresholds": {}}, by=SYSTEM)


def test_only_the_policy_owner_sets_policies(bare_stream: Stream, rosa: User, lead: User, model_owner: User) -> None:
    draft = policies.draft(bare_stream)

    for person in (rosa, lead, model_owner):
        with pytest.raises(Forbidden, match="policy owner"):
            actions.draft(stream=bare_stream, body={}, by=acting(person))
        with pytest.raises(Forbidden):
            actions.activate(policy=draft, by=acting(person))
        with pytest.raises(Forbidden):
            actions.edit(policy=draft, body={}, by=acting(person))
