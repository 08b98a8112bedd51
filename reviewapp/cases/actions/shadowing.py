"""Shadow predictions: made for comparison, after everything that people or upstream wait for, and routing nothing."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import connection, transaction

from reviewapp import inference_client
from reviewapp.cases.actions import routing, serving, work
from reviewapp.cases.loading import loaded
from reviewapp.registry.models import ModelVersion
from reviewapp.writing import array, fresh_id

log = structlog.get_logger(__name__)

# Small, so that a case that arrives meanwhile waits for little.
BATCH = 128
# A comparison needs no case in particular: under load the shadows are what is dropped.
OVERDUE = timedelta(hours=1)
FAILURES_KEPT = timedelta(days=7)

_ASK = """
INSERT INTO cases_work (kind, subject, generation, priority, attempts, is_dead, last_error, traceparent)
SELECT 'shadow', asked.subject, asked.generation, 0, 0, false, '', ''
FROM unnest(%s::text[], %s::int[]) AS asked(subject, generation)
ON CONFLICT (kind, subject, generation) DO NOTHING
"""


def ask(*, plan: serving.ServingPlan, batch: Sequence[routing.Scored]) -> None:
    """Have the batch's cases scored by the shadows; the canary's also by the primary, as if it had been theirs.

    Call it in the transaction that routes them.
    """
    asked = batch if plan.shadows else [scored for scored in batch if scored.role == serving.Role.CANARY]
    if asked:
        with connection.cursor() as cursor:
            cursor.execute(_ASK, [array(one.case_id for one in asked), array(one.generation for one in asked)])


@dataclass(slots=True)
class Waiting:
    """A case whose shadow predictions are due, with its work row."""

    row: work.Claimed
    case_id: str
    stream_id: UUID
    rollout_coin: float
    features: str


@dataclass(frozen=True, slots=True)
class Shadowed:
    """What one version says of one case; probabilities (K,)."""

    one: Waiting
    version: ModelVersion
    answer: str
    probabilities: list[float]
    confidence: float
    novelty: float
    provider: str
    latency: float


def shadow_batch() -> int:
    """Claim what the shadows have not seen and let them see it; answers how many rows were taken."""
    lease = work.claim(kind="shadow", limit=BATCH)
    if not lease.rows:
        return 0
    # Whatever killed its process again and again is not worth another try.
    failures = {row.id: "its process died" for row in lease.rows if row.attempts > work.MAX_ATTEMPTS}
    by_stream: dict[UUID, list[Waiting]] = defaultdict(list)
    for one in _load(lease):
        if one.row.id not in failures:
            by_stream[one.stream_id].append(one)
    shadowed: list[Shadowed] = []
    for stream_id, group in by_stream.items():
        plan = serving.versions_for(stream_id)
        for version, part in _due(plan, group):
            shadowed += _predict(version, part, failures)
    with transaction.atomic():
        _write(lease, shadowed, failures)
    return len(lease.rows)


def drop_overdue() -> int:
    """Forget shadow work that waited too long, and failures that are old; answers how many rows."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM cases_work WHERE kind = 'shadow' AND lease_token IS NULL "
            "AND created_at < clock_timestamp() - make_interval(secs => CASE WHEN is_dead THEN %s ELSE %s END)",
            [FAILURES_KEPT.total_seconds(), OVERDUE.total_seconds()],
        )
        dropped = int(cursor.rowcount)
    if dropped:
        log.info("shadow.dropped", rows=dropped)
    return dropped


def _due(plan: serving.ServingPlan, group: Sequence[Waiting]) -> list[tuple[ModelVersion, list[Waiting]]]:
    """Which version owes which cases a shadow prediction under the present rollout."""
    due = [(shadow, list(group)) for shadow in plan.shadows]
    if plan.primary is not None and plan.primary.bundle is not None:
        due.append((plan.primary, [one for one in group if plan.is_for_canary(one.rollout_coin)]))
    return [(version, part) for version, part in due if part]


def _predict(version: ModelVersion, group: Sequence[Waiting], failures: dict[int, str]) -> list[Shadowed]:
    """Predictions of the group; a row that cannot be scored is found by halving and noted in `failures`."""
    try:
        return _predict_or_raise(version, group)
    except Exception as error:
        if len(group) == 1:
            log.warning("shadow.failed", case_id=group[0].case_id, model=version.number, exc_info=True)
            failures[group[0].row.id] = f"model {version.number}: {error!r}"[:500]
            return []
        middle = len(group) // 2
        return _predict(version, group[:middle], failures) + _predict(version, group[middle:], failures)


def _predict_or_raise(version: ModelVersion, group: Sequence[Waiting]) -> list[Shadowed]:
    assert version.bundle is not None
    model = loaded(version.bundle)
    predictions = inference_client.predict_json(model, [one.features.encode() for one in group])
    best = predictions.probabilities.argmax(axis=1).tolist()
    probabilities, novelty = predictions.probabilities.tolist(), predictions.novelty.tolist()
    return [
        Shadowed(
            one=one,
            version=version,
            answer=predictions.classes[best[i]],
            probabilities=probabilities[i],
            confidence=min(max(probabilities[i][best[i]], 0.0), 1.0),
            novelty=novelty[i],
            provider=predictions.provider,
            latency=predictions.seconds,
        )
        for i, one in enumerate(group)
    ]


_WRITE = """
INSERT INTO cases_prediction (id, case_id, model_version_id, role, generation, class, probabilities, confidence,
    novelty, provider, latency, reasons, created_at)
VALUES (%s, %s, %s, 'shadow', %s, %s, %s, %s, %s, %s, %s, '[]', clock_timestamp())
ON CONFLICT (case_id, model_version_id, role, generation) DO NOTHING
"""


def _write(lease: work.Lease, shadowed: Sequence[Shadowed], failures: dict[int, str]) -> None:
    kept = work.finish(token=lease.token, ids=[row.id for row in lease.rows if row.id not in failures])
    with connection.cursor() as cursor:
        if failures:
            cursor.execute(
                "UPDATE cases_work w SET is_dead = true, last_error = failed.error, lease_token = NULL, "
                "lease_until = NULL FROM unnest(%s::bigint[], %s::text[]) AS failed(id, error) "
                "WHERE w.id = failed.id AND w.lease_token = %s RETURNING w.id",
                [array(failures), list(failures.values()), lease.token],
            )
            kept |= {row[0] for row in cursor.fetchall()}
        cursor.executemany(
            _WRITE,
            [
                (
                    fresh_id(),
                    said.one.case_id,
                    said.version.pk,
                    said.one.row.generation,
                    said.answer,
                    said.probabilities,
                    said.confidence,
                    said.novelty,
                    said.provider,
                    said.latency,
                )
                for said in shadowed
                if said.one.row.id in kept
            ],
        )


_LOAD = """
SELECT c.id::text, c.stream_id, c.rollout_coin, i.features::text, i.generation
FROM unnest(%s::uuid[], %s::int[]) AS asked(case_id, generation)
JOIN cases_case c ON c.id = asked.case_id AND c.state <> 'erased'
JOIN cases_caseinput i ON i.case_id = c.id AND i.generation = asked.generation
"""


def _load(lease: work.Lease) -> list[Waiting]:
    rows = {(row.subject, row.generation): row for row in lease.rows}
    with connection.cursor() as cursor:
        cursor.execute(_LOAD, [array(row.subject for row in lease.rows), array(row.generation for row in lease.rows)])
        found = cursor.fetchall()
    return [Waiting(rows[record[0], record[4]], *record[:4]) for record in found]
