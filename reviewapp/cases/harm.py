"""What a stream's automatic decisions of late did: counted from decisions, audits and arrivals."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from reviewapp.cases.models import Review
from reviewapp.cases.moments import first_id_at
from reviewapp.cases.readings import AUDIT_KINDS
from reviewapp.domain.policy import Policy
from reviewapp.gating import parity
from reviewapp.gating.guardrails import costs, named
from reviewapp.gating.parity import Audit, Parity
from reviewapp.registry.models import Stream

DAYS, DAY = 30.0, 86_400.0
# The newest decisions that are counted: more would only take longer.
WINDOW = 200_000

# What an input says in the columns that the policy names, as JSON.
_SAYS = """jsonb_strip_nulls(jsonb_build_object(
    'segment', i.features -> %(column)s::text, 'amount', i.features -> %(amount)s::text))"""

# All walk a primary key, whose ids follow time.
_AUTOMATIC = """
WITH acted AS (
    SELECT d.case_id, d.class, d.generation, d.decided_at FROM cases_decision d
    JOIN registry_modelversion v ON v.id = d.model_version_id AND v.stream_id = %(stream)s
    WHERE d.id >= %(first)s AND d.decided_at >= %(since)s AND d.source = 'auto' ORDER BY d.id DESC LIMIT %(window)s
)
SELECT acted.class, {segment} AS segment, count(*), min(acted.decided_at) FROM acted {join} GROUP BY 1, 2
"""
_BY_CLASS = _AUTOMATIC.format(segment="NULL::jsonb", join="")
_BY_SEGMENT = _AUTOMATIC.format(
    segment="i.features -> %(column)s",
    join="LEFT JOIN cases_caseinput i ON i.case_id = acted.case_id AND i.generation = acted.generation",
)
# The policy of the time may have named another column, or none: what it names now is read from the case.
_AUDITS = """
SELECT e.case_id, e.class, e.segment, e.is_wrong, e.inclusion_probability, e.value, {said} FROM gating_ledgerentry e
JOIN registry_modelversion v ON v.id = e.model_version_id AND v.stream_id = %(stream)s {join}
WHERE e.is_automatic AND NOT e.is_overdue AND e.case_id >= %(first)s
ORDER BY e.case_id DESC LIMIT %(window)s
"""
_AS_ENTERED = _AUDITS.format(said="NULL", join="")
_AS_SAID = _AUDITS.format(
    said=f"CASE WHEN i.id IS NOT NULL THEN {_SAYS} END",
    join="""LEFT JOIN cases_case c ON c.id = e.case_id
LEFT JOIN cases_caseinput i ON i.case_id = e.case_id AND i.generation = c.generation""",
)
# Contradicted once, and asked again; what agrees is settled at once, so these are missing among the settled.
_IN_DOUBT = f"""
SELECT DISTINCT ON (r.case_id) r.case_id, p.class, p.inclusion_probability, {_SAYS}
FROM cases_review r
JOIN cases_prediction p ON p.id = r.prediction_id AND p.route = 'auto'
JOIN cases_caseinput i ON i.case_id = r.case_id AND i.generation = r.generation
WHERE r.stream_id = %(stream)s AND r.state = 'open' AND r.kind = ANY(%(again)s) AND r.case_id >= %(first)s
  AND EXISTS (SELECT 1 FROM cases_review f JOIN cases_verdict v ON v.review_id = f.id AND v.status = 'counted'
              WHERE f.case_id = r.case_id AND f.generation = r.generation AND f.kind = ANY(%(kinds)s)
                AND v.class <> p.class)
  AND NOT EXISTS (SELECT 1 FROM gating_ledgerentry e WHERE e.model_version_id = p.model_version_id
                  AND e.case_id = r.case_id AND NOT e.is_overdue)
ORDER BY r.case_id LIMIT %(window)s
"""  # noqa: S608 a constant
_ARRIVALS = """
SELECT count(*) FROM cases_case WHERE stream_id = %(stream)s AND id >= %(first)s AND received_at >= %(since)s
"""


def parity_of(stream: Stream, policy: Policy, *, now: datetime | None = None) -> Parity:
    """The error rates, bounds, wrong decisions per 1,000 arrivals and losses of the last 30 days.

    Where more was decided automatically than is counted, the period begins with the oldest decision that is.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        until = now or cursor.fetchone()[0]
        values: dict[str, Any] = {
            "stream": stream.pk,
            **_from(until - timedelta(days=DAYS)),
            "window": WINDOW,
            "column": policy.segment,
            "amount": policy.value.column if policy.value else None,
            "again": [kind.value for kind in AUDIT_KINDS if kind != Review.Kind.AUDIT],
            "kinds": [kind.value for kind in AUDIT_KINDS],
        }
        cursor.execute(_BY_SEGMENT if policy.segment else _BY_CLASS, values)
        counted = cursor.fetchall()
        automatic: dict[tuple[str, str], int] = defaultdict(int)
        for answer, value, number, _ in counted:
            automatic[answer, _named(policy, value)] += number
        if sum(automatic.values()) >= WINDOW:
            values |= _from(min(oldest for *_, oldest in counted))
        cursor.execute(_ARRIVALS, values)
        (arrivals,) = cursor.fetchone()
        cursor.execute(_AS_SAID if policy.segment or policy.value else _AS_ENTERED, values)
        rows = cursor.fetchall()
        cursor.execute(_IN_DOUBT, values)
        doubted = cursor.fetchall()
    audits = {case_id: _audit(policy, *entered, said=said) for case_id, *entered, said in rows}
    audits |= {
        case_id: replace(_audit(policy, answer, "", False, probability, None, said=said), in_doubt=True)
        for case_id, answer, probability, said in doubted
    }
    days = (until - values["since"]).total_seconds() / DAY
    return parity.of(_mixed(audits), automatic=dict(automatic), arrivals=arrivals, days=days, policy=policy)


def _mixed(audits: Mapping[UUID, Audit]) -> list[Audit]:
    """In an order that has nothing to do with time: what went wrong late in the period must weigh like the rest.

    Any such order that is fixed beforehand gives a bound on a loss; it takes the mean for one and the same throughout.
    """
    return [audits[case_id] for case_id in sorted(audits, key=lambda one: sha256(one.bytes).digest())]


def _audit(policy: Policy, *entered: Any, said: str | None) -> Audit:
    """An audit by the columns that the policy names; `said`: what the case says of them, as JSON."""
    audit = Audit(*entered)
    if said is not None:
        known = msgspec.json.decode(said)
        segment = named(known.get("segment")) if policy.segment else ""
        value = costs(known.get("amount"), cap=policy.value.cap) if policy.value else None
        return replace(audit, segment=segment, value=value)
    return audit if policy.segment else replace(audit, segment="")


def _from(since: datetime) -> dict[str, Any]:
    return {"since": since, "first": first_id_at(since)}


def _named(policy: Policy, value: str | None) -> str:
    """The segment of a value as the database's JSON text says it."""
    if not policy.segment or value is None:
        return ""
    return named(msgspec.json.decode(value))
