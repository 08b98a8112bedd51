"""The relay: a released outbox entry becomes one delivery per subscribed endpoint, in one transaction."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction

from reviewapp.celery import enqueue
from reviewapp.crashpoints import crashpoint
from reviewapp.events.models import OutboxEntry
from reviewapp.gating.models import Hold
from reviewapp.webhooks.models import Delivery, Endpoint

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


def relay_batch() -> int:
    """Turn released outbox entries into deliveries; answers how many. Safe to run anywhere, at any time."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"{_DUE} FOR UPDATE OF o SKIP LOCKED", {"scopes": HELD_SCOPES, "limit": BATCH})
            released = [_Released(*row) for row in cursor.fetchall()]
        if not released:
            return 0
        deliveries = _deliveries(released)
        Delivery.objects.bulk_create(deliveries)
        OutboxEntry.objects.filter(pk__in=[event.id for event in released]).delete()
        if deliveries:
            enqueue(DELIVER_TASK)
    crashpoint("delivering.after_relay")
    return len(released)


def is_due() -> bool:
    """Whether an outbox entry waits for the relay."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"scopes": HELD_SCOPES, "limit": 1})
        return cursor.fetchone() is not None


def _deliveries(released: Iterable[_Released]) -> list[Delivery]:
    endpoints = [
        (endpoint, frozenset(str(stream.pk) for stream in endpoint.streams.all()))
        for endpoint in Endpoint.objects.exclude(state=Endpoint.State.DISABLED)
        .prefetch_related("streams")
        .order_by("pk")
    ]
    return [
        Delivery(event_id=event.id, endpoint=endpoint, case_id=event.case_id, sequence=event.sequence)
        for event in released
        for endpoint, streams in endpoints
        if _is_subscribed(endpoint, streams, event)
    ]


def _is_subscribed(endpoint: Endpoint, streams: frozenset[str], event: _Released) -> bool:
    if str(endpoint.team_id) != event.team_id:
        return False
    if event.type == PING:
        return event.subject == f"endpoint:{endpoint.pk}"
    if endpoint.event_types and event.type not in endpoint.event_types:
        return False
    return not streams or event.stream_id in streams
