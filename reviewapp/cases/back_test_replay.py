"""One past case after the other through the gate, under another policy: rows in, counts and changes out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from reviewapp.cases.back_test_reading import Row
from reviewapp.cases.back_test_tally import Counts, Past
from reviewapp.domain import gate
from reviewapp.domain.gate import GUARDRAIL_CODES, Facts, Reason, ReviewMode, Route
from reviewapp.domain.policy import Cap, Policy
from reviewapp.gating import guardrails
from reviewapp.gating.guardrails import Subject
from reviewapp.registry.models import Stream
from reviewapp.registry.training_values import learned_by


@dataclass(frozen=True, slots=True)
class Acting:
    """The policy as it would act on one model version, and until when cases may have shaped that version."""

    policy: Policy
    trained_until: datetime


@dataclass(slots=True)
class Change:
    """A case that takes another route, and why."""

    case_id: UUID
    route_before: str
    route_after: str
    answer: str
    confidence: float
    truth: str | None
    reason: str


@dataclass(slots=True)
class Switch:
    """The policy's cap as it would have been used up, interval by interval; without one it lets everything through."""

    limit: int | None = None
    seconds: int = 0
    started_at: str | None = None
    count: int = 0

    @classmethod
    def of(cls, cap: Cap | None) -> "Switch":
        return cls() if cap is None else cls(cap.limit, cap.seconds)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Switch":
        return cls(**content)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lets(self, moment: datetime) -> bool:
        """Whether one more automatic action is allowed at the moment; it is counted then."""
        if self.limit is None:
            return True
        begun = datetime.fromisoformat(self.started_at) if self.started_at else None
        if begun is None or moment >= begun + timedelta(seconds=self.seconds):
            self.started_at, self.count = moment.isoformat(), 0
        if self.count >= self.limit:
            return False
        self.count += 1
        return True


class _Code(msgspec.Struct):
    code: str


_codes = msgspec.json.Decoder(list[_Code])
_object = msgspec.json.Decoder(dict)


def replay(
    rows: Sequence[Row], *, acting: Mapping[UUID, Acting], stream: Stream, counts: Counts, switch: Switch
) -> list[Change]:
    """Count the rows into `counts`; answers the cases that change route. `acting`: by the id of the model version.

    Holds and open breakers of the time are kept as they were.
    """
    changes = []
    for row in rows:
        if row.answer is None or row.route is None:
            counts.unscored += 1
            continue
        codes = frozenset(one.code for one in _codes.decode(row.reasons)) if row.reasons else frozenset()
        on = acting.get(row.version_id) if row.version_id and row.role != "fallback" else None
        after, reason = _route(row, codes, on, stream)
        if after is Route.AUTO and not switch.lets(row.arrived_at):
            after, reason = Route.REVIEW, "cap_reached"
        was_automatic = row.route == Route.AUTO
        counts.add(
            Past(
                answer=row.answer,
                was_automatic=was_automatic,
                is_automatic=after is Route.AUTO,
                coin=row.coin,
                probability=row.probability or 0.0,
                truth=row.truth,
                is_wrong=row.is_wrong,
                is_evidence=on is not None and _is_evidence(row, codes, on),
                in_doubt=row.in_doubt,
            )
        )
        if was_automatic is not (after is Route.AUTO):
            changes.append(Change(row.case_id, row.route, after.value, row.answer, row.confidence, row.truth, reason))
    return changes


def _is_evidence(row: Row, codes: frozenset[str], on: Acting) -> bool:
    """Whether an honest reading of the case would stand in the ledger of its model version."""
    may_have_trained = row.half_coin < 0.5 and (row.observed_at or row.arrived_at) <= on.trained_until
    return GUARDRAIL_CODES.isdisjoint(codes) and not may_have_trained


def _route(row: Row, codes: frozenset[str], on: Acting | None, stream: Stream) -> tuple[Route, str]:
    if on is None or row.answer is None:
        return Route.REVIEW, gate.ANOTHER_ANSWERED.code
    ruling = gate.rule(
        predicted=row.answer,
        confidence=row.confidence,
        novelty=row.novelty,
        facts=Facts(
            coin=row.coin,
            review_mode=ReviewMode(stream.review_mode),
            blind_share=stream.blind_share,
            is_held=gate.HELD.code in codes,
            raised=_raised(row, row.answer, on.policy),
            open_breakers=frozenset({row.answer}) if "breaker_open" in codes else frozenset(),
        ),
        policy=on.policy,
    )
    return ruling.route, ruling.reasons[0].code


def _raised(row: Row, answer: str, policy: Policy) -> tuple[Reason, ...]:
    if row.features is None:
        return ()
    subject = Subject(
        features=_object.decode(row.features),
        predicted=answer,
        confidence=row.confidence,
        context=_object.decode(row.context) if row.context else {},
        observed_at=row.observed_at,
        received_at=row.received_at,
    )
    learned = learned_by(row.version_id) if policy.is_range_checked and row.version_id else None
    return guardrails.raised(policy, subject, learned)
