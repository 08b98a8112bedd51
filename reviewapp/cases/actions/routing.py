"""Routing: the gate's ruling on fresh predictions and everything that follows from it, in one transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import msgspec

from reviewapp.cases.actions import guarding
from reviewapp.cases.actions.deciding import behind
from reviewapp.celery import enqueue
from reviewapp.domain.gate import Route, Ruling
from reviewapp.events import actions as events
from reviewapp.gating.rulebook import Rulebook
from reviewapp.writing import array, execute, fresh_id, together, write_rows

DECISION_EVENT = "decision.made"
EXPLAIN_TASK = "cases.drain_explain"
# Reviews are taken by priority, then by due time: a late audit costs automation.
AUDIT_PRIORITY = 10


# Not frozen, like all that is made once per case: that triples the time.
@dataclass(slots=True)
class Scored:
    """One case with the prediction that routes it; shapes: probabilities (K,), embedding (128,) or None.

    `case_id` and `due_at` are texts that PostgreSQL reads; `features` is JSON that is read only if a guardrail asks.
    """

    case_id: str
    external_id: str
    generation: int
    coin: float
    due_at: str
    role: str
    model_version_id: UUID
    model_number: int
    answer: str
    probabilities: Sequence[float]
    confidence: float
    novelty: float | None
    provider: str
    latency: float
    space: str = ""
    embedding: Any = None
    features: str = "{}"
    is_explainable: bool = True
    traceparent: str = ""


@dataclass(slots=True)
class Routed:
    """A scored case with its ruling and the ids of the rows that will say so."""

    scored: Scored
    ruling: Ruling
    prediction_id: str
    sequence: int
    event_id: str


@dataclass(frozen=True, slots=True)
class Fence:
    """The work rows under whose lease the batch was scored; they end with it, and whose lease is lost is left alone."""

    token: UUID
    ids: Sequence[int]


def apply(*, rulebook: Rulebook, batch: Sequence[Scored], now: datetime, fence: Fence | None = None) -> set[str]:
    """Rule on every case of the batch that still waits for it, and write the consequences; answers their ids.

    Prediction always; decision, event and outbox entry on `auto`; review on `review` and for audits; embedding and
    the explanation's work where a person will look. Call it inside a transaction that holds the rulebook's lock.
    """
    if not batch:
        return set()
    ruled = guarding.rule(batch, rulebook)
    sequences = _move(ruled, fence)
    routed = [
        Routed(scored, ruling, fresh_id(), sequences[scored.case_id], fresh_id())
        for scored, ruling in ruled
        if scored.case_id in sequences
    ]
    automatic = [one for one in routed if one.ruling.route is Route.AUTO]
    looked_at = [one for one in routed if one.ruling.route is Route.REVIEW or one.ruling.is_audited]
    guarding.spent(rulebook, len(automatic))
    previous = _last_decisions([one.scored.case_id for one in automatic if one.scored.generation > 1])
    with together(len(routed)):
        _write_predictions(routed, rulebook, now)
        _write_decisions(automatic, previous, rulebook, now)
        _write_events(routed, rulebook, now)
        _write_reviews(looked_at, rulebook, now)
        _write_evidence(looked_at, rulebook, now)
    return set(sequences)


_MOVE = """
WITH wanted AS (SELECT * FROM unnest(%(ids)s::uuid[], %(generations)s::int[], %(states)s::text[])
    AS wanted(id, generation, state)) {fence}
UPDATE cases_case c SET state = wanted.state, num_events = num_events + 1
FROM wanted {fenced}
WHERE c.id = wanted.id AND c.generation = wanted.generation AND c.state = 'scoring'
RETURNING c.id::text, c.num_events
"""
_MOVE_FREELY = _MOVE.format(fence="", fenced="")
_MOVE_FENCED = _MOVE.format(
    fence=""", mine AS (
    DELETE FROM cases_work WHERE id = ANY(%(work)s::bigint[]) AND lease_token = %(token)s RETURNING subject, generation
)""",
    fenced="JOIN mine ON mine.subject = wanted.id::text AND mine.generation = wanted.generation",
)
_STATES = {Route.AUTO: "decided", Route.REVIEW: "in_review"}


def _move(ruled: Sequence[tuple[Scored, Ruling]], fence: Fence | None) -> dict[str, int]:
    """Move the cases that still wait in this generation; answers the number of each one's event."""
    values = {
        "ids": array(scored.case_id for scored, _ in ruled),
        "generations": array(scored.generation for scored, _ in ruled),
        "states": array(_STATES[ruling.route] for _, ruling in ruled),
    }
    if fence is None:
        return dict(execute(_MOVE_FREELY, values))
    return dict(execute(_MOVE_FENCED, {**values, "work": array(fence.ids), "token": fence.token}))


def _write_predictions(routed: Sequence[Routed], rulebook: Rulebook, now: datetime) -> None:
    write_rows(
        "cases_prediction",
        "id, case_id, model_version_id, role, generation, class, probabilities, confidence, novelty, "
        "provider, latency, route, reasons, policy_version_id, threshold, certificate_id, inclusion_probability, "
        "created_at",
        (
            (
                one.prediction_id,
                one.scored.case_id,
                one.scored.model_version_id,
                one.scored.role,
                one.scored.generation,
                one.scored.answer,
                list(one.scored.probabilities),
                one.scored.confidence,
                one.scored.novelty,
                one.scored.provider,
                one.scored.latency,
                one.ruling.route.value,
                _reasons(one.ruling),
                rulebook.policy_version_id,
                one.ruling.threshold,
                one.ruling.certificate,
                one.ruling.inclusion_probability,
                now,
            )
            for one in routed
        ),
    )


