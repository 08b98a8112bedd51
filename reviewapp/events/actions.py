"""The one door for "something happened"."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import uuid_utils.compat as uuid
from django.db.models.functions import Now

from reviewapp.events.models import Event, OutboxEntry
from reviewapp.writing import write_rows

# Event types that leave the house by webhook; every other event stays in the audit trail.
PUBLISHED = frozenset(
    {
        "decision.made",
        "decision.corrected",
        "decision.withdrawn",
        "review.submitted",
        "case.reopened",
        "endpoint.pinged",
    }
)

RELAY_TASK = "webhooks.relay"


@dataclass(slots=True, kw_only=True)
class Happening:
    """An event about to be recorded. Not frozen, like all that is made once per case: that triples the time."""

    type: str
    subject: str
    actor: str
    payload: Mapping[str, Any]
    team_id: UUID | str | None = None
    stream_id: UUID | str | None = None
    case_id: UUID | str | None = None
    sequence: int | None = None
    traceparent: str = ""
    delay: timedelta | None = None
    id: UUID | str = field(default_factory=uuid.uuid7)


def record(happening: Happening) -> Event:
    """Append one event and, where its type is published, its outbox entry. Call it in the transaction of the change."""
    event = Event.objects.create(**dict(zip(_COLUMNS, _values(happening), strict=True)))
    if happening.type in PUBLISHED:
        available_at = Now() if happening.delay is None else Now() + happening.delay
        OutboxEntry.objects.create(event=event, available_at=available_at)
        _hurry_relay()
    return event


def record_many(happenings: Sequence[Happening], *, at: datetime) -> None:
    """Append many events by COPY; `at` is the database's time of the transaction."""
    written_at = at.isoformat()
    write_rows(
        "events_event",
        ", ".join([*_COLUMNS, "created_at"]),
        ((*_values(happening), written_at) for happening in happenings),
    )
    published = [
        (happening.id, at + happening.delay if happening.delay else written_at)
        for happening in happenings
        if happening.type in PUBLISHED
    ]
    if published:
        write_rows("events_outboxentry", "event_id, available_at", published)
        _hurry_relay()


_COLUMNS = ["id", "type", "team_id", "stream_id", "case_id", "subject", "sequence", "actor", "payload", "traceparent"]


def _values(happening: Happening) -> tuple[Any, ...]:
    """In the order of _COLUMNS."""
    return (
        happening.id,
        happening.type,
        _text(happening.team_id),
        _text(happening.stream_id),
        _text(happening.case_id),
        happening.subject,
        happening.sequence,
        happening.actor,
        _encode(happening.payload),
        happening.traceparent,
    )


_encode = msgspec.json.Encoder().encode


def _text(value: UUID | str | None) -> str | None:
    return None if value is None else str(value)


def _hurry_relay() -> None:
    from reviewapp.celery import enqueue

    enqueue(RELAY_TASK)


def insertion(happening: Happening, *, source: str) -> tuple[str, list[Any]]:
    """The INSERT of one unpublished event, for a statement that writes it together with what happened.

    It writes one row per row of `source`, the name of a common table expression of that statement.
    """
    if happening.type in PUBLISHED:
        raise ValueError(f"{happening.type} is published and needs its outbox entry; use record().")
    places = ", ".join(["%s"] * len(_COLUMNS))
    statement = f"INSERT INTO events_event ({', '.join(_COLUMNS)}) SELECT {places} FROM {source}"  # noqa: S608 our own
    return statement, [*_values(happening)]


def void_unreleased(event_id: UUID) -> bool:
    """Take a published event back before it becomes deliveries; False when it has left."""
    return OutboxEntry.objects.filter(event_id=event_id).delete()[0] == 1


def void_unreleased_since(moment: datetime, *, case_id: UUID, type_: str) -> None:
    """The same for a case's events of one type since a moment."""
    OutboxEntry.objects.filter(event__case_id=str(case_id), event__type=type_, event__created_at__gte=moment).delete()
