"""The one door for "something happened"."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import uuid_utils.compat as uuid
from django.db.models.functions import Now

from reviewapp.copying import copy_rows
from reviewapp.events.models import Event, OutboxEntry

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event about to be recorded."""

    type: str
    subject: str
    actor: str
    payload: Mapping[str, Any]
    team_id: UUID | None = None
    stream_id: UUID | None = None
    case_id: UUID | None = None
    sequence: int | None = None
    traceparent: str = ""
    delay: timedelta | None = None
    id: UUID = field(default_factory=uuid.uuid7)


def record(happening: Happening) -> Event:
    """Append one event and, where its type is published, its outbox entry. Call it in the transaction of the change."""
    event = Event.objects.create(**_columns(happening))
    if happening.type in PUBLISHED:
        available_at = Now() if happening.delay is None else Now() + happening.delay
        OutboxEntry.objects.create(event=event, available_at=available_at)
        _hurry_relay()
    return event


def record_many(happenings: Sequence[Happening], *, at: datetime) -> None:
    """Append many events by COPY; `at` is the database's time of the transaction."""
    rows = [_columns(happening) for happening in happenings]
    copy_rows(
        "events_event",
        ", ".join([*_COLUMNS, "created_at"]),
        ((*(row[column] for column in _COLUMNS), at) for row in rows),
    )
    published = [
        (row["id"], at + happening.delay if happening.delay else at)
        for row, happening in zip(rows, happenings, strict=True)
        if happening.type in PUBLISHED
    ]
    if published:
        copy_rows("events_outboxentry", "event_id, available_at", published)
        _hurry_relay()


_COLUMNS = ["id", "type", "team_id", "stream_id", "case_id", "subject", "sequence", "actor", "payload", "traceparent"]


def _columns(happening: Happening) -> dict[str, Any]:
    return {
        "id": happening.id,
        "type": happening.type,
        "team_id": _text(happening.team_id),
        "stream_id": _text(happening.stream_id),
        "case_id": _text(happening.case_id),
        "subject": happening.subject,
        "sequence": happening.sequence,
        "actor": happening.actor,
        "payload": msgspec.json.encode(happening.payload),
        "traceparent": happening.traceparent,
    }


def _text(value: UUID | None) -> str | None:
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
    row = _columns(happening)
    places = ", ".join(["%s"] * len(_COLUMNS))
    return f"INSERT INTO events_event ({', '.join(_COLUMNS)}) SELECT {places} FROM {source}", [*row.values()]


def void_unreleased(event_id: UUID) -> bool:
    """Take a published event back before it becomes deliveries; False when it has left."""
    return OutboxEntry.objects.filter(event_id=event_id).delete()[0] == 1


def void_unreleased_since(moment: datetime, *, case_id: UUID, type_: str) -> None:
    """The same for a case's events of one type since a moment."""
    OutboxEntry.objects.filter(event__case_id=str(case_id), event__type=type_, event__created_at__gte=moment).delete()
