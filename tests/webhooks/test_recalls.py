"""Recalls: from the rollback to the hold, the walk and what receivers hear of it."""

import pytest

from reviewapp.cases.actions import recalls
from reviewapp.cases.models import Case, Recall
from reviewapp.cases.verification import CHECKS, find
from reviewapp.domain.errors import Conflict, Forbidden, Invalid
from reviewapp.events.models import Event, OutboxEntry
from reviewapp.gating.actions import holds
from reviewapp.gating.models import Hold
from reviewapp.registry.actions import rollouts
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion, Stream
from reviewapp.webhooks import unsending
from reviewapp.webhooks.models import Delivery, Endpoint
from reviewapp.webhooks.relay import relay_batch
from tests.factories import bundles, cases, reviews
from tests.people import acting


@pytest.fixture
def bad(stream: Stream) -> ModelVersion:
    return bundles.primary(stream, "parcels-2")


@pytest.fixture
def listening(stream: Stream) -> Endpoint:
    from reviewapp.webhooks import actions

    return actions.create_endpoint(team=stream.team, url="http://127.0.0.1:9/hook", by=SYSTEM)[0]


def roll_back(stream: Stream) -> None:
    rollouts.roll_back(stream=stream, by=SYSTEM, reason="It misses tears.")


def recall_all() -> None:
    while unsending.recall_batch():
        pass


def types(case: Case) -> list[str]:
    return list(Event.objects.filter(case_id=str(case.pk)).order_by("sequence").values_list("type", flat=True))


def is_sound() -> bool:
    return not [check.name for check in CHECKS if find(check).count]


def test_what_nobody_heard_of_is_taken_back_and_read_by_people(
    stream: Stream, bad: ModelVersion, listening: Endpoint
) -> None:
    case = cases.decided(stream)
    roll_back(stream)

    recall = recalls.start(version=bad, by=SYSTEM, reason="It misses tears.")
    recall_all()

    case.refresh_from_db()
    assert case.state == "in_review"
    assert [decision.source for decision in case.decisions.order_by("sequence")] == ["auto", "withdrawn"]
    assert types(case)[-2:] == ["decision.undone", "case.recalled"]
    review = case.reviews.get()
    assert (review.kind, review.state) == ("reopened", "open")
    assert "It misses tears." in review.reasons[0]["sentence"]
    assert not OutboxEntry.objects.filter(event__case_id=str(case.pk)).exists()
    recall.refresh_from_db()
    assert (recall.num_recalled, recall.num_unsent) == (1, 1)
    assert is_sound()


def test_what_was_relayed_and_sent_to_nobody_is_taken_back_too(
    stream: Stream, bad: ModelVersion, listening: Endpoint
) -> None:
    case = cases.decided(stream)
    assert relay_batch() == 1
    roll_back(stream)

    recalls.start(version=bad, by=SYSTEM, reason="It misses tears.")
    recall_all()

    assert not Delivery.objects.filter(case_id=str(case.pk)).exists()
    assert "decision.undone" in types(case)
    assert is_sound()


def test_what_was_tried_stands_until_people_supersede_it(
    stream: Stream, bad: ModelVersion, listening: Endpoint
) -> None:
    case = cases.decided(stream)
    relay_batch()
    Delivery.objects.update(attempts=1)
    roll_back(stream)

    recall = recalls.start(version=bad, by=SYSTEM, reason="It misses tears.")
    recall_all()

    case.refresh_from_db()
    assert case.state == "in_review"
    assert [decision.source for decision in case.decisions.all()] == ["auto"]
    assert types(case)[-1] == "case.reopened"
    assert recalls.count_standing(bad, recalls.began(bad)) == 0  # it is before people already
    recall.refresh_from_db()
    assert (recall.num_recalled, recall.num_unsent) == (1, 0)
    assert is_sound()


