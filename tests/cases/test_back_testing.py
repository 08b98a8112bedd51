"""A policy version replayed on stored cases."""

from datetime import timedelta

import pytest
from django.utils import timezone

from reviewapp.accounts.models import User
from reviewapp.cases import back_test_reading, back_tests, tasks
from reviewapp.cases.actions import back_testing, claims
from reviewapp.cases.models import Case
from reviewapp.domain.errors import Conflict, Forbidden, Invalid
from reviewapp.embedded.lanes import LANES
from reviewapp.events.models import Event
from reviewapp.gating.actions import activation
from reviewapp.gating.models import BackTest, BackTestChange
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import PolicyVersion, Stream
from tests.factories import bundles, cases, policies, reviews, streams
from tests.people import acting


@pytest.fixture
def audited(db: None) -> Stream:
    """A stream that acts alone from 0.9 on and audits all of it."""
    return streams.ready(policy={"audit_rate": 1.0})


def begun(policy: PolicyVersion) -> BackTest:
    """A back-test of the last hour."""
    now = timezone.now() + timedelta(seconds=1)
    return back_testing.start(policy=policy, period_start=now - timedelta(hours=1), period_end=now, by=SYSTEM)


def done(policy: PolicyVersion) -> BackTest:
    test = begun(policy)
    while back_testing.run_waiting():
        pass
    test.refresh_from_db()
    return test


def read(case: Case, user: User, answer: str) -> None:
    reviews.answer(reviews.claimed(case.stream, user, case), user, answer)


def test_a_demonstrations_answers_take_no_persons_time(audited: Stream, rosa: User) -> None:
    case = cases.in_review(audited)
    reviews.answer(reviews.claimed(audited, rosa, case), rosa, "damaged", is_demo=True)

    assert done(policies.draft(audited, threshold=0.01)).result["minutes_per_review"] is None


def test_a_draft_is_replayed_on_what_was_stored(audited: Stream, rosa: User, ravi: User) -> None:
    right, wrong, unread = (cases.decided(audited) for _ in range(3))
    unsure = [cases.in_review(audited) for _ in range(2)]
    read(right, rosa, "intact")
    for reader in (rosa, ravi):
        read(wrong, reader, "damaged")
    read(unsure[0], rosa, "damaged")

    test = done(policies.draft(audited, threshold=0.01, audit_rate=0.5))

    assert (test.state, test.detail) == ("done", "")
    result = test.result
    assert (result["cases"], result["changed"]) == (5, {"to_automatic": 2, "to_people": 0, "listed": 2})
    assert (result["before"]["automatic"], result["after"]["automatic"]) == (3, 5)
    assert (result["before"]["labelled"], result["before"]["contradicted"]) == (2, 1)
    assert (result["before"]["error"]["answers"], result["before"]["error"]["wrong"]) == (2, 1)
    assert result["before"]["error"]["low"] < 0.5 < result["before"]["error"]["high"]
    assert (result["before"]["reviews_per_day"], result["before"]["audits_per_day"]) == (2, 3)
    assert (result["after"]["reviews_per_day"], result["after"]["audits_per_day"]) == (0, 2.5)
    assert result["minutes_per_review"] is not None
    assert "No label exists for 1 of the 2 cases that would become automatic." in result["unknown"]
    assert "2 of the 5 cases drawn for a blind reading have no settled answer yet." in result["unknown"]
    assert {one["source"] for one in result["plan"]} == {"by hand"}
    changed = back_tests.changes_of(test, by=SYSTEM)
    assert [one.case_id for one in changed] == [case.pk for case in unsure]
    assert {(one.route_before, one.route_after, one.reason) for one in changed} == {
        ("review", "auto", "above_threshold")
    }
    assert changed[0].truth == "damaged"
    assert unread.state == "decided"
    types = Event.objects.filter(type__startswith="back_test.").order_by("created_at").values_list("type", flat=True)
    assert list(types) == ["back_test.started", "back_test.finished"]


def test_a_contradicted_audit_is_in_doubt_until_the_next_reader(audited: Stream, rosa: User) -> None:
    read(cases.decided(audited), rosa, "damaged")

    error = done(policies.draft(audited, thresholds={})).result["before"]["error"]

    assert (error["answers"], error["wrong"], error["in_doubt"]) == (1, 0, 1)
    assert (error["rate"], error["low"], error["high"]) == (0.0, 0.0, 1.0)


def test_a_promise_without_evidence_sends_everything_to_people(audited: Stream) -> None:
    cases.decided(audited)
    promise = {"target_error": 0.02, "confidence": 0.95}
    draft = policies.draft(audited, thresholds={}, audit_rates={}, promises=dict.fromkeys(audited.classes, promise))

    result = done(draft).result

    assert result["changed"]["to_people"] == 1
    assert {one["source"] for one in result["plan"]} == {"not proven by the evidence so far"}
    assert result["after"]["error"]["method"] == "none"


