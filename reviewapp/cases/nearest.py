"""The settled cases nearest to a place in a model's space, straight from the vectors.

Vectors are read exactly, or through the index that an owner may have made for a space (`index_similar`). Whether a case
may serve as a precedent is asked of the nearest only: asking it of all took five times as long at 100,000 vectors.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray

# So many of the nearest are looked at first; where they do not suffice, all are.
FIRST = 200
# With an index: how many it keeps in view. At 100,000 vectors its default of 40 misses one or two of the nearest ten.
EF_SEARCH = 200
# Where a choice leaves out most of the nearest, those farther away have to be found as surely.
EF_SEARCH_OF_A_CHOICE = 400


@dataclass(frozen=True, slots=True)
class Place:
    """Where a case lies: its own vector, as PostgreSQL writes it, in one space of its stream."""

    case_id: UUID
    stream_id: UUID
    space: str
    vector: str
    # Cases observed up to then may have trained the model; they would only repeat it.
    trained_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which settled cases to look among. `since` and `until` bound when a case arrived."""

    answer: str | None = None
    other_than: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Precedent:
    """A settled case near a place. `distance` is Euclidean in the space."""

    case_id: UUID
    generation: int
    external_id: str
    received_at: datetime
    answer: str
    source: str
    is_honest: bool
    distance: float


# A case that somebody is still to read unseen is left out: its answer is what that reader must not know.
_NEAREST = """
WITH near AS MATERIALIZED (
    SELECT e.case_id, e.generation, e.vector <-> %(vector)s::vector AS distance
    FROM cases_embedding e
    WHERE e.stream_id = %(stream)s AND e.space = %(space)s AND e.case_id <> %(case)s
    ORDER BY e.vector <-> %(vector)s::vector
    LIMIT %(looked_at)s
)
SELECT n.case_id, n.generation, c.external_id, c.received_at, l.class, l.source, l.is_honest, n.distance
FROM near n
JOIN cases_case c ON c.id = n.case_id AND c.generation = n.generation AND c.state = 'decided'
JOIN LATERAL (
    SELECT class, source, is_honest, generation FROM cases_label
    WHERE case_id = n.case_id ORDER BY sequence DESC LIMIT 1
) l ON l.generation = n.generation AND l.class IS NOT NULL
WHERE NOT EXISTS (
    SELECT 1 FROM cases_review r WHERE r.case_id = n.case_id AND r.state = 'open' AND r.mode <> 'assisted')
{conditions}
ORDER BY n.distance, n.case_id
LIMIT %(wanted)s
"""

# Without an index they mean nothing.
_SETTINGS = """
SELECT set_config('hnsw.ef_search', %(ef_search)s, true), set_config('hnsw.iterative_scan', 'strict_order', true);
"""

_CONDITIONS = {
    "answer": "AND l.class = %(answer)s",
    "other_than": "AND l.class <> %(other_than)s",
    "since": "AND c.received_at >= %(since)s",
    "until": "AND c.received_at < %(until)s",
    "trained_until": "AND %(trained_until)s < (SELECT coalesce(i.observed_at, c.received_at) FROM cases_caseinput i "
    "WHERE i.case_id = n.case_id AND i.generation = n.generation)",
}


def nearest(place: Place, *, filters: Filters, wanted: int, deepest: int | None = None) -> list[Precedent]:
    """Up to `wanted` precedents, nearest first, out of the `deepest` nearest cases (all of them by default)."""
    found = _ask(place, filters, wanted=wanted, looked_at=FIRST)
    if len(found) < wanted:
        found = _ask(place, filters, wanted=wanted, looked_at=deepest)
    return found


def vectors(precedents: Iterable[Precedent], *, space: str) -> dict[UUID, NDArray[np.float32]]:
    """The vectors of precedents, by case."""
    wanted = [(one.case_id, one.generation) for one in precedents]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.case_id, e.vector::real[] FROM unnest(%s::uuid[], %s::int[]) AS wanted(case_id, generation) "
            "JOIN cases_embedding e USING (case_id, generation) WHERE e.space = %s",
            [[case_id for case_id, _ in wanted], [generation for _, generation in wanted], space],
        )
        return {case_id: np.array(values, dtype=np.float32) for case_id, values in cursor.fetchall()}


def _ask(place: Place, filters: Filters, *, wanted: int, looked_at: int | None) -> list[Precedent]:
    given = {
        "answer": filters.answer,
        "other_than": filters.other_than,
        "since": filters.since,
        "until": filters.until,
        "trained_until": place.trained_until,
    }
    conditions = [_CONDITIONS[name] for name, value in given.items() if value is not None]
    question = _NEAREST.format(conditions="\n".join(conditions))
    values = {
        **given,
        "vector": place.vector,
        "stream": place.stream_id,
        "space": place.space,
        "case": place.case_id,
        "wanted": wanted,
        "looked_at": looked_at,
        "ef_search": str(EF_SEARCH_OF_A_CHOICE if conditions else EF_SEARCH),
    }
    with connection.cursor() as cursor:
        # Two statements of one trip, and so of one transaction: the settings end with it.
        cursor.execute(_SETTINGS + question, values)
        cursor.nextset()
        return [Precedent(*row) for row in cursor.fetchall()]
