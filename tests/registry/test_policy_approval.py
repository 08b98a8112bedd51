"""Two people: one proposes, another approves; where there is no other, that is said."""

import msgspec
import pytest

from reviewapp.accounts.models import User
from reviewapp.domain.errors import Conflict, Forbidden, Invalid
from reviewapp.events.models import Event
from reviewapp.registry.actions import policies as actions
from reviewapp.registry.actions import streams as stream_actions
from reviewapp.registry.actors import SYSTEM, Actor
from reviewapp.registry.models import PolicyVersion, Role, Stream
from tests.factories import policies, streams, teams
from tests.people import acting

WHY = "It only lowers the threshold of a class that has none."


@pytest.fixture
def second_owner(db: None) -> User:
    return teams.member("Pavel Policy", role=Role.POLICY_OWNER)


@pytest.fixture
def proposed(bare_stream: Stream, policy_owner: User, second_owner: User) -> PolicyVersion:
    """Proposed by the first policy owner; the second may approve it."""
    draft = actions.draft(stream=bare_stream, body={"thresholds": {"intact": 0.9}}, by=acting(policy_owner))
    return actions.propose(policy=draft, by=acting(policy_owner), untested_because=WHY)


def told(type_: str) -> dict:
    """The payload of the one event of a type."""
    payload: dict = msgspec.json.decode(bytes(Event.objects.get(type=type_).payload))
    return payload


def test_one_proposes_another_approves_and_either_activates(
    proposed: PolicyVersion, policy_owner: User, second_owner: User
) -> None:
    assert (proposed.state, proposed.proposed_by) == ("proposed", str(acting(policy_owner)))

    approved = actions.approve(policy=proposed, by=acting(second_owner))
    active = actions.activate(policy=approved, by=acting(policy_owner))

    assert (active.state, active.approved_by, active.unapproved_because) == ("active", str(acting(second_owner)), "")
    payload = told("policy.activated")
    assert (payload["sole_owner"], payload["approved_by"]) == (False, str(acting(second_owner)))
    assert payload["untested_because"] == WHY
    assert payload["changes"][0]["sentence"] == "Threshold of “intact”: people decide → 0.9 by hand."
    types = Event.objects.filter(subject=f"policy:{active.pk}").order_by("created_at", "pk")
    assert list(types.values_list("type", flat=True)) == [
        *("policy.drafted", "policy.proposed", "policy.approved", "policy.activated"),
    ]


def test_nobody_approves_what_they_proposed(proposed: PolicyVersion, policy_owner: User) -> None:
    with pytest.raises(Forbidden, match="You proposed it yourself") as refusal:
        actions.approve(policy=proposed, by=acting(policy_owner))

    assert refusal.value.code == "same_person"


def test_approval_is_a_persons(proposed: PolicyVersion) -> None:
    for actor in (SYSTEM, Actor("client", "7")):
        with pytest.raises(Forbidden, match="by a person"):
            actions.approve(policy=proposed, by=actor)


def test_what_is_not_approved_does_not_come_into_force(
    bare_stream: Stream, proposed: PolicyVersion, policy_owner: User, second_owner: User
) -> None:
    draft = actions.draft(stream=bare_stream, body={}, by=acting(policy_owner))

    for version, person in ((proposed, policy_owner), (proposed, second_owner), (draft, policy_owner)):
        with pytest.raises(Conflict, match="Another policy owner has to approve it") as refusal:
            actions.activate(policy=version, by=acting(person))
        assert refusal.value.code == "approval_missing"
    assert actions.active_policy(bare_stream) is None


def test_a_sole_owner_activates_and_that_is_said(bare_stream: Stream, policy_owner: User) -> None:
    elsewhere = streams.bare()
    teams.grant(teams.user("Somebody Else"), role=Role.POLICY_OWNER, stream=elsewhere)
    left = teams.member("Left Long Ago", role=Role.POLICY_OWNER)
    User.objects.filter(pk=left.pk).update(is_active=False)
    draft = actions.draft(stream=bare_stream, body={}, by=acting(policy_owner))

    active = actions.activate(policy=draft, by=acting(policy_owner))

    assert (active.approved_by, active.unapproved_because) == (None, "sole_owner")
    assert told("policy.activated")["sole_owner"] is True