def test_chunks_add_up_to_the_whole(audited: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        cases.decided(audited)
    draft = policies.draft(audited, thresholds={})
    whole = done(draft).result
    monkeypatch.setattr(back_test_reading, "CHUNK", 2)

    test = begun(draft)
    assert back_testing.run_waiting() == 1
    test.refresh_from_db()
    assert (test.state, test.result["progress"]["replayed"]) == ("running", 2)
    assert back_testing.run_waiting() == 1
    test.refresh_from_db()

    assert test.state == "done"
    for key in ("cases", "changed", "classes", "unknown"):
        assert test.result[key] == whole[key]
    assert not back_testing.is_due()


def test_a_wake_up_and_the_sweepers_lane_both_lead_to_the_end(audited: Stream) -> None:
    cases.decided(audited)
    first, second = begun(policies.draft(audited)), begun(policies.draft(audited))
    (lane,) = [lane for lane in LANES if lane.task == back_testing.BACK_TEST_TASK]

    assert lane.is_due()
    tasks.run_back_tests()
    third = begun(policies.draft(audited))
    lane.drain()

    assert not lane.is_due()
    found = BackTest.objects.filter(pk__in=[first.pk, second.pk, third.pk]).order_by("pk")
    assert list(found.values_list("state", flat=True)) == ["done", "done", "done"]


def test_only_so_many_changes_are_listed_and_all_are_counted(audited: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        cases.decided(audited)
    monkeypatch.setattr(back_testing, "MAX_CHANGES", 2)

    test = done(policies.draft(audited, thresholds={}))

    assert test.result["changed"] == {"to_automatic": 0, "to_people": 3, "listed": 2}
    assert BackTestChange.objects.filter(back_test=test).count() == 2


def test_a_period_without_cases_is_refused(audited: Stream) -> None:
    draft, now = policies.draft(audited), timezone.now()

    with pytest.raises(Invalid, match="it has had none yet"):
        back_testing.start(policy=draft, period_start=now - timedelta(days=9), period_end=now, by=SYSTEM)
    cases.decided(audited)
    with pytest.raises(Invalid, match="its newest case came on 20"):
        back_testing.start(
            policy=draft, period_start=now - timedelta(days=9), period_end=now - timedelta(days=8), by=SYSTEM
        )
    for start in (now, now + timedelta(days=1)):
        with pytest.raises(Invalid, match="must start in the past"):
            back_testing.start(policy=draft, period_start=start, period_end=now, by=SYSTEM)


def test_a_back_test_is_cancelled(audited: Stream, policy_owner: User) -> None:
    cases.decided(audited)
    test = begun(policies.draft(audited))

    back_testing.cancel(back_test=test, by=acting(policy_owner))

    test.refresh_from_db()
    assert (test.state, test.detail) == ("failed", "It was cancelled.")
    assert back_testing.run_waiting() == 0


def test_what_cannot_be_replayed_fails_with_a_sentence(audited: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    cases.decided(audited)
    test = begun(policies.draft(audited, thresholds={}))

    def lost(*_: object, **__: object) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr(back_test_reading, "rows", lost)
    back_testing.run_waiting()

    test.refresh_from_db()
    assert test.state == "failed"
    assert test.detail.startswith("It failed for a reason of the product's own")
    assert back_testing.run_waiting() == 0


def test_back_tests_are_the_policy_owners_to_start_and_the_overseers_to_see(
    audited: Stream, rosa: User, auditor: User
) -> None:
    cases.decided(audited)
    draft = policies.draft(audited, thresholds={})
    now = timezone.now()
    with pytest.raises(Forbidden):
        back_testing.start(policy=draft, period_start=now - timedelta(days=1), period_end=now, by=acting(auditor))
    test = done(draft)

    assert len(back_tests.changes_of(test, by=acting(auditor))) == 1
    with pytest.raises(Forbidden, match="Back-tests are shown to"):
        back_tests.changes_of(test, by=acting(rosa))


def test_a_case_somebody_must_answer_unseen_is_not_listed_to_them(audited: Stream, lead: User) -> None:
    case = cases.decided(audited)
    test = done(policies.draft(audited, thresholds={}))
    claims.claim(review_id=reviews.waiting(audited, case).pk, by=acting(lead))

    assert back_tests.changes_of(test, by=acting(lead)) == []
    assert len(back_tests.changes_of(test, by=SYSTEM)) == 1


def test_changes_are_narrowed(audited: Stream, rosa: User, ravi: User) -> None:
    wrong, other = cases.decided(audited), cases.scored(audited, bundles.CLEARLY_DAMAGED)
    for reader in (rosa, ravi):
        read(wrong, reader, "damaged")
    test = done(policies.draft(audited, thresholds={}))

    def ids(**chosen: object) -> list:
        return [one.case_id for one in back_tests.changes_of(test, by=SYSTEM, **chosen)]

    assert ids() == [wrong.pk, other.pk]
    assert ids(is_contradicted=True) == [wrong.pk]
    assert ids(answer="damaged") == [other.pk]
    assert ids(to="auto") == []
    first = back_tests.changes_of(test, by=SYSTEM, limit=1)[0]
    assert ids(after=first.id) == [other.pk]


def test_a_proposal_carries_the_back_test_of_its_very_body(audited: Stream, policy_owner: User) -> None:
    cases.decided(audited)
    draft = policies.draft(audited, thresholds={})
    test = done(draft)
    by = acting(policy_owner)

    activation.policies.edit(policy=draft, body={"thresholds": {"intact": 0.99}}, by=by)
    with pytest.raises(Invalid, match="Back-test the draft first"):
        activation.propose(policy=draft, by=by)
    again = done(draft)
    proposed = activation.propose(policy=draft, by=by, untested_because="Not needed.")

    assert (proposed.back_test_id, proposed.untested_because) == (again.pk, "")
    assert again.pk != test.pk


def test_only_so_many_wait_at_once(audited: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    cases.decided(audited)
    monkeypatch.setattr(back_testing, "MAX_UNFINISHED", 1)
    draft = policies.draft(audited)
    begun(draft)

    with pytest.raises(Conflict, match="are under way"):
        begun(draft)
