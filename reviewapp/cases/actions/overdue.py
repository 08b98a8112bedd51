"""Overdue readings: what nobody answers in time counts as wrong, until it is answered after all."""

from uuid import UUID

import structlog
from django.db import connection, transaction

from reviewapp.cases import readings
from reviewapp.domain.policy import AuditRule
from reviewapp.gating.actions import ledger
from reviewapp.registry.actions.policies import active_policy
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from reviewapp.registry.policies import read_body

log = structlog.get_logger(__name__)

BATCH = 500
_DAY = 86_400

_OVERDUE = f"""
SELECT r.id
FROM cases_review r
JOIN cases_prediction a ON a.id = r.prediction_id
WHERE r.stream_id = %(stream)s AND r.state = 'open' AND r.claimed_by_id IS NULL AND {readings.SAMPLED}
    AND a.created_at <= clock_timestamp() - make_interval(secs => %(after)s)
    AND NOT EXISTS (SELECT 1 FROM gating_ledgerentry e
                    WHERE e.model_version_id = a.model_version_id AND e.case_id = r.case_id)
ORDER BY r.case_id
"""  # noqa: S608 our own
# Somebody works on a claimed one; it is looked at again on the next turn.
_STILL_OPEN = """
SELECT prediction_id FROM cases_review WHERE id = ANY(%s) AND state = 'open' AND claimed_by_id IS NULL
ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
"""
_GONE = f"""
SELECT DISTINCT e.case_id
FROM gating_ledgerentry e
JOIN registry_modelversion v ON v.id = e.model_version_id AND v.stream_id = %(stream)s
JOIN cases_case c ON c.id = e.case_id AND c.state <> 'erased'
WHERE e.is_overdue AND NOT EXISTS (
    SELECT 1 FROM cases_review r WHERE r.case_id = c.id AND r.generation = c.generation
        AND r.state <> 'withdrawn' AND {readings.SAMPLED})
"""  # noqa: S608 our own


def mark_overdue() -> int:
    """Enter the readings that waited too long as wrong; answers how many entries that made. A failure is logged."""
    marked = 0
    for stream in Stream.objects.order_by("pk"):
        try:
            marked += mark_overdue_in(stream)
        except Exception:
            log.exception("overdue.failed", stream=stream.slug)
    return marked


def mark_overdue_in(stream: Stream) -> int:
    """The same for one stream, by the overdue days of its active policy, in pages that each commit.

    An overdue entry whose reading was withdrawn, because the case was amended, is taken back.
    """
    _take_back_withdrawn(stream)
    active = active_policy(stream)
    rule = read_body(active.body).audit if active else AuditRule()
    waiting, marked = _waiting(stream, rule), 0
    for start in range(0, len(waiting), BATCH):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_STILL_OPEN, [waiting[start : start + BATCH]])
            entries = readings.evidence_on(stream, [row[0] for row in cursor.fetchall()])
            marked += ledger.record(stream=stream, entries=entries, by=SYSTEM)
    return marked


def _waiting(stream: Stream, rule: AuditRule) -> list[UUID]:
    with connection.cursor() as cursor:
        kinds = [kind.value for kind in readings.KINDS]
        cursor.execute(_OVERDUE, {"stream": stream.pk, "kinds": kinds, "after": rule.overdue_days * _DAY})
        return [row[0] for row in cursor.fetchall()]


@transaction.atomic
def _take_back_withdrawn(stream: Stream) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_GONE, {"stream": stream.pk, "kinds": [kind.value for kind in readings.KINDS]})
        gone = [row[0] for row in cursor.fetchall()]
    if gone:
        why = "The reading that was overdue is asked for no more."
        ledger.withdraw(stream=stream, case_ids=gone, why=why, by=SYSTEM, only_overdue=True)
