"""The cases of a back-test's period, as they are stored: counted, and read in chunks."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from reviewapp.cases.moments import CLOCKS_APART, first_id_at
from reviewapp.cases.readings import AUDIT_KINDS
from reviewapp.gating.models import BackTest
from reviewapp.registry.models import Stream

CHUNK = 2_000


@dataclass(slots=True)
class Row:
    """A case with the prediction that routed it, and what is known of its truth.

    half_coin: of 0.5 or more, its label never trains; observed_at: of the input, else its arrival. `answer` is None
    where nothing scored it; `is_wrong` is what an honest reading found; in_doubt: an audit contradicted it, and the
    next reader has not answered. `reasons`, `features` and `context` are stored JSON, unread; the last two are None
    where the policy looks at no input.
    """

    case_id: UUID
    coin: float
    half_coin: float
    arrived_at: datetime
    version_id: UUID | None
    role: str | None
    answer: str | None
    confidence: float
    novelty: float | None
    route: str | None
    probability: float
    reasons: str | None
    truth: str | None
    is_wrong: bool | None
    observed_at: datetime | None
    received_at: datetime
    in_doubt: bool = False
    features: str | None = None
    context: str | None = None


# Along the stream's cases by their ids, which follow time.
_PERIOD = """
WHERE c.stream_id = %(stream)s AND c.id > %(reached)s AND c.id < %(beyond)s
  AND c.received_at >= %(start)s AND c.received_at < %(end)s AND c.state NOT IN ('scoring', 'erased')
"""
_COUNT = f"SELECT count(*), min(c.received_at) FROM cases_case c {_PERIOD}"  # noqa: S608 our own
_LEAST = f"""
SELECT p.class, p.model_version_id, min(p.inclusion_probability) FILTER (WHERE p.inclusion_probability > 0)
FROM cases_case c JOIN cases_prediction p
  ON p.case_id = c.id AND p.generation = c.generation AND p.role IN ('primary', 'canary', 'external')
{_PERIOD} GROUP BY 1, 2
"""  # noqa: S608 our own
# The prediction that routed a case last; a label settles the input it was given for.
_ROWS = """
SELECT c.id, c.coin, c.half_coin, c.received_at, p.model_version_id, p.role, p.class, p.confidence, p.novelty, p.route,
    p.inclusion_probability, p.reasons::text, l.class, e.is_wrong, i.observed_at, i.received_at,
    CASE WHEN e.id IS NULL AND p.route = 'auto' AND c.coin < p.inclusion_probability THEN EXISTS (
        SELECT 1 FROM cases_review f JOIN cases_verdict v ON v.review_id = f.id AND v.status = 'counted'
        WHERE f.case_id = c.id AND f.generation = c.generation AND f.kind = ANY(%(kinds)s) AND v.class <> p.class
    ) ELSE false END{inputs}
FROM cases_case c
JOIN cases_caseinput i ON i.case_id = c.id AND i.generation = c.generation
LEFT JOIN LATERAL (
    SELECT * FROM cases_prediction WHERE case_id = c.id AND generation = c.generation AND route IS NOT NULL
    ORDER BY created_at DESC, id DESC LIMIT 1
) p ON true
LEFT JOIN LATERAL (
    SELECT class FROM cases_label WHERE case_id = c.id AND generation = c.generation
    ORDER BY sequence DESC LIMIT 1
) l ON true
LEFT JOIN gating_ledgerentry e
  ON e.model_version_id = p.model_version_id AND e.case_id = c.id AND e.class = p.class AND e.confidence = p.confidence
{period} ORDER BY c.id LIMIT %(limit)s
"""
_WITHOUT_INPUTS = _ROWS.format(inputs="", period=_PERIOD)
_WITH_INPUTS = _ROWS.format(inputs=", i.features::text, i.context::text", period=_PERIOD)


def count(stream: Stream, test: BackTest) -> tuple[int, datetime | None]:
    """How many cases the period has, and when the first of them came."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, _values(stream, test))
        number, first_at = cursor.fetchone()
    return number, first_at


def least_probabilities(stream: Stream, test: BackTest) -> tuple[dict[str, float], set[UUID]]:
    """Each class's least π above 0 in the period, and the model versions that scored its cases."""
    with connection.cursor() as cursor:
        cursor.execute(_LEAST, _values(stream, test))
        found = cursor.fetchall()
    least: dict[str, float] = {}
    for answer, _, probability in found:
        if probability is not None:
            least[answer] = min(probability, least.get(answer, 1.0))
    return least, {version for _, version, _ in found}


def rows(stream: Stream, test: BackTest, *, reached: UUID, with_inputs: bool) -> list[Row]:
    """The next cases after the one reached."""
    with connection.cursor() as cursor:
        cursor.execute(_WITH_INPUTS if with_inputs else _WITHOUT_INPUTS, {**_values(stream, test), "reached": reached})
        return [Row(*row) for row in cursor.fetchall()]


def _values(stream: Stream, test: BackTest) -> dict[str, Any]:
    return {
        "stream": stream.pk,
        "reached": first_id_at(test.period_start),
        "beyond": first_id_at(test.period_end + 2 * CLOCKS_APART),
        "start": test.period_start,
        "end": test.period_end,
        "limit": CHUNK,
        "kinds": [kind.value for kind in AUDIT_KINDS],
    }
