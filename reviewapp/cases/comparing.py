"""Two model versions side by side, over the newest cases of a stream that they scored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from reviewapp.cases.permissions import oversees
from reviewapp.domain.errors import Forbidden
from reviewapp.domain.intervals import Interval, wilson
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import ModelVersion, Stream

# The newest cases that are looked at: enough for narrow intervals, few enough to be read while a person waits.
WINDOW = 20_000

# The prediction that routed a case counts before one that only watched; a label settles the input it was given for.
_PAIRS = """
WITH newest AS (
    SELECT id, generation, received_at FROM cases_case
    WHERE stream_id = %(stream)s AND state <> 'erased' ORDER BY id DESC LIMIT %(window)s
), one AS (
    SELECT DISTINCT ON (p.case_id) p.case_id, p.class, p.confidence, p.latency, p.role, p.route
    FROM newest n JOIN cases_prediction p
      ON p.case_id = n.id AND p.generation = n.generation AND p.model_version_id = %(one)s
    ORDER BY p.case_id, p.route IS NULL, p.role
), other AS (
    SELECT DISTINCT ON (p.case_id) p.case_id, p.class, p.confidence, p.latency, p.role, p.route
    FROM newest n JOIN cases_prediction p
      ON p.case_id = n.id AND p.generation = n.generation AND p.model_version_id = %(other)s
    ORDER BY p.case_id, p.route IS NULL, p.role
), pairs AS (
    SELECT n.id AS case_id, one.class AS said_one, other.class AS said_other, one.confidence AS sure_one,
        other.confidence AS sure_other, one.latency AS latency_one, other.latency AS latency_other,
        one.route AS route_one, other.route AS route_other, l.class AS settled, l.is_honest AS is_honest,
        n.received_at
    FROM newest n
    LEFT JOIN one ON one.case_id = n.id
    LEFT JOIN other ON other.case_id = n.id
    LEFT JOIN LATERAL (
        SELECT class, is_honest FROM cases_label WHERE case_id = n.id AND generation = n.generation
        ORDER BY sequence DESC LIMIT 1
    ) l ON true
    WHERE one.case_id IS NOT NULL OR other.case_id IS NOT NULL
)
"""

_COUNTS = """
SELECT said_one, said_other, settled, coalesce(is_honest, false), count(*) FROM pairs GROUP BY 1, 2, 3, 4
"""

_AT_WORK = """
SELECT count(latency_one), count(latency_other),
    percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY latency_one),
    percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY latency_other),
    count(route_one), count(*) FILTER (WHERE route_one = 'auto'),
    count(route_other), count(*) FILTER (WHERE route_other = 'auto')
FROM pairs
"""

_CASES = """
SELECT b.case_id, c.external_id, b.said_one, b.said_other, b.sure_one, b.sure_other, b.settled, b.received_at
FROM pairs b JOIN cases_case c ON c.id = b.case_id
WHERE b.said_one IS NOT NULL AND b.said_other IS NOT NULL
  AND (%(said_one)s::text IS NULL OR b.said_one = %(said_one)s)
  AND (%(said_other)s::text IS NULL OR b.said_other = %(said_other)s)
  AND (%(said_one)s::text IS NOT NULL OR %(said_other)s::text IS NOT NULL OR b.said_one <> b.said_other)
  AND (NOT %(is_settled)s OR b.settled IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM cases_review r WHERE r.case_id = b.case_id AND r.state = 'open'
                  AND r.mode <> 'assisted' AND r.claimed_by_id = %(reader)s)
ORDER BY b.case_id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Count:
    """How many cases got this pair of answers; None where a version did not score them or nobody settled them."""

    one: str | None
    other: str | None
    settled: str | None
    is_honest: bool
    cases: int


@dataclass(frozen=True, slots=True)
class AtWork:
    """One version at work: predictions, median and 99th percentile of its batches' seconds, what it routed alone."""

    predictions: int
    median: float | None
    slowest: float | None
    routed: int
    automated: int

    @property
    def automated_share(self) -> float | None:
        return self.automated / self.routed if self.routed else None


@dataclass(frozen=True, slots=True)
class Right:
    """How often a version was right, with the counts and the 95 % interval (Wilson)."""

    right: int
    cases: int

    @property
    def interval(self) -> Interval:
        return wilson(self.right, self.cases)


@dataclass(frozen=True, slots=True)
class ByClass:
    """One class: how often each version answered it, how often both did, and how right each was in saying so."""

    name: str
    said_one: int
    said_other: int
    said_both: int
    right_one: Right
    right_other: Right


