"""The cap: so many automatic actions in an interval, whoever decides them."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F

from reviewapp.cases.actions import intake, routing, scoring
from reviewapp.cases.models import Case, Decision, Prediction
from reviewapp.domain.policy import Cap
from reviewapp.gating import rulebook
from reviewapp.gating.actions import caps
from reviewapp.gating.models import AutomaticCount
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import bundles, cases, locks, policies

HOUR = {"limit": 3, "seconds": 3600}


def capped(stream: Stream, **policy: Any) -> Stream:
    policies.active(stream, **{"cap": HOUR, **policy})
    return stream


def arrive(stream: Stream, number: int) -> list[Case]:
    """Cases that the model is sure of, in the order in which they came."""
    receipts = intake.receive(
        stream=stream,
        submissions=[cases.submission(stream, features=bundles.CLEARLY_INTACT) for _ in range(number)],
        by=SYSTEM,
    )
    return [Case.objects.get(pk=receipt.case_id) for receipt in receipts]


def states(found: list[Case]) -> list[str]:
    for case in found:
        case.refresh_from_db()
    return [case.state for case in found]


def test_the_cases_that_came_last_go_to_people(stream: Stream) -> None:
    found = arrive(capped(stream), 5)

    cases.score_all()

    assert states(found) == ["decided"] * 3 + ["in_review"] * 2
    reasons = Prediction.objects.get(case=found[-1]).reasons
    assert reasons == [
        {"code": "cap_reached", "sentence": "The policy lets 3 cases act alone in 1 hour, and they have."}
    ]
    assert AutomaticCount.objects.get().count == 3


def test_the_count_goes_on_from_batch_to_batch_and_ends_with_the_interval(stream: Stream) -> None:
    capped(stream)
    first = arrive(stream, 2)
    cases.score_all()
    second = arrive(stream, 2)
    cases.score_all()

    AutomaticCount.objects.update(started_at=F("started_at") - timedelta(seconds=3600))
    third = arrive(stream, 2)
    cases.score_all()

    assert states(first + second + third) == ["decided"] * 3 + ["in_review"] + ["decided"] * 2
    assert AutomaticCount.objects.get().count == 2


def test_only_what_would_act_alone_is_counted(stream: Stream) -> None:
    capped(stream)

    cases.in_review(stream)
    assert not AutomaticCount.objects.exists()

    cases.decided(stream)
    assert AutomaticCount.objects.get().count == 1


def test_without_a_cap_nothing_is_counted(stream: Stream) -> None:
    cases.decided(stream)

    assert not AutomaticCount.objects.exists()


def test_a_case_beyond_the_cap_keeps_its_chance_of_being_read_blind(stream: Stream) -> None:
    capped(stream, cap={"limit": 1, "seconds": 60}, audit_rate=0.3)

    _, beyond = arrive(stream, 2)
    cases.score_all()

    prediction = Prediction.objects.get(case=beyond)
    beyond.refresh_from_db()
    assert (prediction.route, prediction.threshold, prediction.inclusion_probability) == ("review", 0.9, 0.3)
    assert (beyond.reviews.get().mode == "blind") == (beyond.coin < 0.3)


def test_a_case_that_somebody_else_has_decided_meanwhile_is_not_counted_again(stream: Stream) -> None:
    capped(stream)
    case = cases.decided(stream)
    prediction = Prediction.objects.get(case=case)
    again = routing.Scored(
        case_id=str(case.pk),
        external_id=case.external_id,
        generation=1,
        coin=case.coin,
        due_at=case.due_at.isoformat(),
        role="primary",
        model_version_id=prediction.model_version_id,
        model_number=1,
        answer=prediction.answer,
        probabilities=prediction.probabilities,
        confidence=prediction.confidence,
        novelty=prediction.novelty,
        provider=prediction.provider,
        latency=0.0,
    )

    with transaction.atomic():
        rules = rulebook.read_locked(stream.pk)
        assert routing.apply(rulebook=rules, batch=[again], now=rules.read_at) == set()

    assert AutomaticCount.objects.get().count == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_spend_the_same_room(bare_stream: Stream) -> None:
    rooms: list[int] = []

    def decide() -> None:
        try:
            with transaction.atomic():
                rooms.append(caps.room(bare_stream.pk, Cap(3, 3600)))
        finally:
            connection.close()

    thread = threading.Thread(target=decide)
    with transaction.atomic():
        assert caps.room(bare_stream.pk, Cap(3, 3600)) == 3
        thread.start()
        locks.wait_for_a_waiter()
        caps.spend(bare_stream.pk, 2)
    thread.join()

    assert rooms == [1]


@pytest.mark.django_db(transaction=True)
def test_two_workers_together_keep_to_the_cap(bare_stream: Stream) -> None:
    stream = bare_stream
    bundles.primary(stream)
    capped(stream)
    arrive(stream, 12)
    # Small batches, so that each of the two gets some.
    barrier = threading.Barrier(2)

    def work() -> None:
        try:
            barrier.wait(10)
            while scoring.score_batch():
                pass
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    before, scoring.BATCH = scoring.BATCH, 2
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        scoring.BATCH = before

    assert Decision.objects.filter(source="auto").count() == AutomaticCount.objects.get().count == 3
    assert Case.objects.filter(state="in_review").count() == 9
