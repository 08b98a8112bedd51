import json
import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from reviewapp.accounts.models import User
from reviewapp.cases import readings
from reviewapp.cases.actions import overdue, reopening
from reviewapp.cases.models import Case, Prediction
from reviewapp.events.models import Event
from reviewapp.gating.actions import ledger
from reviewapp.gating.models import LedgerEntry
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Role, Stream
from tests.factories import bundles, cases, policies, reviews, streams, teams


@pytest.fixture
def audited(db: None) -> Stream:
    """A stream in which every automatic decision is audited."""
    return streams.ready(policy={"audit_rate": 1.0})


def aged(case: Case, days: float) -> Case:
    Prediction.objects.filter(case=case).update(created_at=Now() - timedelta(days=days))
    return case


def told(type_: str) -> list[dict[str, object]]:
    return [json.loads(bytes(one.payload)) for one in Event.objects.filter(type=type_).order_by("created_at", "pk")]


def test_an_audit_that_nobody_answers_in_time_counts_as_wrong(audited: Stream) -> None:
    late, fresh = aged(cases.decided(audited), 7.1), aged(cases.decided(audited), 6.9)

    assert overdue.mark_overdue() == 1

    entry = LedgerEntry.objects.get()
    assert (entry.case_id, entry.is_wrong, entry.is_overdue, entry.truth) == (late.pk, True, True, None)
    assert entry.is_automatic
    (event,) = told("evidence.recorded")
    assert (event["case"], event["truth"], event["is_overdue"]) == (str(late.pk), None, True)
    assert fresh.reviews.get().state == "open"
    assert overdue.mark_overdue() == 0


def test_the_policy_says_how_long_an_audit_may_wait(audited: Stream) -> None:
    policies.active(audited, audit_rate=1.0, audit={"overdue_days": 2.0})
    aged(cases.decided(audited), 2.1)

    assert overdue.mark_overdue_in(audited) == 1


def test_an_answer_that_comes_after_all_corrects_the_entry(audited: Stream, rosa: User) -> None:
    case = aged(cases.decided(audited), 8)
    overdue.mark_overdue_in(audited)

    reviews.settled(audited, rosa, "intact", case)

    entry = LedgerEntry.objects.get()
    assert (entry.is_wrong, entry.is_overdue, entry.truth) == (False, False, "intact")
    assert [event["is_overdue"] for event in told("evidence.recorded")] == [True, False]
    assert overdue.mark_overdue_in(audited) == 0


def test_a_second_reading_is_overdue_like_the_audit_that_asked_for_it(audited: Stream, rosa: User) -> None:
    case = cases.decided(audited)
    reviews.answer(reviews.claimed(audited, rosa, case), rosa, "damaged")
    aged(case, 8)

    assert overdue.mark_overdue_in(audited) == 1


def test_a_review_that_begins_unseen_is_overdue_too(db: None) -> None:
    stream = streams.ready(policy={"audit_rate": 0.5}, review_mode="commit_then_reveal")
    aged(cases.in_review(stream), 8)

    assert overdue.mark_overdue_in(stream) == 1

    entry = LedgerEntry.objects.get()
    assert (entry.is_automatic, entry.inclusion_probability, entry.least_probability) == (False, 1.0, 0.5)


def test_what_is_no_evidence_is_never_overdue(db: None) -> None:
    guarded = streams.ready(policy={"audit_rate": 0.5, "novelty_floor": 1.0}, review_mode="blind")
    assisted = streams.ready(blind_share=0.0)
    aged(cases.in_review(guarded), 8)
    aged(cases.in_review(assisted), 8)

    assert overdue.mark_overdue() == 0


def test_what_somebody_works_on_waits_for_the_next_turn(audited: Stream, rosa: User) -> None:
    case = aged(cases.decided(audited), 8)
    reviews.claimed(audited, rosa, case)

    assert overdue.mark_overdue_in(audited) == 0


def test_an_overdue_reading_of_an_amended_case_is_taken_back(audited: Stream) -> None:
    case = aged(cases.decided(audited), 8)
    overdue.mark_overdue_in(audited)
    reopening.amend(case_id=case.pk, generation=1, features=bundles.CLEARLY_DAMAGED, by=SYSTEM)

    overdue.mark_overdue_in(audited)

    assert not LedgerEntry.objects.exists()
    assert [event["case"] for event in told("evidence.withdrawn")] == [str(case.pk)]


def test_many_are_entered_in_pages(audited: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overdue, "BATCH", 9)
    for _ in range(10):
        aged(cases.decided(audited), 8)

    assert overdue.mark_overdue_in(audited) == 10
    assert len(told("evidence.recorded")) == 10


def test_a_mark_that_comes_after_the_answer_changes_nothing(audited: Stream, rosa: User) -> None:
    case = reviews.settled(audited, rosa, "intact", cases.decided(audited))
    routed_by = Prediction.objects.get(case=case).pk

    marked = ledger.record(stream=audited, entries=readings.evidence_on(audited, [routed_by]), by=SYSTEM)

    assert marked == 0
    assert not LedgerEntry.objects.get().is_overdue
    assert len(told("evidence.recorded")) == 1


@pytest.mark.django_db(transaction=True)
def test_an_answer_on_its_way_is_neither_waited_for_nor_overtaken() -> None:
    stream, reader = streams.ready(policy={"audit_rate": 1.0}), teams.member("Rosa", role=Role.REVIEWER)
    case = aged(cases.decided(stream), 8)
    answered, may_commit = threading.Event(), threading.Event()

    def answer_slowly() -> None:
        try:
            with transaction.atomic():
                reviews.settled(stream, reader, "intact", case)
                answered.set()
                may_commit.wait(20)
        finally:
            connection.close()

    writer = threading.Thread(target=answer_slowly)
    writer.start()
    assert answered.wait(20)

    marked = overdue.mark_overdue_in(stream)
    may_commit.set()
    writer.join()

    assert marked == 0
    assert (LedgerEntry.objects.get().is_wrong, overdue.mark_overdue_in(stream)) == (False, 0)