def test_deliveries_are_held_first_and_go_on_when_it_is_done(
    stream: Stream, bad: ModelVersion, listening: Endpoint
) -> None:
    cases.decided(stream)
    roll_back(stream)

    recalls.start(version=bad, by=SYSTEM, reason="It misses tears.")

    assert relay_batch() == 0
    recall_all()
    assert not Hold.objects.filter(stream=stream, lifted_at__isnull=True).exists()
    cases.decided(stream)
    assert relay_batch() == 1


def test_a_hold_of_a_person_outlives_the_recall(stream: Stream, bad: ModelVersion) -> None:
    cases.decided(stream)
    roll_back(stream)
    hold = holds.place(stream=stream, scope="deliveries", reason="Doubts.", by=SYSTEM)

    recalls.start(version=bad, by=SYSTEM, reason="It misses tears.")
    recall_all()

    hold.refresh_from_db()
    assert hold.lifted_at is None


def test_only_the_bad_versions_standing_decisions_are_recalled(stream: Stream, rosa: object) -> None:
    by_the_good = cases.decided(stream)
    bad = bundles.primary(stream, "parcels-2")
    by_the_bad, by_a_person = cases.decided(stream), reviews.settled(stream, rosa)
    roll_back(stream)
    after = cases.decided(stream)

    recalls.start(version=bad, by=SYSTEM, reason="It misses tears.")
    recall_all()

    states = {case.pk: Case.objects.get(pk=case.pk).state for case in (by_the_good, by_the_bad, by_a_person, after)}
    assert states == {
        by_the_good.pk: "decided",
        by_the_bad.pk: "in_review",
        by_a_person.pk: "decided",
        after.pk: "decided",
    }


def test_many_decisions_take_several_batches(
    stream: Stream, bad: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recalls, "BATCH", 2)
    for _ in range(5):
        cases.decided(stream)
    roll_back(stream)

    assert recalls.count_standing(bad, recalls.began(bad)) == 5
    recall = recalls.start(version=bad, by=SYSTEM, reason="It misses tears.")
    assert [unsending.recall_batch() for _ in range(5)] == [2, 2, 1, 1, 0]

    recall.refresh_from_db()
    assert recall.num_recalled == 5
    assert recall.finished_at is not None
    assert recalls.count_standing(bad, recalls.began(bad)) == 0
    assert not recalls.is_due()


def test_a_canarys_decisions_are_recalled_since_it_was_a_canary(stream: Stream) -> None:
    version = bundles.version(stream, "parcels-2")
    first = rollouts.start_canary(version=version, share=0.1, by=SYSTEM)
    rollouts.start_canary(version=version, share=1.0, by=SYSTEM)
    rollouts.promote(version=version, by=SYSTEM)
    first.refresh_from_db()

    assert recalls.began(version) == first.created_at


def test_a_version_that_still_decides_is_not_recalled(stream: Stream, bad: ModelVersion) -> None:
    with pytest.raises(Conflict, match="still decides"):
        recalls.start(version=bad, by=SYSTEM, reason="It misses tears.")


def test_a_version_that_never_decided_has_nothing_to_recall(stream: Stream) -> None:
    with pytest.raises(Conflict, match="never decided"):
        recalls.start(version=bundles.version(stream, "parcels-3"), by=SYSTEM, reason="It misses tears.")


def test_a_recall_runs_once_at_a_time_and_needs_a_reason_and_the_role(
    stream: Stream, bad: ModelVersion, lead: object
) -> None:
    roll_back(stream)
    with pytest.raises(Invalid):
        recalls.start(version=bad, by=SYSTEM, reason=" ")
    with pytest.raises(Forbidden):
        recalls.start(version=bad, by=acting(lead), reason="Mine.")
    recalls.start(version=bad, by=SYSTEM, reason="It misses tears.")

    with pytest.raises(Conflict, match="already"):
        recalls.start(version=bad, by=SYSTEM, reason="Again.")
    assert Recall.objects.count() == 1