def test_sent_back_it_is_a_draft_again_with_the_reason(
    proposed: PolicyVersion, policy_owner: User, second_owner: User
) -> None:
    with pytest.raises(Invalid, match="Say why"):
        actions.send_back(policy=proposed, by=acting(second_owner), reason=" ")

    draft = actions.send_back(policy=proposed, by=acting(second_owner), reason="Too loose for damaged ones.")

    assert (draft.state, draft.proposed_by, draft.sent_back_because) == ("draft", None, "Too loose for damaged ones.")
    edited = actions.edit(policy=draft, body={"thresholds": {"intact": 0.95}}, by=acting(policy_owner))
    again = actions.propose(policy=edited, by=acting(policy_owner), untested_because=WHY)
    assert (again.state, again.sent_back_because) == ("proposed", "")


def test_a_proposal_says_why_it_was_not_tested(bare_stream: Stream, policy_owner: User) -> None:
    draft = actions.draft(stream=bare_stream, body={}, by=acting(policy_owner))

    with pytest.raises(Invalid, match="Back-test the draft first, or say why") as refusal:
        actions.propose(policy=draft, by=acting(policy_owner))

    assert refusal.value.details["errors"][0]["field"] == "untested_because"
    draft.refresh_from_db()
    assert draft.state == "draft"


def test_steps_out_of_turn_are_refused(proposed: PolicyVersion, second_owner: User) -> None:
    by = acting(second_owner)
    with pytest.raises(Conflict, match="only a draft is proposed"):
        actions.propose(policy=proposed, by=by, untested_because=WHY)
    with pytest.raises(Conflict, match="no draft any more"):
        actions.edit(policy=proposed, body={}, by=by)
    actions.approve(policy=proposed, by=by)
    with pytest.raises(Conflict, match="only a proposed version is approved"):
        actions.approve(policy=proposed, by=by)


def test_what_no_longer_fits_the_stream_is_not_activated(proposed: PolicyVersion, second_owner: User) -> None:
    contract = {"type": "object", "properties": {"weight": {"type": "number"}}, "additionalProperties": False}
    PolicyVersion.objects.filter(pk=proposed.pk).update(state="draft")
    body = {"required_columns": ["weight"]}
    PolicyVersion.objects.filter(pk=proposed.pk).update(body=body)
    PolicyVersion.objects.filter(pk=proposed.pk).update(state="proposed")
    approved = actions.approve(policy=proposed, by=acting(second_owner))
    contract["properties"] = {"mass": {"type": "number"}}
    stream_actions.revise(stream=proposed.stream, kind="contract", body=contract, by=SYSTEM)

    with pytest.raises(Invalid, match="is no column"):
        actions.activate(policy=approved, by=acting(second_owner))

    assert actions.active_policy(proposed.stream) is None


class TestRollingBack:
    def test_the_version_before_comes_back_under_a_new_number(self, bare_stream: Stream, policy_owner: User) -> None:
        first, second = policies.active(bare_stream), policies.active(bare_stream, threshold=0.5)

        restored = actions.roll_back(policy=second, by=acting(policy_owner), reason="Too many errors.")

        second.refresh_from_db()
        assert (restored.number, restored.body, restored.restores) == (3, first.body, first)
        assert (restored.state, restored.unapproved_because, second.state) == ("active", "rolled_back", "retired")
        payload = told("policy.rolled_back")
        assert (payload["reason"], payload["restores"], payload["to"]) == ("Too many errors.", 1, 3)

    def test_a_version_that_was_left_is_not_gone_back_to(self, bare_stream: Stream, policy_owner: User) -> None:
        policies.active(bare_stream, threshold=0.91)
        policies.active(bare_stream, threshold=0.92)
        third = policies.active(bare_stream, threshold=0.93)
        by = acting(policy_owner)

        once = actions.roll_back(policy=third, by=by, reason="No.")
        twice = actions.roll_back(policy=once, by=by, reason="No.")
        after = policies.active(bare_stream, threshold=0.96)
        back = actions.roll_back(policy=after, by=by, reason="No.")

        found = [one.body["thresholds"]["intact"] for one in (once, twice, back)]
        assert found == [0.92, 0.91, 0.91]

    def test_two_clicks_roll_back_once(self, bare_stream: Stream, policy_owner: User) -> None:
        policies.active(bare_stream)
        policies.active(bare_stream)
        third = policies.active(bare_stream)
        by = acting(policy_owner)
        actions.roll_back(policy=third, by=by, reason="No.")

        with pytest.raises(Conflict, match="only the active version"):
            actions.roll_back(policy=third, by=by, reason="No.")

    def test_without_a_version_before_there_is_nothing_to_go_back_to(self, bare_stream: Stream) -> None:
        only = policies.active(bare_stream)

        with pytest.raises(Conflict, match="Nothing was in force before"):
            actions.roll_back(policy=only, by=SYSTEM, reason="No.")
        with pytest.raises(Invalid, match="needs a reason"):
            actions.roll_back(policy=only, by=SYSTEM, reason="")
