"""What a blind reading of a case is evidence on: the model versions that predicted it, each with its probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from reviewapp.cases.models import Review
from reviewapp.cases.moments import moment_of
from reviewapp.domain.gate import GUARDRAIL_CODES
from reviewapp.domain.policy import Policy
from reviewapp.gating import guardrails
from reviewapp.gating.actions.ledger import Entry
from reviewapp.registry.models import Stream
from reviewapp.registry.policies import read_body
from reviewapp.registry.training_values import learned_by

AUDIT_KINDS = (Review.Kind.AUDIT, Review.Kind.SECOND_OPINION, Review.Kind.ADJUDICATION)
KINDS = (Review.Kind.ROUTINE, *AUDIT_KINDS)
# What the coin chose to be read before anything of the model is shown, of reviews named r.
SAMPLED = "r.kind = ANY(%(kinds)s) AND r.mode <> 'assisted' AND r.inclusion_probability > 0"
_SAID = """
SELECT c.id, c.coin, c.half_coin, coalesce(i.observed_at, c.received_at),
    v.created_at, b.manifest #>> '{lineage,training_cut_off}',
    p.model_version_id, p.class, p.confidence, p.novelty, p.id = a.id,
    a.class, a.route = 'auto', a.threshold, a.inclusion_probability,
    (SELECT coalesce(array_agg(told.code), '{}') FROM jsonb_to_recordset(a.reasons) AS told(code text)),
    policy.body::text,
    (SELECT json_object_agg(rate.class, rate.rate)::text FROM gating_auditrate rate
     WHERE rate.stream_id = c.stream_id AND rate.model_version_id = a.model_version_id
       AND rate.day = (a.created_at AT TIME ZONE 'UTC')::date),
    CASE WHEN p.id <> a.id OR jsonb_typeof(policy.body -> 'segment') = 'string'
              OR jsonb_typeof(policy.body -> 'value') = 'object' THEN i.features::text END,
    CASE WHEN p.id <> a.id THEN i.context::text END, i.observed_at, i.received_at
FROM cases_prediction a
JOIN cases_case c ON c.id = a.case_id
JOIN cases_caseinput i ON i.case_id = a.case_id AND i.generation = a.generation
JOIN cases_prediction p ON p.case_id = a.case_id AND p.generation = a.generation
    AND ((p.id = a.id AND p.role <> 'fallback') OR p.role = 'shadow')
JOIN registry_modelversion v ON v.id = p.model_version_id
LEFT JOIN registry_bundle b ON b.digest = v.bundle_id
LEFT JOIN registry_policyversion policy ON policy.id = a.policy_version_id
WHERE a.id = ANY(%s)
ORDER BY a.case_id, p.id
"""


@dataclass(frozen=True, slots=True)
class Routed:
    """How a case was routed, as far as it says which cases could have been read unseen and how likely.

    probability: its own π. rates: the day's audit rates by class of the version that routed it.
    """

    answer: str
    threshold: float | None
    probability: float
    codes: frozenset[str]
    policy: Policy | None
    rates: Mapping[str, float]

    def rate(self, answer: str) -> float | None:
        """The share of a class's automatic decisions that were audited, where somebody or the day's job said one."""
        by_hand = self.policy.audit_rates.get(answer) if self.policy else None
        return self.rates.get(answer) if by_hand is None else by_hand

    def rate_if_acting(self, answer: str) -> float:
        """The same for a class that acts: until a rate is said, as much as the policy allows."""
        rate = self.rate(answer)
        if rate is not None:
            return rate
        return self.policy.audit.ceiling if self.policy else 0.0


def least_probability(routed: Routed) -> float:
    """The least π that a case of this class could have had at that time, whatever its confidence.

    It must not depend on the case itself, or weights would follow the score: v = least π / π is then a fair bet.
    """
    if routed.threshold is None or routed.codes & {"held", "never_automate"}:
        return routed.probability
    return min(routed.rate_if_acting(routed.answer), routed.probability)


def least_probability_of_any(routed: Routed, stream: Stream) -> float:
    """The least π over all classes: for a version that did not route the case, and may say another class of it."""
    assisted = stream.review_mode == Stream.Mode.ASSISTED
    least = routed.probability
    for answer in stream.classes:
        rate = routed.rate(answer)
        least = min(least, max(stream.blind_share, rate or 0.0) if assisted else 1.0)
        if routed.policy is not None and _may_act(routed.policy, answer):
            least = min(least, routed.rate_if_acting(answer))
    return least


def _may_act(policy: Policy, answer: str) -> bool:
    return answer not in policy.never_automate and (answer in policy.thresholds or answer in policy.promises)


def is_sampled(review: Review) -> bool:
    """Whether the coin chose this reading to be given before anything of the model is shown."""
    return review.kind in KINDS and review.mode != Stream.Mode.ASSISTED and review.inclusion_probability > 0


def evidence_on(stream: Stream, routed_by: Sequence[UUID]) -> list[Entry]:
    """The ledger's entries, still without truth, of the cases that these predictions routed.

    One for the version that routed the case, if no guardrail stopped it; one for each version that looked on, if none
    would have stopped it on that version's word. Left out is what may have trained the version.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SAID, [list(routed_by)])
        rows = [_Row(*row) for row in cursor.fetchall()]
    return [entry for row in rows if _is_evidence(row) and (entry := _entry(row, stream)) is not None]


