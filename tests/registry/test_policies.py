from typing import Any

import pytest

from reviewapp.accounts.models import User
from reviewapp.domain.errors import Conflict, Forbidden, Invalid
from reviewapp.events.models import Event
from reviewapp.registry.actions import policies as actions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import PolicyVersion, Stream
from reviewapp.registry.policies import check_body, read_body
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


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"colour": 1}, "colour"),
        ({"thresholds": []}, "thresholds"),
        ({"thresholds": {"lost": 0.9}}, "thresholds.lost"),
        ({"thresholds": {"intact": 0}}, "thresholds.intact"),
        ({"thresholds": {"intact": 1.01}}, "thresholds.intact"),
        ({"thresholds": {"intact": True}}, "thresholds.intact"),
        ({"thresholds": {"intact": "0.9"}}, "thresholds.intact"),
        ({"thresholds": {"intact": float("nan")}}, "thresholds.intact"),
        ({"audit_rates": {"intact": -0.1}}, "audit_rates.intact"),
        ({"never_automate": "intact"}, "never_automate"),
        ({"never_automate": ["lost"]}, "never_automate"),
        ({"novelty_floor": 2}, "novelty_floor"),
    ],
)
def test_a_malformed_body_is_refused_by_field(bare_stream: Stream, body: Any, field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_body(body, bare_stream)

    assert [error["field"] for error in refusal.value.details["errors"]] == [field]


def test_a_body_is_an_object(bare_stream: Stream) -> None:
    with pytest.raises(Invalid):
        check_body([], bare_stream)


@pytest.mark.parametrize(
    "body", [{}, {"thresholds": {"intact": 1}, "audit_rates": {"intact": 0}, "novelty_floor": None}]
)
def test_a_sound_body_passes(bare_stream: Stream, body: Any) -> None:
    check_body(body, bare_stream)

    assert read_body(body).never_automate == frozenset()
