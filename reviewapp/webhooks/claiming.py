"""Deliveries under lease: what may be sent now, and in which order."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from django.db import connection, transaction

from reviewapp.webhooks import circuits
from reviewapp.webhooks.models import Delivery
from reviewapp.webhooks.relay import HELD_SCOPES

# Longer than a try can take (15 s) with the writing of its result.
LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 10
LOST = "the sender stopped before it knew the answer"


@dataclass(frozen=True, slots=True)
class Claimed:
    token: UUID
    ids: tuple[UUID, ...]


# Held streams wait, and in one case event n+1 waits until n is delivered or dead; other cases never wait.
_FREE = """
SELECT d.id
FROM webhooks_delivery d
WHERE d.endpoint_id = {endpoint} AND d.state = 'pending' AND d.lease_token IS NULL
  AND d.next_at <= clock_timestamp()
  AND NOT EXISTS (
    SELECT 1 FROM webhooks_delivery p
    WHERE p.endpoint_id = d.endpoint_id AND p.case_id = d.case_id AND p.sequence < d.sequence
      AND p.state = 'pending')
  AND NOT EXISTS (
    SELECT 1 FROM gating_hold h
    WHERE h.lifted_at IS NULL AND h.scope = ANY(%(scopes)s) AND h.stream_id IS NULL)
  AND NOT EXISTS (
    SELECT 1 FROM gating_hold h JOIN events_event e ON h.stream_id::text = e.stream_id
    WHERE h.lifted_at IS NULL AND h.scope = ANY(%(scopes)s) AND e.id = d.event_id)
"""
_DUE_ENDPOINTS = """
SELECT n.id, c.opened_at IS NOT NULL
FROM webhooks_endpoint n
LEFT JOIN gating_circuit c ON c.kind = 'endpoint' AND c.subject = n.id
WHERE n.state = 'active' AND (c.probe_at IS NULL OR c.probe_at <= clock_timestamp())
  AND EXISTS ({free})
ORDER BY n.id
""".format(free=_FREE.format(endpoint="n.id"))
_CLAIM = """
UPDATE webhooks_delivery
SET lease_token = %(token)s, lease_until = clock_timestamp() + make_interval(secs => %(lease)s), attempts = attempts + 1
WHERE id = ANY(ARRAY(
    {free}
    ORDER BY d.next_at, d.id LIMIT %(limit)s FOR NO KEY UPDATE OF d SKIP LOCKED))
RETURNING id
""".format(free=_FREE.format(endpoint="%(endpoint)s"))


def due_endpoints() -> list[tuple[UUID, bool]]:
    """The endpoints with something to send now, and whether only a probe may go."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE_ENDPOINTS, {"scopes": HELD_SCOPES})
        return [(row[0], row[1]) for row in cursor.fetchall()]


@transaction.atomic
def claim(*, endpoint_id: UUID, limit: int, is_probe: bool) -> Claimed:
    """Take up to `limit` deliveries of an endpoint, the longest due first; of an open circuit the one probe."""
    token = uuid4()
    if is_probe and not circuits.take_probe(endpoint_id):
        return Claimed(token, ())
    with connection.cursor() as cursor:
        cursor.execute(
            _CLAIM,
            {
                "token": token,
                "lease": LEASE.total_seconds(),
                "endpoint": endpoint_id,
                "limit": 1 if is_probe else limit,
                "scopes": HELD_SCOPES,
            },
        )
        return Claimed(token, tuple(row[0] for row in cursor.fetchall()))


_FREE_EXPIRED = """
WITH lost AS (
    UPDATE webhooks_delivery SET
        lease_token = NULL, lease_until = NULL,
        state = CASE WHEN attempts >= %(most)s THEN 'dead' ELSE state END,
        closed_at = CASE WHEN attempts >= %(most)s THEN clock_timestamp() END
    WHERE lease_token IS NOT NULL AND lease_until < clock_timestamp()
    RETURNING id
)
INSERT INTO webhooks_deliveryattempt (delivery_id, number, seconds, error, answer)
SELECT id, 1 + coalesce((SELECT max(number) FROM webhooks_deliveryattempt a WHERE a.delivery_id = lost.id), 0),
       0, %(error)s, ''
FROM lost
"""


def free_expired() -> int:
    """Give back the deliveries whose sender died; the try it made is on the log, and counts."""
    with connection.cursor() as cursor:
        cursor.execute(_FREE_EXPIRED, {"most": MAX_ATTEMPTS, "error": LOST})
        return int(cursor.rowcount)


def locked_if_ours(delivery_id: UUID, token: UUID) -> Delivery | None:
    """The delivery, its row locked, unless the lease was lost meanwhile."""
    return (
        Delivery.objects.select_for_update(of=("self",), no_key=True)
        .select_related("endpoint")
        .filter(pk=delivery_id, lease_token=token)
        .first()
    )
