"""A stream's queue: what waits, in the order it is taken. Only the kinds of reviews depend on what a model said."""

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from reviewapp.cases.models import Review
from reviewapp.cases.reasons import visible_mode
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
class Listed:
    """A review with the mode that the reader of the list may know."""

    review: Review
    mode: str


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


def next_reviews(stream: Stream, kind: str = "", *, shows_kind: bool) -> list[Listed]:
    """The reviews that will be given out next."""
    waiting = _with_time(stream.reviews.filter(state=Review.State.OPEN, claimed_by__isnull=True))
    if kind:
        waiting = waiting.filter(kind=kind)
    return _listed(waiting.order_by(F("priority").desc(), "due_at", "pk")[:SHOWN], shows_kind=shows_kind)


def in_progress(stream: Stream, *, shows_kind: bool) -> list[Listed]:
    """The reviews people are working on."""
    claimed = stream.reviews.filter(
        state=Review.State.OPEN, claimed_by__isnull=False, claim_until__gt=Now()
    ).select_related("claimed_by")
    return _listed(_with_time(claimed).order_by("claimed_at", "pk")[:IN_PROGRESS], shows_kind=shows_kind)


def _listed(reviews: QuerySet[Review], *, shows_kind: bool) -> list[Listed]:
    return [Listed(review, visible_mode(review, is_told=shows_kind)) for review in reviews]


def _with_time(reviews: Any) -> QuerySet[Review]:
    return reviews.select_related("case", "stream").defer("reasons", "case__fingerprint").annotate(database_now=Now())