@dataclass(frozen=True, slots=True)
class _Row:
    case_id: UUID
    coin: float
    half_coin: float
    arrived_at: datetime
    registered_at: datetime
    cut_off: str | None
    model_version_id: UUID
    answer: str
    confidence: float
    novelty: float | None
    did_route: bool
    routed_answer: str
    is_automatic: bool
    threshold: float | None
    probability: float | None
    codes: list[str]
    policy: str | None
    rates: str | None
    features: str | None
    context: str | None
    observed_at: datetime | None
    received_at: datetime


def _is_evidence(row: _Row) -> bool:
    is_stopped = bool(GUARDRAIL_CODES.intersection(row.codes)) if row.did_route else _would_be_stopped(row)
    if is_stopped:
        return False
    trained_until = moment_of(row.cut_off) or row.registered_at
    return row.half_coin >= 0.5 or row.arrived_at > trained_until


def _would_be_stopped(row: _Row) -> bool:
    """Whether the guardrails in force would stop the case if this version routed it: those ask what it says, too."""
    policy = _policy(row.policy) if row.policy else None
    if policy is None:
        return False
    if policy.novelty_floor is not None and row.novelty is not None and row.novelty < policy.novelty_floor:
        return True
    if not guardrails.looks_at_values(policy):
        return False
    subject = guardrails.Subject(
        features=msgspec.json.decode(row.features or "{}"),
        predicted=row.answer,
        confidence=row.confidence,
        context=msgspec.json.decode(row.context or "{}"),
        observed_at=row.observed_at,
        received_at=row.received_at,
    )
    learned = learned_by(row.model_version_id) if policy.is_range_checked else None
    return bool(guardrails.raised(policy, subject, learned))


def _entry(row: _Row, stream: Stream) -> Entry | None:
    policy = _policy(row.policy) if row.policy else None
    routed = Routed(
        answer=row.routed_answer,
        threshold=row.threshold,
        probability=row.probability or 0.0,
        codes=frozenset(row.codes),
        policy=policy,
        rates=msgspec.json.decode(row.rates) if row.rates else {},
    )
    least = least_probability(routed) if row.did_route else least_probability_of_any(routed, stream)
    if least <= 0:
        # Some cases of the class could not have been read at all: the others say nothing of them.
        return None
    features: Mapping[str, Any] = msgspec.json.decode(row.features) if row.features else {}
    return Entry(
        model_version_id=row.model_version_id,
        case_id=row.case_id,
        answer=row.answer,
        truth=None,
        confidence=row.confidence,
        coin=row.coin,
        inclusion_probability=routed.probability,
        least_probability=least,
        is_automatic=row.did_route and row.is_automatic,
        segment=guardrails.segment_of(policy, features) if policy and features else "",
        value=guardrails.value_of(policy, features) if policy and features else None,
    )


@lru_cache(maxsize=64)
def _policy(body: str) -> Policy:
    """A version's body never changes once it routes."""
    return read_body(msgspec.json.decode(body))
