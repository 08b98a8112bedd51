"""Two tiers: a cheap version answers where it is sure, the primary where it is not."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import connection

from reviewapp.writing import fresh_id

if TYPE_CHECKING:
    from reviewapp.cases.actions.routing import Scored

ROLE = "tier"

# Only beside a prediction that routed the case: of a case that moved on meanwhile nothing is written.
_WRITE = """
INSERT INTO cases_prediction (id, case_id, model_version_id, role, generation, class, probabilities, confidence,
    novelty, provider, latency, reasons, created_at)
SELECT %s, %s, %s, 'tier', %s, %s, %s, %s, %s, %s, %s, '[]', %s
WHERE EXISTS (SELECT 1 FROM cases_prediction p WHERE p.case_id = %s AND p.generation = %s AND p.route IS NOT NULL)
ON CONFLICT (case_id, model_version_id, role, generation) DO NOTHING
"""


def record(unsure: Sequence["Scored"], *, now: datetime) -> None:
    """Keep what the first tier said of the cases that it left to the primary; these predictions route nothing.

    Call it in the transaction that routes the cases, after that.
    """
    if not unsure:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            _WRITE,
            [
                (
                    fresh_id(),
                    one.case_id,
                    one.model_version_id,
                    one.generation,
                    one.answer,
                    list(one.probabilities),
                    one.confidence,
                    one.novelty,
                    one.provider,
                    one.latency,
                    now,
                    one.case_id,
                    one.generation,
                )
                for one in unsure
            ],
        )
