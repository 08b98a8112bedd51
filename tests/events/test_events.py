import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from reviewapp.events import actions as events
from reviewapp.events.models import Event, OutboxEntry

pytestmark = pytest.mark.django_db


def happening(type_: str = "stream.created", **fields: object) -> events.Happening:
    return events.Happening(**{"type": type_, "subject": "stream:1", "actor": "system", "payload": {"a": 1}, **fields})


def test_an_event_keeps_its_payload_as_bytes() -> None:
    stream_id = uuid4()

    event = events.record(happening(stream_id=stream_id, payload={"name": "Ärger", "at": timedelta(seconds=1)}))

    event.refresh_from_db()
    assert json.loads(bytes(event.payload)) == {"name": "Ärger", "at": "PT1S"}
    assert event.stream_id == str(stream_id)


@pytest.mark.parametrize("type_", sorted(events.PUBLISHED))
def test_a_published_type_gets_its_outbox_entry(type_: str) -> None:
    event = events.record(happening(type_))

    assert OutboxEntry.objects.get().event == event


def test_other_types_stay_in_the_house() -> None:
    events.record(happening("case.received", case_id=uuid4(), sequence=1))

    assert not OutboxEntry.objects.exists()


def test_a_delayed_event_is_available_later() -> None:
    events.record(happening("decision.made", delay=timedelta(minutes=1)))
    events.record(happening("decision.made"))

    assert OutboxEntry.objects.filter(available_at__gt=timezone.now() + timedelta(seconds=50)).count() == 1
    assert OutboxEntry.objects.filter(available_at__lte=timezone.now() + timedelta(seconds=5)).count() == 1


def test_many_events_are_as_one_by_one() -> None:
    at = timezone.now()
    case_id = uuid4()
    several = [
        happening("case.received", case_id=case_id, sequence=1, traceparent="00-t"),
        happening("decision.made", case_id=case_id, sequence=2, payload={"tab": "a\tb\\c\nd"}),
        happening("decision.made", delay=timedelta(minutes=1)),
    ]

    events.record_many(several, at=at)

    stored = {event.pk: event for event in Event.objects.all()}
    assert stored.keys() == {one.id for one in several}
    assert json.loads(bytes(stored[several[1].id].payload)) == {"tab": "a\tb\\c\nd"}
    assert stored[several[0].id].traceparent == "00-t"
    assert {event.created_at for event in stored.values()} == {at}
    assert dict(OutboxEntry.objects.values_list("event_id", "available_at")) == {
        several[1].id: at,
        several[2].id: at + timedelta(minutes=1),
    }


def test_no_events_are_none() -> None:
    events.record_many([], at=timezone.now())

    assert not Event.objects.exists()


def test_an_event_that_has_not_left_is_taken_back_once() -> None:
    event = events.record(happening("decision.made"))

    assert events.void_unreleased(event.pk)
    assert not events.void_unreleased(event.pk)
    assert Event.objects.filter(pk=event.pk).exists()


def test_only_a_cases_own_recent_events_of_the_type_are_taken_back() -> None:
    mine, other = uuid4(), uuid4()
    old = events.record(happening("review.submitted", case_id=mine, sequence=1))
    moment = Event.objects.get(pk=old.pk).created_at + timedelta(microseconds=1)
    events.record(happening("review.submitted", case_id=mine, sequence=2))
    decision = events.record(happening("decision.made", case_id=mine, sequence=3))
    foreign = events.record(happening("review.submitted", case_id=other, sequence=1))

    events.void_unreleased_since(moment, case_id=mine, type_="review.submitted")

    assert set(OutboxEntry.objects.values_list("event_id", flat=True)) == {old.pk, decision.pk, foreign.pk}


@pytest.mark.django_db(transaction=True)
def test_events_carry_the_number_of_their_transaction() -> None:
    with transaction.atomic():
        one, two = events.record(happening()), events.record(happening())
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()::text")
            number = int(cursor.fetchone()[0])
    later = events.record(happening())

    numbers = dict(Event.objects.values_list("pk", "xid"))
    assert numbers[one.pk] == numbers[two.pk] == number < numbers[later.pk]


@pytest.mark.django_db(transaction=True)
def test_an_event_of_a_change_that_failed_never_was() -> None:
    with transaction.atomic():
        events.record(happening("decision.made"))
        transaction.set_rollback(True)

    assert not Event.objects.exists()
    assert not OutboxEntry.objects.exists()
