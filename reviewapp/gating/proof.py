"""From counts of honest labels to what a certificate may say. Pure: rows in, a look out; no database, no clock.

An epoch is one attempt to earn a promise: its ladder, start rungs and share of the allowed error are fixed before any
of its labels is read. Looks may then be taken at any time; the evidence is valid at every one of them.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp, log
from typing import Any

import numpy as np

from reviewapp.domain.evidence import (
    Tally,
    e_upper_bounds,
    log_e_above,
    log_e_value,
    log_e_values,
    more_clean_audits_live,
)
from reviewapp.domain.exact import audits_needed, upper_bound
from reviewapp.domain.thresholds import Walk, exam, make_ladder, start_rungs, walk

# A ladder from fewer confidences would put its strict rungs by luck: it would be as sound, and often a worse one.
MIN_SCORES = 200
NUM_RUNGS = 32
NUM_STARTS = 4
# What a first day brings is no forecast: the first start rung takes at least 1/32 of the class and at most an eighth.
_NARROWEST, _WIDEST = 32, 8


class State(StrEnum):
    CERTIFIED = "certified"
    UNPROVEN = "unproven"
    VIOLATED = "violated"


class Outcome(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Terms:
    """What an epoch is judged by.

    delta: the chance that a certificate of this class may be wrong; live_delta: the part of it that live looks spend,
    all of it unless a first exam has the rest. ladder: thresholds, strict → loose; starts: the rungs where a walk may
    begin; shares: of the class's cases, how many reach each rung.
    """

    target_error: float
    delta: float
    live_delta: float
    ladder: tuple[float, ...]
    starts: tuple[int, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """Honest labels of one rung (the strictest that takes them in), weight and outcome."""

    rung: int
    weight: float
    outcome: Outcome
    number: int


@dataclass(frozen=True, slots=True)
class Rung:
    """One threshold of a look: its audits, the error rate they do not rule out, its evidence and whether it passed."""

    threshold: float
    audits: int
    wrong: int
    bound: float
    log_e: float
    budget: float
    passed: bool
    share: float


@dataclass(frozen=True, slots=True)
class Look:
    """What the evidence says of one class.

    at: the rung that `audits`, `wrong` and `bound` are told of: the certified one, else the one that is to be earned
    soonest, or at which the promise is shown to fail. more_needed: clean audits still missing there.
    """

    state: State
    threshold: float | None
    at: float
    audits: int
    wrong: int
    bound: float
    more_needed: int
    rungs: tuple[Rung, ...]


def plan(
    scores: Sequence[float], *, expected_labels: float, target_error: float, delta: float, live_share: float = 1.0
) -> Terms:
    """The terms of an epoch from served confidences of one class, never from labels.

    expected_labels: honest labels of the class while the epoch lasts; live_share: of δ, what live looks may spend.
    Raises Invalid for an empty list or a promise out of range.
    """
    ladder = make_ladder(scores, num_rungs=NUM_RUNGS)
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    shares = tuple(float(share) for share in (ordered.size - np.searchsorted(ordered, ladder)) / ordered.size)
    live_delta = delta * live_share
    least = _MARGIN * audits_needed(target_error=target_error, confidence=1 - live_delta / NUM_STARTS)
    labels = min(max(expected_labels, _WIDEST * least), _NARROWEST * least)
    starts = start_rungs(
        ladder,
        [labels * share for share in shares],
        target_error=target_error,
        confidence=1 - live_delta,
        starts=NUM_STARTS,
    )
    return Terms(target_error, delta, live_delta, ladder, starts, shares)


_MARGIN = 1.3


def rung_of(ladder: Sequence[float], confidence: float) -> int | None:
    """The strictest rung that a confidence reaches; None below all."""
    place = bisect_left(ladder, -confidence, key=lambda threshold: -threshold)
    return place if place < len(ladder) else None


def look(terms: Terms, counts: Iterable[Count], *, held: float | None = None, examined: float | None = None) -> Look:
    """Judge an epoch by its counts.

    held: the threshold that the epoch has certified before: a later look never falls back to a stricter one.
    examined: the threshold that its first exam certified.
    """
    tallies = _cumulated(terms, counts)
    logs = _logs(terms, tallies)
    walked = walk([min(1.0, exp(-max(log_e, 0.0))) for log_e in logs], starts=terms.starts, delta=terms.live_delta)
    found = [threshold for threshold in (held, examined, _at(terms, walked)) if threshold is not None]
    threshold = min(found) if found else None
    told = _told(terms, threshold)
    if log_e_above(_without_overdue(tallies[told]), target_error=terms.target_error) >= log(1 / terms.delta):
        state, threshold, more = State.VIOLATED, None, _more(terms, tallies, told)
    elif threshold is not None:
        state, more = State.CERTIFIED, 0
    else:
        state, (more, told) = State.UNPROVEN, _soonest(terms, tallies)
    rungs = _rungs(terms, tallies, logs, walked)
    one = rungs[told]
    return Look(state, threshold, one.threshold, one.audits, one.wrong, one.bound, more, rungs)


def examine(
    terms: Terms, rows: Sequence[tuple[float, bool]], *, starts: Sequence[int] = ()
) -> tuple[Walk, tuple[tuple[int, int], ...]]:
    """The one planned look at a labelled history: (confidence, is wrong) of a class → the walk, (wrong, audits) a rung.

    It spends what live looks leave of δ. Exact, so it needs a simple random sample, or everything, of the traffic.
    """
    wrong, audits = np.zeros(len(terms.ladder), dtype=np.int64), np.zeros(len(terms.ladder), dtype=np.int64)
    for confidence, is_wrong in rows:
        rung = rung_of(terms.ladder, confidence)
        if rung is not None:
            audits[rung] += 1
            wrong[rung] += is_wrong
    pairs = zip(np.cumsum(wrong).tolist(), np.cumsum(audits).tolist(), strict=True)
    counts = tuple((int(one), int(all_)) for one, all_ in pairs)
    return exam_walk(terms, counts, starts=starts), counts


def exam_walk(terms: Terms, counts: Sequence[tuple[int, int]], *, starts: Sequence[int] = ()) -> Walk:
    """The walk of an exam by its counts: (wrong, audits) at or above each rung; `starts` of an exam taken before."""
    delta = terms.delta - terms.live_delta
    starts = starts or exam_starts(terms, counts)
    return exam(terms.ladder, starts, counts, target_error=terms.target_error, delta=delta)


def exam_starts(terms: Terms, counts: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """The rungs at which the walk of an exam may begin, by how many audits there are and not by what they found."""
    return start_rungs(
        terms.ladder,
        [audits for _, audits in counts],
        target_error=terms.target_error,
        confidence=1 - (terms.delta - terms.live_delta),
        starts=NUM_STARTS,
    )


def scores_needed(*, target_error: float, exam_delta: float | None) -> int:
    """Confidences of a class that its ladder is drawn up from.

    With an exam the rows that could pass it without one error are enough: every later look would find no more of them.
    """
    if exam_delta is None:
        return MIN_SCORES
    return min(MIN_SCORES, audits_needed(target_error=target_error, confidence=1 - exam_delta))


def exam_bound(wrong: int, audits: int, *, delta: float) -> float:
    return upper_bound(wrong=wrong, audits=audits, confidence=1 - delta)


def is_proven(tallies: Sequence[Tally], *, target_error: float, delta: float) -> bool:
    """Whether labels above one threshold, fixed beforehand, prove the promise at any look."""
    return log_e_value(tallies, target_error=target_error) >= log(1 / delta)


def counted(ladder: Sequence[float], labels: Iterable[Mapping[str, Any]]) -> list[Count]:
    """The counts of ledger entries: confidence, least_probability, inclusion_probability, is_wrong, is_overdue."""
    found: dict[tuple[int, float, Outcome], int] = {}
    for label in labels:
        rung = rung_of(ladder, label["confidence"])
        if rung is not None:
            key = (rung, label["least_probability"] / label["inclusion_probability"], outcome_of(label))
            found[key] = found.get(key, 0) + 1
    return [Count(rung, weight, outcome, number) for (rung, weight, outcome), number in sorted(found.items())]


def outcome_of(label: Mapping[str, Any]) -> Outcome:
    if label["is_overdue"]:
        return Outcome.OVERDUE
    return Outcome.WRONG if label["is_wrong"] else Outcome.RIGHT


@dataclass(frozen=True, slots=True)
class _Held:
    """Tallies at or above one rung, and how many of their wrong ones are only overdue."""

    tallies: tuple[Tally, ...]
    overdue: tuple[int, ...]

    @property
    def audits(self) -> int:
        return sum(tally.right + tally.wrong for tally in self.tallies)

    @property
    def wrong(self) -> int:
        return sum(tally.wrong for tally in self.tallies)


def _cumulated(terms: Terms, counts: Iterable[Count]) -> list[_Held]:
    counts = list(counts)
    weights = sorted({count.weight for count in counts})
    place = {weight: number for number, weight in enumerate(weights)}
    numbers = np.zeros((len(terms.ladder), len(weights), 3), dtype=np.int64)
    kinds = list(Outcome)
    for count in counts:
        numbers[count.rung, place[count.weight], kinds.index(count.outcome)] += count.number
    return [
        _Held(
            tuple(
                Tally(weight, int(right), int(wrong + overdue))
                for weight, (right, wrong, overdue) in zip(weights, row, strict=True)
            ),
            tuple(int(overdue) for _, _, overdue in row),
        )
        for row in np.cumsum(numbers, axis=0)
    ]


def _logs(terms: Terms, held: Sequence[_Held]) -> list[float]:
    return [float(value) for value in log_e_values(*_arrays(held), target_error=terms.target_error)]


def _at(terms: Terms, walked: Walk) -> float | None:
    return None if walked.index is None else terms.ladder[walked.index]


def _rungs(terms: Terms, held: Sequence[_Held], logs: Sequence[float], walked: Walk) -> tuple[Rung, ...]:
    bounds = e_upper_bounds(*_arrays(held), confidence=1 - terms.delta)
    told = zip(terms.ladder, held, bounds, logs, walked.budgets, walked.passed, terms.shares, strict=True)
    return tuple(
        Rung(
            threshold,
            one.audits,
            one.wrong,
            float(bound),
            log_e,
            budget,
            passed,
            share,
        )
        for threshold, one, bound, log_e, budget, passed, share in told
    )


def _told(terms: Terms, threshold: float | None) -> int:
    """The rung that a violation is judged at: the one in use, else the strictest at which a walk may begin."""
    if threshold is None:
        return terms.starts[0]
    rung = rung_of(terms.ladder, threshold)
    # A threshold carried over from another epoch may lie below this ladder.
    return len(terms.ladder) - 1 if rung is None else rung


def _without_overdue(held: _Held) -> list[Tally]:
    """An answer that nobody gave proves nothing against a class; it only fails to speak for it."""
    return [
        Tally(tally.weight, tally.right, tally.wrong - overdue)
        for tally, overdue in zip(held.tallies, held.overdue, strict=True)
    ]


def _soonest(terms: Terms, held: Sequence[_Held]) -> tuple[int, int]:
    """The clean audits still missing at the start rung that gets them soonest, and that rung."""
    needs = {rung: _more(terms, held, rung) for rung in terms.starts}
    soonest = min(terms.starts, key=lambda rung: (needs[rung] / terms.shares[rung], rung))
    return needs[soonest], soonest


def _more(terms: Terms, held: Sequence[_Held], rung: int) -> int:
    confidence = 1 - terms.live_delta / len(terms.starts)
    return more_clean_audits_live(held[rung].tallies, target_error=terms.target_error, confidence=confidence)


def _arrays(held: Sequence[_Held]) -> tuple[list[float], list[list[int]], list[list[int]]]:
    return (
        [tally.weight for tally in held[0].tallies],
        [[tally.right for tally in one.tallies] for one in held],
        [[tally.wrong for tally in one.tallies] for one in held],
    )