def _write_decisions(
    automatic: Sequence[Routed], previous: Mapping[str, tuple[UUID, int]], rulebook: Rulebook, now: datetime
) -> None:
    """Decisions of cases that may have been decided before an amendment: the chain goes on where it ended."""
    rows = []
    for one in automatic:
        last_id, last_sequence = previous.get(one.scored.case_id, (None, 0))
        rows.append(
            (
                one.event_id,
                one.scored.case_id,
                last_sequence + 1,
                last_id,
                "auto",
                one.scored.answer,
                one.scored.generation,
                one.prediction_id,
                Route.AUTO.value,
                one.scored.model_version_id,
                rulebook.policy_version_id,
                one.event_id,
                "policy",
                now,
            )
        )
    write_rows(
        "cases_decision",
        "id, case_id, sequence, supersedes_id, source, class, generation, prediction_id, prediction_route, "
        "model_version_id, policy_version_id, event_id, actor, decided_at",
        rows,
    )


def _last_decisions(case_ids: Sequence[str]) -> dict[str, tuple[UUID, int]]:
    if not case_ids:
        return {}
    found = execute(
        "SELECT DISTINCT ON (case_id) case_id::text, id, sequence FROM cases_decision "
        "WHERE case_id = ANY(%s::uuid[]) ORDER BY case_id, sequence DESC",
        [array(case_ids)],
    )
    return {case_id: (decision_id, sequence) for case_id, decision_id, sequence in found}


def _write_events(routed: Sequence[Routed], rulebook: Rulebook, now: datetime) -> None:
    team_id, stream_id = str(rulebook.stream.team_id), str(rulebook.stream.pk)
    events.record_many(
        [
            events.Happening(
                id=one.event_id,
                type=DECISION_EVENT if one.ruling.route is Route.AUTO else "review.opened",
                subject=f"case:{one.scored.case_id}",
                actor="policy",
                payload=_payload(one, rulebook),
                team_id=team_id,
                stream_id=stream_id,
                case_id=one.scored.case_id,
                sequence=one.sequence,
                traceparent=one.scored.traceparent,
            )
            for one in routed
        ],
        at=now,
    )


def _payload(one: Routed, rulebook: Rulebook) -> dict[str, Any]:
    scored, ruling = one.scored, one.ruling
    payload: dict[str, Any] = {
        "case": scored.case_id,
        "external_id": scored.external_id,
        "stream": rulebook.stream.slug,
        "generation": scored.generation,
        "sequence": one.sequence,
        "reasons": [reason.code for reason in ruling.reasons],
    }
    if ruling.route is Route.AUTO:
        payload["decision"] = {
            "id": one.event_id,
            "class": scored.answer,
            "source": "auto",
            "confidence": round(scored.confidence, 6),
            "threshold": ruling.threshold,
            "certificate": behind(ruling.threshold, ruling.certificate),
            "policy_version": rulebook.policy_number,
            "model_version": scored.model_number,
        }
    return payload


def _write_reviews(looked_at: Sequence[Routed], rulebook: Rulebook, now: datetime) -> None:
    mode, stream_id = rulebook.stream.review_mode, str(rulebook.stream.pk)
    priority_of = _priorities(rulebook)
    write_rows(
        "cases_review",
        "id, case_id, stream_id, generation, kind, round, mode, prediction_id, reasons, "
        "inclusion_probability, state, priority, due_at, created_at",
        (
            (
                fresh_id(),
                one.scored.case_id,
                stream_id,
                one.scored.generation,
                "audit" if one.ruling.is_audited else "routine",
                1,
                "blind" if one.ruling.is_blind else mode,
                one.prediction_id,
                _AUDIT_REASONS if one.ruling.is_audited else _reasons(one.ruling),
                one.ruling.inclusion_probability,
                "open",
                priority_of(one),
                one.scored.due_at,
                now,
            )
            for one in looked_at
        ),
    )


def _priorities(rulebook: Rulebook) -> Callable[[Routed], int]:
    """Which reviews are taken first: audits, and by the same coin as many of the others.

    So that a place at the head of the queue does not tell who answers unseen that the model decided alone.
    """

    @cache
    def greatest_rate(model_version_id: UUID) -> float:
        policy = rulebook.policy_for(model_version_id)
        return max(policy.audit_rates.values(), default=0.0) if policy else 0.0

    def priority_of(one: Routed) -> int:
        is_first = one.ruling.is_audited or one.scored.coin < greatest_rate(one.scored.model_version_id)
        return AUDIT_PRIORITY if is_first else 0

    return priority_of


def _write_evidence(looked_at: Sequence[Routed], rulebook: Rulebook, now: datetime) -> None:
    embedded = [one.scored for one in looked_at if one.scored.embedding is not None]
    if embedded:
        write_rows(
            "cases_embedding",
            "id, stream_id, case_id, generation, space, vector",
            (
                (
                    fresh_id(),
                    rulebook.stream.pk,
                    s.case_id,
                    s.generation,
                    s.space,
                    _json(s.embedding.tolist()),
                )
                for s in embedded
            ),
        )
    explained = [one for one in looked_at if one.scored.is_explainable]
    if explained:
        write_rows(
            "cases_work",
            "kind, subject, generation, priority, attempts, run_after, is_dead, last_error, traceparent, created_at",
            (("explain", one.prediction_id, 1, 0, 0, now, False, "", one.scored.traceparent, now) for one in explained),
        )
        enqueue(EXPLAIN_TASK)


def _reasons(ruling: Ruling) -> str:
    return _json(ruling.reasons)


def _json(value: Any) -> str:
    return _encode(value).decode()


_encode = msgspec.json.Encoder().encode


_AUDIT_REASONS = _json(
    [
        {
            "code": "audit",
            "sentence": "Drawn at random to check automatic decisions; answer without knowing them.",
        }
    ]
)
