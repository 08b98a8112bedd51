"""Which threshold to certify: a ladder fixed before any label is seen, walked from its strict end.

Testing many thresholds on the same labels would certify some of them by luck. The fallback procedure (Wiens 2003) gives
each start rung a share of the allowed error; a rung that passes hands what it was tested at on to the next, a rung that
fails loses it. Whatever the dependence between rungs, a threshold that breaks the promise is certified with a
probability of at most δ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, exp

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reviewapp.domain.errors import Invalid
from reviewapp.domain.evidence import Tally, log_e_value
from reviewapp.domain.exact import audits_needed, check_confidence, check_target, p_value

# A start rung should have more than the labels that could just prove the promise: chance takes some away.
_MARGIN = 1.3


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk over a ladder: the loosest certified rung (None: no rung), and what each rung was tested at.

    All but `index` have one entry per rung, strict → loose; a budget of 0 means that the rung was not tested.
    """

    index: int | None
    passed: tuple[bool, ...]
    budgets: tuple[float, ...]
    p_values: tuple[float, ...]


def make_ladder(scores: Sequence[float], *, num_rungs: int = 32) -> tuple[float, ...]:
    """Thresholds from the served confidences (n,) of one predicted class, strict → loose, without their labels.

    Each rung adds about the same share of the cases, the last takes all of them. Ties make fewer rungs.
    """
    if num_rungs < 1:
        raise Invalid("A ladder needs at least 1 rung.", code="num_rungs_out_of_range")
    ordered = np.sort(np.asarray(scores, dtype=np.float64))[::-1]
    if not ordered.size:
        raise Invalid("A ladder needs the confidence of at least 1 case of the class; there is none.", code="no_scores")
    if not np.isfinite(ordered).all():
        raise Invalid("A ladder needs confidences that are numbers.", code="scores_not_finite")
    places = [ceil(rung * ordered.size / num_rungs) - 1 for rung in range(1, num_rungs + 1)]
    return tuple(dict.fromkeys(float(ordered[max(0, place)]) for place in places))


def check_ladder(ladder: Sequence[float]) -> None:
    """Raises Invalid unless the rungs are distinct and sorted strict → loose."""
    if not ladder:
        raise Invalid("The ladder has no rung: give at least 1 threshold.", code="ladder_empty")
    for stricter, looser in pairwise(ladder):
        if stricter == looser:
            raise Invalid(f"The ladder holds {looser:g} twice: its rungs must be distinct.", code="ladder_tied")
        if not stricter > looser:
            raise Invalid(
                f"The ladder must fall: {looser:g} follows {stricter:g}.",
                code="ladder_unsorted",
            )


def start_rungs(
    ladder: Sequence[float],
    expected_labels: Sequence[float],
    *,
    target_error: float,
    confidence: float,
    starts: int = 4,
) -> tuple[int, ...]:
    """The rungs at which a walk may begin: at most `starts`, log-spaced in the labels expected at or above them.

    The first is the first rung at which labels without an error could pass at its share of δ, with a margin; where no
    rung expects that many, the loosest alone, which gathers the most.
    """
    check_ladder(ladder)
    check_target(target_error)
    check_confidence(confidence)
    if starts < 1:
        raise Invalid("A walk needs at least 1 start rung.", code="starts_out_of_range")
    if len(expected_labels) != len(ladder):
        message = f"{len(ladder)} rungs need as many expected counts; there are {len(expected_labels)}."
        raise Invalid(message, code="expected_labels_mismatch")
    expected = np.maximum.accumulate(np.asarray(expected_labels, dtype=np.float64))
    least = _MARGIN * audits_needed(target_error=target_error, confidence=1 - (1 - confidence) / starts)
    if expected[-1] < least:
        return (len(ladder) - 1,)
    # The loosest rung is left out: a start there pays only where the whole class keeps the promise.
    wanted = np.geomspace(least, expected[-1], starts + 1)[:-1]
    rungs = np.searchsorted(expected, wanted * (1 - 1e-9))
    return tuple(dict.fromkeys(int(rung) for rung in rungs))


def walk(p_values: Sequence[float], *, starts: Sequence[int], delta: float) -> Walk:
    """The fallback procedure over the rungs' p-values, strict → loose, with δ shared equally by the start rungs."""
    index, passed, budgets = walk_many(np.asarray(p_values, dtype=np.float64)[None, :], starts=starts, delta=delta)
    return Walk(
        index=int(index[0]) if index[0] >= 0 else None,
        passed=tuple(bool(value) for value in passed[0]),
        budgets=tuple(float(value) for value in budgets[0]),
        p_values=tuple(float(value) for value in p_values),
    )


def walk_many(
    p_values: ArrayLike, *, starts: Sequence[int], delta: float
) -> tuple[NDArray[np.int_], NDArray[np.bool_], NDArray[np.float64]]:
    """`walk` of many ladders at once: p-values (n, R) → index (n,), −1 for none, passed (n, R), budgets (n, R)."""
    if not 0 < delta < 1:
        raise Invalid(f"δ must lie between 0 and 1, both excluded; it is {delta:g}.", code="delta_out_of_range")
    values = np.asarray(p_values, dtype=np.float64)
    count, rungs = values.shape
    if not starts or min(starts) < 0 or max(starts) >= rungs or len(set(starts)) < len(starts):
        message = f"Start rungs must be distinct and lie between 0 and {rungs - 1}; they are {tuple(starts)}."
        raise Invalid(message, code="starts_out_of_range")
    index = np.full(count, -1)
    passed, budgets = np.zeros((count, rungs), dtype=np.bool_), np.zeros((count, rungs))
    budget = np.zeros(count)
    for rung in range(rungs):
        if rung in starts:
            budget = budget + delta / len(starts)
        budgets[:, rung] = budget
        passed[:, rung] = (budget > 0) & (values[:, rung] <= budget)
        index[passed[:, rung]] = rung
        budget = np.where(passed[:, rung], budget, 0.0)
    return index, passed, budgets


def exam(
    ladder: Sequence[float],
    starts: Sequence[int],
    counts: Sequence[tuple[int, int]],
    *,
    target_error: float,
    delta: float,
) -> Walk:
    """A planned look: `counts` holds (wrong, audits) at or above each rung, of a simple random sample of traffic."""
    _check_lengths(ladder, counts)
    p_values = [p_value(wrong=wrong, audits=audits, target_error=target_error) for wrong, audits in counts]
    return walk(p_values, starts=starts, delta=delta)


def live(
    ladder: Sequence[float],
    starts: Sequence[int],
    tallies_per_rung: Sequence[Sequence[Tally]],
    *,
    target_error: float,
    delta: float,
    best_log_e: Sequence[float] | None = None,
) -> Walk:
    """A look at any time, with the tallies at or above each rung; p = 1/e.

    `best_log_e` holds the greatest log e-value of each rung at earlier looks: evidence that was once reached counts.
    """
    _check_lengths(ladder, tallies_per_rung)
    logs = [log_e_value(tallies, target_error=target_error) for tallies in tallies_per_rung]
    if best_log_e is not None:
        _check_lengths(ladder, best_log_e)
        logs = [max(now, before) for now, before in zip(logs, best_log_e, strict=True)]
    return walk([min(1.0, exp(-max(log, 0.0))) for log in logs], starts=starts, delta=delta)


def _check_lengths(ladder: Sequence[float], given: Sequence[object]) -> None:
    check_ladder(ladder)
    if len(given) != len(ladder):
        raise Invalid(f"{len(ladder)} rungs need as many counts; there are {len(given)}.", code="counts_mismatch")
