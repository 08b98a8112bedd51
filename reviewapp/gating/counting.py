"""A class's ledger, counted by rung, weight and outcome as one statement sees it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from reviewapp.gating.epochs import Epoch, first_id_at
from reviewapp.gating.proof import Count, Outcome
from reviewapp.registry.models import ModelVersion

# The snapshot says which transactions the statement saw: with it the events tell the same ledger again.
_COUNTS = """
SELECT pg_current_snapshot()::text, clock_timestamp(), coalesce((
    SELECT json_agg(json_build_array(bucket, weight, outcome, number) ORDER BY bucket, weight, outcome) FROM (
        SELECT width_bucket(confidence, %(ladder)s::float8[]) AS bucket,
            least_probability / inclusion_probability AS weight,
            CASE WHEN is_overdue THEN 'overdue' WHEN is_wrong THEN 'wrong' ELSE 'right' END AS outcome,
            count(*) AS number
        FROM gating_ledgerentry
        WHERE model_version_id = %(version)s AND class = %(answer)s AND case_id >= %(first)s
          AND (%(cut)s::uuid IS NULL OR case_id < %(cut)s::uuid)
        GROUP BY 1, 2, 3) counted)::text, '[]')
"""


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts, how many labels there are in all, and the snapshot and time of the statement."""

    counts: tuple[Count, ...]
    labels: int
    snapshot: str
    at: datetime


def count(version: ModelVersion, answer: str, *, epoch: Epoch, cut: UUID | None) -> Counted:
    """The honest labels of a class that arrived in an epoch, up to the case `cut`."""
    ladder = epoch.terms.ladder if epoch.terms else (1.0,)
    values: dict[str, Any] = {
        # PostgreSQL wants the bounds in rising order; a value on a bound lies above it.
        "ladder": list(reversed(ladder)),
        "version": version.pk,
        "answer": answer,
        "first": first_id_at(epoch.since),
        "cut": cut,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, values)
        snapshot, at, text = cursor.fetchone()
    rows = msgspec.json.decode(text)
    counts = [
        Count(len(ladder) - bucket, weight, Outcome(outcome), number)
        for bucket, weight, outcome, number in rows
        if bucket and epoch.terms
    ]
    return Counted(tuple(counts), sum(row[3] for row in rows), snapshot, at)