@dataclass(frozen=True, slots=True)
class Settled:
    """The cases that both scored and that are settled: who was right where."""

    one: Right
    other: Right
    both_right: int
    only_one: int
    only_other: int
    neither: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions, `one` and `other`, on the same newest cases."""

    one: ModelVersion
    other: ModelVersion
    counts: tuple[Count, ...]
    at_work: tuple[AtWork, AtWork]

    @property
    def shared(self) -> int:
        """Cases that both scored."""
        return self._sum(_is_shared)

    @property
    def agreement(self) -> Right:
        """Of the cases that both scored, those that got the same answer."""
        return Right(self._sum(lambda count: _is_shared(count) and count.one == count.other), self.shared)

    @property
    def differences(self) -> list[tuple[str, str, int]]:
        """Pairs of different answers with their cases, the most frequent first."""
        found: dict[tuple[str, str], int] = {}
        for count in self.counts:
            if count.one is not None and count.other is not None and count.one != count.other:
                found[count.one, count.other] = found.get((count.one, count.other), 0) + count.cases
        return [(*pair, cases) for pair, cases in sorted(found.items(), key=lambda item: (-item[1], item[0]))]

    def settled(self, *, honest_only: bool = False) -> Settled:
        """Who was right on the settled cases that both scored; `honest_only`: answered before the model was seen."""
        both = [count for count in self.counts if _is_shared(count) and count.settled is not None]
        if honest_only:
            both = [count for count in both if count.is_honest]
        right = {
            (first, second): sum(
                count.cases
                for count in both
                if (count.one == count.settled) is first and (count.other == count.settled) is second
            )
            for first in (True, False)
            for second in (True, False)
        }
        cases = sum(right.values())
        return Settled(
            one=Right(right[True, True] + right[True, False], cases),
            other=Right(right[True, True] + right[False, True], cases),
            both_right=right[True, True],
            only_one=right[True, False],
            only_other=right[False, True],
            neither=right[False, False],
        )

    def alone(self) -> tuple[Right, Right]:
        """How right each was on all settled cases that it scored, with or without the other: the arms of a canary."""
        return (
            Right(self._sum(_right_one), self._sum(lambda count: count.one is not None and count.settled is not None)),
            Right(
                self._sum(_right_other), self._sum(lambda count: count.other is not None and count.settled is not None)
            ),
        )

    def by_class(self, classes: Sequence[str]) -> list[ByClass]:
        return [self._of_class(name) for name in classes]

    def _of_class(self, name: str) -> ByClass:
        said_one = [count for count in self.counts if count.one == name and _is_shared(count)]
        said_other = [count for count in self.counts if count.other == name and _is_shared(count)]
        return ByClass(
            name=name,
            said_one=sum(count.cases for count in said_one),
            said_other=sum(count.cases for count in said_other),
            said_both=sum(count.cases for count in said_one if count.other == name),
            right_one=_right(said_one, name),
            right_other=_right(said_other, name),
        )

    def _sum(self, chosen: Callable[[Count], bool]) -> int:
        return sum(count.cases for count in self.counts if chosen(count))


@dataclass(frozen=True, slots=True)
class Differing:
    """A case with both answers, for the list behind a number."""

    case_id: UUID
    external_id: str
    one: str
    other: str
    sure_one: float
    sure_other: float
    settled: str | None
    received_at: Any


def compare(stream: Stream, one: ModelVersion, other: ModelVersion) -> Comparison:
    """Both versions over the newest 20,000 cases of the stream, each case by its input in force."""
    given: dict[str, Any] = {"stream": stream.pk, "one": one.pk, "other": other.pk, "window": WINDOW}
    with connection.cursor() as cursor:
        cursor.execute(_PAIRS + _COUNTS, given)
        counts = tuple(Count(*row) for row in cursor.fetchall())
        cursor.execute(_PAIRS + _AT_WORK, given)
        first, second, times_one, times_other, routed_one, auto_one, routed_other, auto_other = cursor.fetchone()
    at_work = (
        _at_work(first, times_one, routed_one, auto_one),
        _at_work(second, times_other, routed_other, auto_other),
    )
    return Comparison(one, other, counts, at_work)


def cases_between(
    stream: Stream,
    one: ModelVersion,
    other: ModelVersion,
    *,
    said_one: str | None = None,
    said_other: str | None = None,
    is_settled: bool = False,
    by: Actor,
    limit: int = 100,
) -> list[Differing]:
    """The newest cases with these answers; without any, those in which the two differ.

    For those who oversee the stream, without the cases that they are reading unseen themselves.
    """
    if not oversees(by, stream):
        raise Forbidden(
            "What the models say of single cases is for those who oversee the stream.", code="role_required"
        )
    given: dict[str, Any] = {
        "stream": stream.pk,
        "one": one.pk,
        "other": other.pk,
        "window": WINDOW,
        "said_one": said_one,
        "said_other": said_other,
        "is_settled": is_settled,
        "reader": by.user.pk if by.user else None,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PAIRS + _CASES, given)
        return [Differing(*row) for row in cursor.fetchall()]


def _at_work(predictions: int, times: Sequence[float] | None, routed: int, automated: int) -> AtWork:
    median, slowest = times or (None, None)
    return AtWork(predictions, median, slowest, routed, automated)


def _is_shared(count: Count) -> bool:
    return count.one is not None and count.other is not None


def _right_one(count: Count) -> bool:
    return count.settled is not None and count.one == count.settled


def _right_other(count: Count) -> bool:
    return count.settled is not None and count.other == count.settled


def _right(counts: Sequence[Count], name: str) -> Right:
    settled = [count for count in counts if count.settled is not None]
    return Right(sum(count.cases for count in settled if count.settled == name), sum(count.cases for count in settled))
