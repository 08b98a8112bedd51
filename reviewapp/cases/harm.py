"""What a stream's automatic decisions of late did: counted from decisions, audits and arrivals."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db import connection

from reviewapp.cases.moments import first_id_at
from reviewapp.domain.policy import Policy
from reviewapp.gating import parity
from reviewapp.gating.guardrails import segment_of
from reviewapp.gating.parity import Audit, Parity
from reviewapp.registry.models import Stream

DAYS = 30.0
# The newest decisions that are counted: more would only take longer.
WINDOW = 200_000

# Both walk a primary key, whose ids follow time. A case counts once, by the decision that acted first.
_AUTOMATIC = """
WITH acted AS (
    SELECT d.case_id, d.class, d.generation FROM cases_decision d
    JOIN registry_modelversion v ON v.id = d.model_version_id AND v.stream_id = %(stream)s
    WHERE d.id >= %(first)s AND d.source = 'auto' ORDER BY d.id DESC LIMIT %(window)s
)
SELECT acted.class, {segment} AS segment, count(*) FROM acted {join} GROUP BY 1, 2
"""
_BY_CLASS = _AUTOMATIC.format(segment="NULL::jsonb", join="")
_BY_SEGMENT = _AUTOMATIC.format(
    segment="i.features -> %(column)s",
    join="LEFT JOIN cases_caseinput i ON i.case_id = acted.case_id AND i.generation = acted.generation",
)
_AUDITS = """
SELECT e.class, e.segment, e.is_wrong, e.inclusion_probability, e.value FROM gating_ledgerentry e
JOIN registry_modelversion v ON v.id = e.model_version_id AND v.stream_id = %(stream)s
WHERE e.is_automatic AND NOT e.is_overdue AND e.case_id >= %(first)s
ORDER BY e.case_id DESC LIMIT %(window)s
"""
_ARRIVALS = "SELECT count(*) FROM cases_case WHERE stream_id = %(stream)s AND id >= %(first)s"


def parity_of(stream: Stream, policy: Policy, *, days: float = DAYS, now: datetime | None = None) -> Parity:
    """The error rates, bounds, wrong decisions per 1,000 arrivals and losses of the last days."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        until = now or cursor.fetchone()[0]
        values: dict[str, Any] = {
            "stream": stream.pk,
            "first": first_id_at(until - timedelta(days=days)),
            "window": WINDOW,
            "column": policy.segment,
        }
        cursor.execute(_BY_SEGMENT if policy.segment else _BY_CLASS, values)
        automatic: dict[tuple[str, str], int] = defaultdict(int)
        for answer, value, number in cursor.fetchall():
            automatic[answer, _named(policy, value)] += number
        cursor.execute(_ARRIVALS, values)
        (arrivals,) = cursor.fetchone()
        cursor.execute(_AUDITS, values)
        rows = cursor.fetchall()
    audits = [Audit(answer, segment if policy.segment else "", *more) for answer, segment, *more in reversed(rows)]
    return parity.of(audits, automatic=dict(automatic), arrivals=arrivals, days=days, policy=policy)


def _named(policy: Policy, value: str | None) -> str:
    """The segment of a value as the database's JSON text says it."""
    if not policy.segment or value is None:
        return ""
    return segment_of(policy, {policy.segment: msgspec.json.decode(value)})
