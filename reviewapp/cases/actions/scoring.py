"""Scoring: claimed batches through the model, then routed in one transaction per stream."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import transaction

from reviewapp.cases.actions import fallback, predicting, routing, serving, shadowing, tiering, unscored, warming, work
from reviewapp.crashpoints import crashpoint
from reviewapp.domain import gate
from reviewapp.gating import rulebook as rulebooks
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
    rollout_coin: float


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
    by_stream: dict[UUID, list[Waiting]] = defaultdict(list)
    for one in waiting:
        by_stream[one.stream_id].append(one)
    for stream_id, group in by_stream.items():
        for part in _apart(group):
            _score(lease.token, stream_id, part)
    return len(lease.rows)


def _apart(group: Sequence[Waiting]) -> list[list[Waiting]]:
    """Rows that were tried before go alone: whatever killed their batch then kills only itself now."""
    fresh = [one for one in group if one.row.attempts == 1]
    return ([fresh] if fresh else []) + [[one] for one in group if one.row.attempts > 1]


def _score(token: UUID, stream_id: UUID, group: list[Waiting]) -> None:
    try:
        _score_or_raise(token, stream_id, group)
    except RolloutChanged:
        work.give_back(token=token, ids=[one.row.id for one in group], is_try=False)
    except fallback.Unavailable as error:
        # Not these rows' fault: they keep their tries, and after a few failures the circuit sends them on.
        _give_back(token, group, error, is_try=False)
    except fallback.TooSlow as error:
        _give_back(token, group, error, is_try=True)
    except Exception as error:
        if len(group) > 1:
            middle = len(group) // 2
            _score(token, stream_id, group[:middle])
            _score(token, stream_id, group[middle:])
            return
        log.exception("scoring.failed", case_id=str(group[0].case_id))
        _give_up_or_back(token, group[0], error)


def _score_or_raise(token: UUID, stream_id: UUID, group: list[Waiting]) -> None:
    plan = serving.versions_for(stream_id)
    exhausted = [one for one in group if one.row.attempts > work.MAX_ATTEMPTS]
    if plan.primary is None or plan.primary.bundle is None:
        _to_people(token, group, gate.MODEL_UNAVAILABLE)
        return
    if exhausted:
        _to_people(token, exhausted, gate.SCORING_FAILED)
        return
    outcome = predicting.predict(plan, group)
    crashpoint("scoring.after_predict")
    with transaction.atomic():
        rulebook = rulebooks.read_locked(stream_id)
        if rulebook.rollout_id != plan.rollout_id:
            raise RolloutChanged
        moved = _route(token, rulebook, outcome)
        tiering.record([scored for _, scored in outcome.unsure if scored.case_id in moved], now=rulebook.read_at)
        _give_to_people(token, rulebook, outcome.unserved, gate.MODEL_UNAVAILABLE)
        shadowing.ask(plan=plan, batch=[scored for _, scored in outcome.scored if scored.case_id in moved])
        crashpoint("scoring.before_commit")
    crashpoint("scoring.after_commit")
    warming.note(plan)


def _route(token: UUID, rulebook: rulebooks.Rulebook, outcome: predicting.Outcome) -> set[str]:
    fence = routing.Fence(token, [one.row.id for one, _ in outcome.scored])
    batch = [scored for _, scored in outcome.scored]
    return routing.apply(rulebook=rulebook, batch=batch, now=rulebook.read_at, fence=fence)


def _to_people(token: UUID, group: Sequence[Waiting], reason: gate.Reason) -> None:
    with transaction.atomic():
        _give_to_people(token, rulebooks.read_locked(group[0].stream_id), group, reason)


def _give_to_people(
    token: UUID, rulebook: rulebooks.Rulebook, group: Sequence[predicting.Waiting], reason: gate.Reason
) -> None:
    if not group:
        return
    kept = work.finish(token=token, ids=[one.row.id for one in group])
    cases = [(one.case_id, one.generation, one.coin, one.due_at) for one in group if one.row.id in kept]
    unscored.to_review(rulebook=rulebook, cases=cases, reason=reason)


def _give_back(token: UUID, group: Sequence[Waiting], error: Exception, *, is_try: bool) -> None:
    log.warning("scoring.given_back", error=str(error), rows=len(group), is_try=is_try)
    ids = [one.row.id for one in group]
    work.give_back(token=token, ids=ids, error=repr(error), wait=work.BACK_OFF, is_try=is_try)


def _give_up_or_back(token: UUID, one: Waiting, error: Exception) -> None:
    """After the last try the case goes to people; nothing is ever merely stuck."""
    if one.row.attempts >= work.MAX_ATTEMPTS:
        _to_people(token, [one], gate.SCORING_FAILED)
    else:
        work.give_back(token=token, ids=[one.row.id], error=repr(error), wait=work.BACK_OFF * one.row.attempts)


_LOAD = """
SELECT i.features::text, c.id::text, c.stream_id, c.external_id, c.generation, c.coin, c.due_at::text,
    c.rollout_coin
FROM cases_case c
JOIN cases_caseinput i ON i.case_id = c.id AND i.generation = c.generation
WHERE c.id = ANY(%s::uuid[]) AND c.state = 'scoring'
"""


def _load(lease: work.Lease) -> list[Waiting]:
    rows = {(row.subject, row.generation): row for row in lease.rows}
    found = execute(_LOAD, [array(row.subject for row in lease.rows)])
    waiting = [Waiting(row, *record) for record in found if (row := rows.get((record[1], record[4])))]
    # A join keeps no order, and people find the cases in the order in which they are written.
    return sorted(waiting, key=lambda one: one.row.id)
