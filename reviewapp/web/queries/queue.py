"""A stream's queue: what waits, in the order it is taken. Nothing here depends on what a model said."""

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from reviewapp.cases.models import Review
from reviewapp.registry.models import Stream
from reviewapp.web.queries.counting import CAP

SHOWN = 50
IN_PROGRESS = 20

_BY_KIND = """
SELECT kind, count(*) FROM (
  SELECT kind FROM cases_review WHERE stream_id = %s AND state = 'open' AND claimed_by_id IS NULL
  ORDER BY priority DESC, due_at, id LIMIT %s
) waiting GROUP BY kind
"""


@dataclass(frozen=True)
class KindCount:
    kind: str
    label: str
    count: str


def counts_by_kind(stream: Stream) -> list[KindCount]:
    """How many of each kind wait; a plus where the queue is longer than what was counted."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_KIND, [stream.pk, CAP])
        counts = dict(cursor.fetchall())
    suffix = "+" if sum(counts.values()) >= CAP else ""
    return [
        KindCount(kind, str(label), f"{counts[kind]}{suffix}") for kind, label in Review.Kind.choices if kind in counts
    ]


def next_reviews(stream: Stream, kind: str = "") -> list[Review]:
    """The reviews that will be given out next."""
    waiting = _with_time(stream.reviews.filter(state=Review.State.OPEN, claimed_by__isnull=True))
    if kind:
        waiting = waiting.filter(kind=kind)
    return list(waiting.order_by(F("priority").desc(), "due_at", "pk")[:SHOWN])


def in_progress(stream: Stream) -> list[Review]:
    """The reviews people are working on."""
    claimed = stream.reviews.filter(
        state=Review.State.OPEN, claimed_by__isnull=False, claim_until__gt=Now()
    ).select_related("claimed_by")
    return list(_with_time(claimed).order_by("claimed_at", "pk")[:IN_PROGRESS])


def _with_time(reviews: Any) -> QuerySet[Review]:
    return reviews.select_related("case").defer("reasons", "case__fingerprint").annotate(database_now=Now())
