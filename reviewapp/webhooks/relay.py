"""The relay: a released outbox entry becomes one delivery per subscribed endpoint, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from reviewapp.celery import enqueue
from reviewapp.crashpoints import crashpoint
from reviewapp.gating.models import Hold
from reviewapp.webhooks.models import Delivery
from reviewapp.writing import array, execute, fresh_id, together, write_rows

DELIVER_TASK = "webhooks.deliver"
BATCH = 500
PING = "endpoint.pinged"

# A later event of a case waits for every earlier one that is still in the outbox: an undo window must not turn the
# order round. Statements read holds and entries in one snapshot, so a hold works with its commit.
_DUE = """
SELECT e.id, e.type, e.team_id, e.stream_id, e.case_id, e.sequence, e.subject
FROM events_outboxentry o
JOIN events_event e ON e.id = o.event_id
WHERE o.available_at <= clock_timestamp()
  AND NOT EXISTS (
    SELECT 1 FROM gating_hold h
    WHERE h.lifted_at IS NULL AND h.scope = ANY(%(scopes)s) AND h.stream_id IS NULL)
  AND NOT EXISTS (
    SELECT 1 FROM gating_hold h
    WHERE h.lifted_at IS NULL AND h.scope = ANY(%(scopes)s) AND h.stream_id::text = e.stream_id)
  AND NOT EXISTS (
    SELECT 1 FROM events_event b JOIN events_outboxentry w ON w.event_id = b.id
    WHERE b.case_id = e.case_id AND b.sequence < e.sequence)
ORDER BY o.available_at, o.event_id
LIMIT %(limit)s
"""
_TAKE = f"{_DUE} FOR UPDATE OF o SKIP LOCKED"
_ENDPOINTS = """
SELECT e.id, e.team_id::text, e.event_types,
    ARRAY(SELECT s.stream_id::text FROM webhooks_endpoint_streams s WHERE s.endpoint_id = e.id)
FROM webhooks_endpoint e WHERE e.state <> 'disabled' ORDER BY e.id
"""
_DONE = "DELETE FROM events_outboxentry WHERE event_id = ANY(%s::uuid[])"
HELD_SCOPES = [Hold.Scope.DELIVERIES.value, Hold.Scope.ALL.value]


@dataclass(frozen=True, slots=True)
class _Released:
    id: UUID
    type: str
    team_id: str | None
    stream_id: str | None
    case_id: str | None
    sequence: int | None
    subject: str


@dataclass(frozen=True, slots=True)
class _Listener:
    """An endpoint; without event types or streams it hears all of its team's."""

    endpoint_id: UUID
    team_id: str
    event_types: Sequence[str]
    streams: Sequence[str]


def relay_batch() -> int:
    """Turn released outbox entries into deliveries; answers how many. Safe to run anywhere, at any time."""
    with transaction.atomic():
        with together(2):
            taken = execute(_TAKE, {"scopes": HELD_SCOPES, "limit": BATCH})
            listening = execute(_ENDPOINTS, [])
        released = [_Released(*row) for row in taken]
        if not released:
            return 0
        deliveries = _deliveries(released, [_Listener(*row) for row in listening])
        with together(len(deliveries)):
            write_rows("webhooks_delivery", "id, event_id, endpoint_id, case_id, sequence, state, attempts", deliveries)
            execute(_DONE, [array(event.id for event in released)])
        if deliveries:
            enqueue(DELIVER_TASK)
    crashpoint("delivering.after_relay")
    return len(released)


def is_due() -> bool:
    """Whether an outbox entry waits for the relay."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"scopes": HELD_SCOPES, "limit": 1})
        return cursor.fetchone() is not None


def _deliveries(released: Sequence[_Released], listeners: Sequence[_Listener]) -> list[tuple[Any, ...]]:
    return [
        (fresh_id(), event.id, listener.endpoint_id, event.case_id, event.sequence, Delivery.State.PENDING.value, 0)
        for event in released
        for listener in listeners
        if _is_subscribed(listener, event)
    ]


def _is_subscribed(listener: _Listener, event: _Released) -> bool:
    if listener.team_id != event.team_id:
        return False
    if event.type == PING:
        return event.subject == f"endpoint:{listener.endpoint_id}"
    if listener.event_types and event.type not in listener.event_types:
        return False
    return not listener.streams or event.stream_id in listener.streams
