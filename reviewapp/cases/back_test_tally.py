"""What a back-test counts, case by case, and what the counts say. Pure, and as JSON between two chunks of cases."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from reviewapp.domain.evidence import Tally, e_upper_bound
from reviewapp.domain.exact import finite_upper_bound, lower_bound, upper_bound

# Two-sided: either end is passed with a chance of 2.5 %.
LEVEL = 0.95
_ONE_SIDED = 1 - (1 - LEVEL) / 2
# With fewer answers in the plain random sample, all honest answers are weighted instead.
FEW = 30


@dataclass(slots=True)
class Past:
    """One case as it went, and how it would go.

    probability: π, the chance it had to be read blind; truth: what people or an outcome said, None where nobody did;
    is_wrong: what an honest reading found, None without one; is_evidence: whether an honest reading of it would count;
    in_doubt: contradicted, and the next reader has not answered yet.
    """

    answer: str
    was_automatic: bool
    is_automatic: bool
    coin: float
    probability: float
    truth: str | None = None
    is_wrong: bool | None = None
    is_evidence: bool = True
    in_doubt: bool = False


@dataclass(slots=True)
class Side:
    """The automatic decisions of one class under one policy.

    mute: a reading of them would be no evidence; unreadable: had no chance to be read blind; drawn, right, wrong: in
    the plain random sample of the class (coin below its least π), and answered so; pooled_*: in that of all classes;
    weighed: π → [right, wrong] of all honest readings; doubted, pooled_doubted, weighed_doubted: what is in doubt.
    """

    automatic: int = 0
    labelled: int = 0
    contradicted: int = 0
    mute: int = 0
    unreadable: int = 0
    drawn: int = 0
    right: int = 0
    wrong: int = 0
    pooled_drawn: int = 0
    pooled_right: int = 0
    pooled_wrong: int = 0
    doubted: int = 0
    pooled_doubted: int = 0
    weighed: dict[str, list[int]] = field(default_factory=dict)
    weighed_doubted: dict[str, int] = field(default_factory=dict)

    def add(self, past: Past, least: float, pooled: float) -> None:
        self.automatic += 1
        self.labelled += past.truth is not None
        self.contradicted += past.truth is not None and past.truth != past.answer
        if not past.is_evidence:
            self.mute += 1
            return
        if past.probability < least or least == 0:
            self.unreadable += 1
            return
        if past.coin < least:
            self.drawn += 1
            self.right += past.is_wrong is False
            self.wrong += past.is_wrong is True
            self.doubted += past.in_doubt
        if past.coin < pooled:
            self.pooled_drawn += 1
            self.pooled_right += past.is_wrong is False
            self.pooled_wrong += past.is_wrong is True
            self.pooled_doubted += past.in_doubt
        weight = repr(past.probability)
        if past.is_wrong is not None:
            self.weighed.setdefault(weight, [0, 0])[past.is_wrong] += 1
        if past.in_doubt:
            self.weighed_doubted[weight] = self.weighed_doubted.get(weight, 0) + 1


@dataclass(slots=True)
class ClassCount:
    cases: int = 0
    to_automatic: int = 0
    to_automatic_unlabelled: int = 0
    to_people: int = 0
    before: Side = field(default_factory=Side)
    after: Side = field(default_factory=Side)


@dataclass(slots=True)
class Counts:
    """least: class → the least π above 0 that a case of the class had in the period; fixed before any is counted."""

    least: dict[str, float]
    unscored: int = 0
    audits_before: int = 0
    classes: dict[str, ClassCount] = field(default_factory=dict)

    @property
    def pooled_least(self) -> float:
        return min(self.least.values(), default=0.0)

    def add(self, past: Past) -> None:
        found = self.classes.setdefault(past.answer, ClassCount())
        found.cases += 1
        least, pooled = self.least.get(past.answer, 0.0), self.pooled_least
        if past.was_automatic:
            self.audits_before += past.coin < past.probability
            found.before.add(past, least, pooled)
        if past.is_automatic:
            found.after.add(past, least, pooled)
        if past.is_automatic and not past.was_automatic:
            found.to_automatic += 1
            found.to_automatic_unlabelled += past.truth is None
        elif past.was_automatic and not past.is_automatic:
            found.to_people += 1

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Counts":
        classes = {
            name: ClassCount(**{**one, "before": Side(**one["before"]), "after": Side(**one["after"])})
            for name, one in content["classes"].items()
        }
        return cls(**{**content, "classes": classes})


@dataclass(frozen=True, slots=True)
class Estimate:
    """The error rate of a set of automatic decisions, with its 95 % interval.

    method: `sample` is exact on the plain random sample; `weighted` takes every honest reading by its probability, with
    an upper bound only; `none`: nothing was read. estimated: the decisions it speaks of; at_most_wrong: how many of
    these can be wrong, with 97.5 % confidence. in_doubt: of the answers, contradicted ones that the next reader has not
    confirmed yet. Agreements are settled at once, so without these the rest would be too good a sample: the upper ends
    take them for wrong, rate and lower end for right.
    """

    method: str
    estimated: int
    answers: int
    wrong: int
    rate: float | None
    low: float
    high: float
    at_most_wrong: int | None
    in_doubt: int = 0


def estimate(sides: Sequence[Side], *, least: float, is_pooled: bool) -> Estimate:
    """What the honest readings say of these automatic decisions; `is_pooled` for several classes together."""
    right = sum(side.pooled_right if is_pooled else side.right for side in sides)
    wrong = sum(side.pooled_wrong if is_pooled else side.wrong for side in sides)
    number = sum(side.automatic - side.unreadable - side.mute for side in sides)
    doubted = sum(side.pooled_doubted if is_pooled else side.doubted for side in sides)
    answers = right + wrong + doubted
    tallies = _tallies(sides, least)
    read = sum(tally.right + tally.wrong for tally in tallies)
    # Chosen by how many answers there are, never by what they say.
    if answers and (answers >= FEW or answers == read):
        return Estimate(
            "sample",
            number,
            answers,
            wrong,
            wrong / answers,
            lower_bound(wrong=wrong, audits=answers, confidence=_ONE_SIDED),
            upper_bound(wrong=wrong + doubted, audits=answers, confidence=_ONE_SIDED),
            finite_upper_bound(wrong=wrong + doubted, audits=answers, population=number, confidence=_ONE_SIDED),
            doubted,
        )
    if not read:
        return Estimate("none", number, 0, 0, None, 0.0, 1.0, None)
    in_doubt = sum(sum(side.weighed_doubted.values()) for side in sides)
    weight = sum(tally.weight * (tally.right + tally.wrong) for tally in tallies)
    confirmed = [(least / float(pi), wrong) for side in sides for pi, (_, wrong) in side.weighed.items()]
    rate = sum(each * wrong for each, wrong in confirmed) / weight
    high = e_upper_bound(tallies, confidence=_ONE_SIDED)
    all_wrong = sum(wrong for _, wrong in confirmed)
    return Estimate("weighted", number, read, all_wrong, rate, 0.0, max(high, rate), None, in_doubt)


def _tallies(sides: Sequence[Side], least: float) -> list[Tally]:
    """The honest readings by weight; what is in doubt counts as wrong."""
    found: dict[float, list[int]] = {}
    for side in sides:
        for probability, (right, wrong) in side.weighed.items():
            counts = found.setdefault(least / float(probability), [0, 0])
            counts[0] += right
            counts[1] += wrong
        for probability, doubted in side.weighed_doubted.items():
            found.setdefault(least / float(probability), [0, 0])[1] += doubted
    return [Tally(weight, *counts) for weight, counts in sorted(found.items())]
