"""Evidence: the first answers given unseen, entered as what they say of every model version that predicted the case.

Where the coin chose a case, its reading counts in the order of arrival, not of answering: hard cases take longer, and
a ledger of what is done first would flatter the model.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from reviewapp.cases import readings
from reviewapp.cases.models import Case, Review, Verdict
from reviewapp.cases.moments import first_id_at
from reviewapp.domain.gate import GUARDRAIL_CODES
from reviewapp.domain.policy import AuditRule
from reviewapp.gating.actions import ledger
from reviewapp.registry.actors import SYSTEM, Actor
from reviewapp.registry.models import ModelVersion, Stream

# A shadow's prediction comes after everything else, at times after the answer.
LATE_SHADOWS = timedelta(hours=2)


def on_verdict(*, case: Case, review: Review, verdict: Verdict, by: Actor) -> int:
    """Enter a counted answer to a locked case that needs no further reading; answers how many entries it made.

    What counts is the first answer: in commit-then-reveal it stands whatever was answered after the reveal.
    """
    if verdict.stage != Verdict.Stage.FIRST or review.prediction_id is None or not readings.is_sampled(review):
        return 0
    answers = _unseen(case, review, verdict)
    if not answers:
        return 0
    said = readings.evidence_on(case.stream, [review.prediction_id])
    entries = [entry.with_truth(_truth(entry.answer, answers)) for entry in said]
    return ledger.record(stream=case.stream, entries=entries, by=by)


def contradicts(*, case: Case, review: Review, verdict: Verdict) -> bool:
    """Whether what was answered unseen speaks against the version that routed the case."""
    if review.prediction is None or not readings.is_sampled(review):
        return False
    said = review.prediction.answer
    return _truth(said, _unseen(case, review, verdict)) != said


def _unseen(case: Case, review: Review, verdict: Verdict) -> list[str]:
    """The answers that speak for the case: this one or, from somebody who has seen the model, also theirs before."""
    if not verdict.saw_model:
        return [verdict.answer]
    undone = Verdict.objects.filter(
        review__case=case,
        review__generation=case.generation,
        review__kind=review.kind,
        review__round__lt=review.round,
        stage=Verdict.Stage.FIRST,
        status=Verdict.Status.COUNTED,
        saw_model=False,
    ).order_by("pk")
    earlier = list(undone.values_list("answer", flat=True))
    return [*earlier, verdict.answer] if earlier else []


def _truth(said: str, answers: Sequence[str]) -> str:
    """Where somebody took an answer back and has seen the model since, it is right only if it was right both times."""
    return next((answer for answer in answers if answer != said), said)


def take_back(*, case: Case, review: Review, by: Actor) -> int:
    """Remove what an undone answer to a locked case said."""
    if not readings.is_sampled(review):
        return 0
    return ledger.withdraw(stream=case.stream, case_ids=[case.pk], why="The answer was taken back.", by=by)


# Longer than the job that enters what is overdue takes to come round.
_SLACK = timedelta(hours=2)
_AT_ONCE = 500
# Both parts of the union read an index.
_WAITING = f"""
WITH asked AS (
    SELECT v.id, v.stream_id, clock_timestamp() - make_interval(secs => %(slack)s
        + 86400 * coalesce((policy.body #>> '{{{{audit,overdue_days}}}}')::float8, %(overdue)s)) AS after
    FROM registry_modelversion v
    LEFT JOIN registry_policyversion policy ON policy.stream_id = v.stream_id AND policy.state = 'active'
    WHERE v.id = %(version)s
), waiting AS (
    SELECT r.prediction_id FROM cases_review r JOIN asked ON r.stream_id = asked.stream_id
    WHERE r.state = 'open' AND r.claimed_by_id IS NULL AND {readings.SAMPLED}
    UNION ALL
    SELECT r.prediction_id FROM cases_review r JOIN asked ON r.stream_id = asked.stream_id
    WHERE r.state = 'open' AND r.claimed_by_id IS NOT NULL AND {readings.SAMPLED}
)
SELECT {{what}}
FROM waiting
JOIN cases_prediction a ON a.id = waiting.prediction_id
JOIN asked ON a.created_at {{age}} asked.after
JOIN cases_prediction p ON p.case_id = a.case_id AND p.generation = a.generation AND p.model_version_id = asked.id
    AND ((p.id = a.id AND p.role <> 'fallback') OR p.role = 'shadow')
WHERE p.case_id >= %(first)s::uuid
    AND NOT EXISTS (SELECT 1 FROM gating_ledgerentry e
                    WHERE e.model_version_id = p.model_version_id AND e.case_id = p.case_id)
"""  # noqa: S608 our own
_RECENT = f"""
{_WAITING.format(what="DISTINCT ON (p.class) p.class, p.case_id", age=">")}
    AND NOT EXISTS (SELECT 1 FROM jsonb_to_recordset(a.reasons) AS told(code text)
                    WHERE p.id = a.id AND told.code = ANY(%(guardrails)s))
ORDER BY p.class, p.case_id
"""  # noqa: S608 our own
# Entered as overdue within hours, if it is evidence at all: somebody works on it, or the job is late.
_OVERDUE = f"{_WAITING.format(what='a.id', age='<=')} ORDER BY p.case_id"


def pending_since(version: ModelVersion, first: UUID) -> dict[str, UUID]:
    """By class, the first case to arrive whose reading is not in the ledger yet; evidence counts up to there.

    Only of cases from `first` on, where nothing before it counts. Ids of cases follow their arrival. A class without
    such a case is not in it: all its evidence counts.
    """
    values: dict[str, Any] = {
        "version": version.pk,
        "first": first,
        "kinds": [kind.value for kind in readings.KINDS],
        "guardrails": sorted(GUARDRAIL_CODES),
        "slack": _SLACK.total_seconds(),
        "overdue": AuditRule().overdue_days,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RECENT, values)
        found: dict[str, UUID] = dict(cursor.fetchall())
        cursor.execute(_OVERDUE, values)
        routed_by = [row[0] for row in cursor.fetchall()]
    for start in range(0, len(routed_by), _AT_ONCE):
        for entry in readings.evidence_on(version.stream, routed_by[start : start + _AT_ONCE]):
            if entry.model_version_id == version.pk:
                found[entry.answer] = min(entry.case_id, found.get(entry.answer, entry.case_id))
    return found


_LATE = """
SELECT a.id, a.case_id, e.truth
FROM cases_prediction p
JOIN cases_prediction a ON a.case_id = p.case_id AND a.generation = p.generation AND a.route IS NOT NULL
JOIN gating_ledgerentry e ON e.model_version_id = a.model_version_id AND e.case_id = a.case_id AND NOT e.is_overdue
JOIN cases_case c ON c.id = a.case_id AND c.stream_id = %s
WHERE p.id >= %s AND p.role = 'shadow' AND NOT EXISTS (
    SELECT 1 FROM gating_ledgerentry own WHERE own.model_version_id = p.model_version_id AND own.case_id = p.case_id)
"""


def catch_up() -> int:
    """Enter what is known of cases whose shadow predictions came after the answer; answers how many entries."""
    return sum(_catch_up(stream) for stream in Stream.objects.filter(live_rollout__members__role="shadow").distinct())


@transaction.atomic
def _catch_up(stream: Stream) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        since = first_id_at(cursor.fetchone()[0] - LATE_SHADOWS)
        cursor.execute(_LATE, [stream.pk, since])
        truths = {case_id: (routed_by, truth) for routed_by, case_id, truth in cursor.fetchall()}
    said = readings.evidence_on(stream, [routed_by for routed_by, _ in truths.values()])
    entries = [entry.with_truth(truths[entry.case_id][1]) for entry in said]
    return ledger.record(stream=stream, entries=entries, by=SYSTEM)
