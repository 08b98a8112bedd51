"""Scoring: claimed batches through the model, then routed in one transaction per stream."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

import structlog
from django.db import transaction

from reviewapp import inference_client
from reviewapp.cases.actions import routing, unscored, work
from reviewapp.cases.loading import loaded
from reviewapp.crashpoints import crashpoint
from reviewapp.domain import gate
from reviewapp.gating import rulebook as rulebooks
from reviewapp.registry.models import Bundle, ModelVersion
from reviewapp.writing import array, execute

log = structlog.get_logger(__name__)

BATCH = 512


@dataclass(slots=True)
class Waiting:
    """A case that waits for its score, with its work row.

    `case_id`, `features` and `due_at` are as PostgreSQL writes them: they go on, or back, without being read.
    """

    row: work.Claimed
    features: str
    case_id: str
    stream_id: UUID
    external_id: str
    generation: int
    coin: float
    due_at: str
    rollout_id: UUID | None


class RolloutChanged(Exception):
    """The stream's rollout moved on between prediction and routing; the batch is scored again."""


def score_batch() -> int:
    """Claim what waits and score it; answers how many rows were taken. Safe to run twice, anywhere, at any time."""
    lease = work.claim(kind="score", limit=BATCH)
    if not lease.rows:
        return 0
    crashpoint("scoring.after_claim")
    waiting = _load(lease)
    stale = set(lease.ids) - {one.row.id for one in waiting}
    if stale:
        # Amended or decided meanwhile: another row, or nobody, waits for this score.
        work.finish(token=lease.token, ids=sorted(stale))
    groups: dict[tuple[UUID, UUID | None], list[Waiting]] = defaultdict(list)
    for one in waiting:
        groups[one.stream_id, one.rollout_id].append(one)
    for (_, rollout_id), group in groups.items():
        for part in _apart(group):
            _score(lease.token, rollout_id, part)
    return len(lease.rows)


def _apart(group: Sequence[Waiting]) -> list[list[Waiting]]:
    """Rows that were tried before go alone: whatever killed their batch then kills only itself now."""
    fresh = [one for one in group if one.row.attempts == 1]
    return ([fresh] if fresh else []) + [[one] for one in group if one.row.attempts > 1]


def _score(token: UUID, rollout_id: UUID | None, group: list[Waiting]) -> None:
    try:
        _score_or_raise(token, rollout_id, group)
    except RolloutChanged:
        work.give_back(token=token, ids=[one.row.id for one in group], is_try=False)
    except Exception as error:
        if len(group) > 1:
            middle = len(group) // 2
            _score(token, rollout_id, group[:middle])
            _score(token, rollout_id, group[middle:])
            return
        log.exception("scoring.failed", case_id=str(group[0].case_id))
        _give_up_or_back(token, group[0], error)


def _score_or_raise(token: UUID, rollout_id: UUID | None, group: list[Waiting]) -> None:
    version = _primary(rollout_id) if rollout_id else None
    exhausted = [one for one in group if one.row.attempts > work.MAX_ATTEMPTS]
    if version is None or version.bundle is None:
        _to_people(token, group, gate.MODEL_UNAVAILABLE)
        return
    if exhausted:
        _to_people(token, exhausted, gate.SCORING_FAILED)
        return
    batch = _predict(version, group)
    crashpoint("scoring.after_predict")
    with transaction.atomic():
        rulebook = rulebooks.read_locked(group[0].stream_id)
        if rulebook.rollout_id != rollout_id:
            raise RolloutChanged
        fence = routing.Fence(token, [one.row.id for one in group])
        routing.apply(rulebook=rulebook, batch=batch, now=rulebook.read_at, fence=fence)
        crashpoint("scoring.before_commit")
    crashpoint("scoring.after_commit")


# The manifest stays in the database: it is long, and a model that is loaded has read its own.
_PRIMARY = """
SELECT v.id, v.stream_id, v.number, v.bundle_id
FROM registry_rolloutmember m JOIN registry_modelversion v ON v.id = m.model_version_id
WHERE m.rollout_id = %s AND m.role = 'primary'
"""


@lru_cache(maxsize=1024)
def _primary(rollout_id: UUID) -> ModelVersion | None:
    """The version whose predictions route the stream's cases; a rollout never changes."""
    row = execute(_PRIMARY, [rollout_id]).fetchone()
    if row is None:
        return None
    version_id, stream_id, number, digest = row
    bundle = Bundle(digest=digest) if digest else None
    return ModelVersion(id=version_id, stream_id=stream_id, number=number, bundle=bundle)


def _predict(version: ModelVersion, group: Sequence[Waiting]) -> list[routing.Scored]:
    started = time.perf_counter()
    assert version.bundle is not None
    model = loaded(version.bundle)
    predictions = inference_client.predict_json(model, [one.features.encode() for one in group])
    best = predictions.probabilities.argmax(axis=1).tolist()
    probabilities = predictions.probabilities.tolist()
    novelty = predictions.novelty.tolist()
    latency = time.perf_counter() - started
    return [
        routing.Scored(
            case_id=one.case_id,
            external_id=one.external_id,
            generation=one.generation,
            coin=one.coin,
            due_at=one.due_at,
            role="primary",
            model_version_id=version.pk,
            model_number=version.number,
            answer=predictions.classes[best[i]],
            probabilities=probabilities[i],
            confidence=min(max(probabilities[i][best[i]], 0.0), 1.0),
            novelty=novelty[i],
            provider=predictions.provider,
            latency=latency,
            space=version.bundle.digest,
            embedding=predictions.embedding[i],
            traceparent=one.row.traceparent,
        )
        for i, one in enumerate(group)
    ]


def _to_people(token: UUID, group: Sequence[Waiting], reason: gate.Reason) -> None:
    with transaction.atomic():
        rulebook = rulebooks.read_locked(group[0].stream_id)
        kept = work.finish(token=token, ids=[one.row.id for one in group])
        unscored.to_review(
            rulebook=rulebook,
            cases=[(one.case_id, one.generation, one.coin, one.due_at) for one in group if one.row.id in kept],
            reason=reason,
        )


def _give_up_or_back(token: UUID, one: Waiting, error: Exception) -> None:
    """After the last try the case goes to people; nothing is ever merely stuck."""
    if one.row.attempts >= work.MAX_ATTEMPTS:
        _to_people(token, [one], gate.SCORING_FAILED)
    else:
        work.give_back(token=token, ids=[one.row.id], error=repr(error), wait=work.BACK_OFF * one.row.attempts)


_LOAD = """
SELECT i.features::text, c.id::text, c.stream_id, c.external_id, c.generation, c.coin, c.due_at::text,
    s.live_rollout_id
FROM cases_case c
JOIN registry_stream s ON s.id = c.stream_id
JOIN cases_caseinput i ON i.case_id = c.id AND i.generation = c.generation
WHERE c.id = ANY(%s::uuid[]) AND c.state = 'scoring'
"""


def _load(lease: work.Lease) -> list[Waiting]:
    rows = {(row.subject, row.generation): row for row in lease.rows}
    found = execute(_LOAD, [array(row.subject for row in lease.rows)])
    return [Waiting(row, *record) for record in found if (row := rows.get((record[1], record[4])))]
