"""Promises beyond the error rate: per segment, per 1,000 arrivals, and in money. Pure: counts in, figures out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from reviewapp.domain import exact, losses
from reviewapp.domain.evidence import Tally, e_upper_bound
from reviewapp.domain.policy import Policy, Value

CONFIDENCE = 0.95


class Keeping(StrEnum):
    """Whether a promise is shown to be kept, shown to be broken, or neither."""

    KEPT = "kept"
    UNPROVEN = "unproven"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Audit:
    """One audited automatic decision; `value` is what it costs if wrong, None where the policy names no value.

    in_doubt: contradicted, and the next reader has not answered yet. Agreements are settled at once, so without these
    the settled ones would be too good a sample: for an upper bound they are wrong, for a lower bound right.
    """

    answer: str
    segment: str
    is_wrong: bool
    probability: float
    value: float | None = None
    in_doubt: bool = False

    @property
    def may_be_wrong(self) -> bool:
        return self.is_wrong or self.in_doubt


@dataclass(frozen=True, slots=True)
class Group:
    """A segment of a class. Shares of its audits in [0, 1]; `bound` weighs each audit by its probability.

    wrong: the confirmed ones; in_doubt: those that may become so. estimate: of the confirmed, None without audits; low,
    high: the two-sided interval of the audits; bound: not exceeded by the error rate of its automatic decisions.
    """

    answer: str
    segment: str
    automatic: int
    audits: int
    wrong: int
    estimate: float | None
    low: float
    high: float
    bound: float
    in_doubt: int = 0


@dataclass(frozen=True, slots=True)
class Harm:
    """A figure with its bounds beside what was promised of it; promised is None where nothing was."""

    estimate: float
    low: float
    bound: float
    promised: float | None = None

    @property
    def keeping(self) -> Keeping | None:
        if self.promised is None:
            return None
        if self.bound <= self.promised:
            return Keeping.KEPT
        return Keeping.BROKEN if self.low > self.promised else Keeping.UNPROVEN


@dataclass(frozen=True, slots=True)
class Parity:
    """What a stream's automatic decisions of a period did; `loss` is the mean per automatic decision, by class."""

    days: float
    arrivals: int
    automatic: int
    groups: tuple[Group, ...] = ()
    per_thousand: Harm | None = None
    loss: Mapping[str, Harm] = field(default_factory=dict)


def table(
    audits: Sequence[Audit], automatic: Mapping[tuple[str, str], int], *, confidence: float = CONFIDENCE
) -> tuple[Group, ...]:
    """The same figures for every class and segment; `automatic` counts decisions by class and segment."""
    audited: dict[tuple[str, str], list[Audit]] = {}
    for audit in audits:
        audited.setdefault((audit.answer, audit.segment), []).append(audit)
    keys = sorted({*automatic, *audited})
    return tuple(_group(key, audited.get(key, []), automatic.get(key, 0), confidence) for key in keys)


def per_thousand(
    audits: Sequence[Audit], *, automatic: int, arrivals: int, promised: float | None, confidence: float = CONFIDENCE
) -> Harm | None:
    """Wrong automatic decisions per 1,000 arrivals; None where nothing arrived."""
    wrong, at_most, number = _counted(audits)
    # What was audited may have been decided shortly before the period that is counted.
    automatic, arrivals = max(automatic, number), max(arrivals, automatic, number)
    if not arrivals:
        return None
    found = losses.per_thousand_bound(
        wrong=at_most, audits=number, automatic=automatic, arrivals=arrivals, confidence=confidence
    )
    low = 1000 * automatic * exact.lower_bound(wrong=wrong, audits=number, confidence=confidence) / arrivals
    estimate = 1000 * automatic * wrong / number / arrivals if number else 0.0
    return Harm(estimate, low, found.bound, promised)


def mean_losses(audits: Sequence[Audit], *, value: Value, confidence: float = CONFIDENCE) -> dict[str, Harm]:
    """The mean loss of an automatic decision, by class, in the unit of the value."""
    return {
        answer: _loss([audit for audit in audits if audit.answer == answer], value, confidence)
        for answer in sorted({audit.answer for audit in audits})
    }


def of(
    audits: Sequence[Audit],
    *,
    automatic: Mapping[tuple[str, str], int],
    arrivals: int,
    days: float,
    policy: Policy,
) -> Parity:
    """All figures of a period."""
    total = sum(automatic.values())
    return Parity(
        days,
        arrivals,
        total,
        table(audits, automatic),
        per_thousand(audits, automatic=total, arrivals=arrivals, promised=policy.wrong_per_thousand),
        mean_losses(audits, value=policy.value) if policy.value else {},
    )


def _group(key: tuple[str, str], audits: Sequence[Audit], automatic: int, confidence: float) -> Group:
    wrong, at_most, number = _counted(audits)
    two_sided = (1 + confidence) / 2
    return Group(
        *key,
        max(automatic, number),
        number,
        wrong,
        wrong / number if number else None,
        exact.lower_bound(wrong=wrong, audits=number, confidence=two_sided),
        exact.upper_bound(wrong=at_most, audits=number, confidence=two_sided),
        e_upper_bound(_tallies(audits), confidence=confidence),
        at_most - wrong,
    )


def _counted(audits: Sequence[Audit]) -> tuple[int, int, int]:
    """How many are wrong, how many may be, and how many there are."""
    return sum(one.is_wrong for one in audits), sum(one.may_be_wrong for one in audits), len(audits)


def _tallies(audits: Iterable[Audit]) -> list[Tally]:
    """Audits by their weight: the least probability of them over their own."""
    found: dict[float, list[int]] = {}
    for audit in audits:
        found.setdefault(audit.probability, [0, 0])[audit.may_be_wrong] += 1
    least = min(found, default=1.0)
    return [Tally(least / probability, right, wrong) for probability, (right, wrong) in sorted(found.items())]


def _loss(audits: Sequence[Audit], value: Value, confidence: float) -> Harm:
    least = min(audit.probability for audit in audits)
    weights = [least / audit.probability for audit in audits]
    costs = [min(audit.value if audit.value is not None else value.cap, value.cap) for audit in audits]
    lost = [cost * audit.is_wrong for cost, audit in zip(costs, audits, strict=True)]
    at_most = [cost * audit.may_be_wrong for cost, audit in zip(costs, audits, strict=True)]
    spared = [value.cap - loss for loss in lost]
    weighed = sum(loss * weight for loss, weight in zip(lost, weights, strict=True))
    return Harm(
        weighed / sum(weights),
        value.cap - losses.mean_loss_bound(spared, weights, cap=value.cap, confidence=confidence),
        losses.mean_loss_bound(at_most, weights, cap=value.cap, confidence=confidence),
        value.promised_loss,
    )
