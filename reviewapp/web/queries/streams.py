"""The streams a person sees, each with its queue in figures; one query whatever their number."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from reviewapp.cases.actions.routing import AUDIT_PRIORITY
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Stream
from reviewapp.web.queries.counting import CAP, capped

# The oldest is looked up per priority, because the queue's index begins with it.
_FIGURES = """
SELECT s.id,
  (SELECT count(*) FROM (SELECT 1 FROM cases_review r WHERE r.stream_id = s.id AND r.state = 'open'
     AND r.claimed_by_id IS NULL LIMIT %(limit)s) x),
  (SELECT count(*) FROM cases_review r WHERE r.stream_id = s.id AND r.state = 'open'
     AND r.claimed_by_id = %(user)s AND r.claim_until > clock_timestamp()),
  (SELECT count(*) FROM (SELECT 1 FROM cases_review r WHERE r.stream_id = s.id AND r.state = 'open'
     AND r.claimed_by_id IS NULL AND r.due_at < clock_timestamp() LIMIT %(limit)s) x),
  (SELECT min(first.created_at) FROM unnest(%(priorities)s::smallint[]) p(priority) CROSS JOIN LATERAL
     (SELECT r.created_at FROM cases_review r WHERE r.stream_id = s.id AND r.state = 'open'
        AND r.claimed_by_id IS NULL AND r.priority = p.priority ORDER BY r.due_at, r.id LIMIT 1) first),
  arrived.routed, arrived.automatic
FROM registry_stream s
CROSS JOIN LATERAL (
  SELECT count(p.route) AS routed, count(*) FILTER (WHERE p.route = 'auto') AS automatic
  FROM (SELECT id, generation FROM cases_case WHERE stream_id = s.id AND id >= %(today)s
        ORDER BY id DESC LIMIT %(cap)s) c
  LEFT JOIN cases_prediction p ON p.case_id = c.id AND p.generation = c.generation AND p.route IS NOT NULL
) arrived
WHERE s.id = ANY(%(streams)s)
"""


@dataclass(frozen=True)
class StreamFigures:
    stream: Stream
    open: str
    mine: int
    overdue: str
    oldest_at: datetime | None
    routed_today: int
    automatic_today: int

    @property
    def is_sampled(self) -> bool:
        """Whether today's share is that of the newest cases only."""
        return self.routed_today >= CAP

    @property
    def automatic_share(self) -> float | None:
        return self.automatic_today / self.routed_today if self.routed_today else None


def overview(actor: Actor) -> list[StreamFigures]:
    """Every stream the person sees, by name, with its figures."""
    streams = list(Stream.objects.visible_to(actor).select_related("team").order_by("name", "pk"))
    figures = _figures(streams, actor)
    return [StreamFigures(stream, *figures[stream.pk]) for stream in streams]


def figures_of(stream: Stream, actor: Actor) -> StreamFigures:
    return StreamFigures(stream, *_figures([stream], actor)[stream.pk])


def _figures(streams: Sequence[Stream], actor: Actor) -> dict[Any, tuple[Any, ...]]:
    if not streams:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            _FIGURES,
            {
                "limit": CAP + 1,
                "cap": CAP,
                "user": actor.user.pk if actor.user else None,
                "priorities": [0, AUDIT_PRIORITY],
                "today": _first_id_of(timezone.now()),
                "streams": [stream.pk for stream in streams],
            },
        )
        return {row[0]: (capped(row[1]), row[2], capped(row[3]), *row[4:]) for row in cursor.fetchall()}


def _first_id_of(now: datetime) -> uuid.UUID:
    """The smallest uuid7 of the day: ids begin with their millisecond, so an index on them is one on time."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return uuid.UUID(int=int(midnight.timestamp() * 1000) << 80)
