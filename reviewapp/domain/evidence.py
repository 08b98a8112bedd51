"""Evidence that may be looked at any time: betting on audits, weighted by the inverse of their probability.

A case that is wrong with E = 1 and right with E = 0, that had the probability π of being read blind, changes the wealth
of a bet against "the error rate is α or more" by the factor 1 − (1−ρ)·v·(E−α)/(1−α), where v is the least π that a case
of its rung could have had at that time over its own π. While that statement is true the wealth has an expectation of at
most 1 whenever one looks, so it reaches 1/δ with a probability of at most δ (Ville 1939; Waudby-Smith and Ramdas 2024;
Xu, Karampatziakis and Mineiro 2024). Several stakes ρ share the wealth, so none has to be chosen beforehand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reviewapp.domain.errors import Invalid
from reviewapp.domain.exact import check_confidence, check_counts, check_target

STAKES_BELOW = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7)
STAKES_ABOVE = (1.5, 2.0, 3.0, 5.0, 10.0)

# Stands for the logarithm of 0: with a count of 0 the product is 0, with any other the stake is lost.
_LOST = -1e18
# Odds of the error rate between which a bound is sought; e⁻⁵⁰ and e⁵⁰ are 0 and 1 for every purpose.
_EDGE = 50.0


@dataclass(frozen=True, slots=True)
class Tally:
    """Blind answers of one weight: how many found the model right and how many wrong.

    `weight` is the least π that a case of the rung could have had at that time over the cases' own π, in (0, 1].
    """

    weight: float
    right: int
    wrong: int

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            message = f"A weight must lie above 0 and not above 1; it is {self.weight:g}."
            raise Invalid(message, code="weight_out_of_range")
        if self.right < 0:
            raise Invalid("A count of right answers cannot be negative.", code="right_out_of_range")
        check_counts(self.wrong, self.right + self.wrong)


def log_e_value(tallies: Sequence[Tally], *, target_error: float) -> float:
    """The logarithm of the evidence that the error rate is below `target_error`; log(1/δ) proves it at any look."""
    return float(log_e_values(*_arrays(tallies), target_error=target_error)[0])


def log_e_values(weights: ArrayLike, right: ArrayLike, wrong: ArrayLike, *, target_error: float) -> NDArray[np.float64]:
    """`log_e_value` of many rungs at once: weights (W,), counts (R, W) each → (R,)."""
    check_target(target_error)
    return _log_wealth(weights, right, wrong, stakes=np.asarray(STAKES_BELOW), odds=target_error / (1 - target_error))


def log_e_above(tallies: Sequence[Tally], *, target_error: float) -> float:
    """The logarithm of the evidence that the error rate is above `target_error`; log(1/δ) proves it at any look."""
    check_target(target_error)
    stakes = stakes_above(target_error)
    return float(_log_wealth(*_arrays(tallies), stakes=stakes, odds=target_error / (1 - target_error))[0])


def e_upper_bound(tallies: Sequence[Tally], *, confidence: float) -> float:
    """The least error rate that the evidence refutes: it is not exceeded with this confidence, at any look."""
    return float(e_upper_bounds(*_arrays(tallies), confidence=confidence)[0])


def e_upper_bounds(weights: ArrayLike, right: ArrayLike, wrong: ArrayLike, *, confidence: float) -> NDArray[np.float64]:
    """`e_upper_bound` of many rungs at once: weights (W,), counts (R, W) each → (R,)."""
    check_confidence(confidence)
    counts_right, counts_wrong = np.atleast_2d(np.asarray(right)), np.atleast_2d(np.asarray(wrong))
    need, share = -log(1 - confidence), np.asarray(weights, dtype=np.float64)
    stake = 1 - np.asarray(STAKES_BELOW)[:, None]
    with np.errstate(divide="ignore"):
        lost = counts_wrong @ np.maximum(np.log1p(-stake * share), _LOST).T

    def is_refuted(log_odds: NDArray[np.float64]) -> NDArray[np.bool_]:
        won = np.log1p(stake * share * np.exp(log_odds)[:, None, None])
        wealth = np.einsum("rsw,rw->rs", won, counts_right) + lost
        return np.asarray(_log_mean_exp(wealth) >= need)

    low, high = np.full(len(counts_right), -_EDGE), np.full(len(counts_right), _EDGE)
    is_known = counts_right.sum(axis=1).astype(bool) & is_refuted(high)
    # The wealth grows with the rate it bets against. Sixty halvings leave less than a float can tell apart.
    for _ in range(60):
        middle = (low + high) / 2
        enough = is_refuted(middle)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.asarray(np.where(is_known, 1 / (1 + np.exp(-high)), 1.0))


def more_clean_audits_live(tallies: Sequence[Tally], *, target_error: float, confidence: float) -> int:
    """How many more audits without an error, of weight 1, bring the evidence to 1/δ; 0 where it is there already."""
    check_target(target_error)
    check_confidence(confidence)
    weights, right, wrong = _arrays(tallies)
    need, odds = -log(1 - confidence), target_error / (1 - target_error)
    stakes = np.asarray(STAKES_BELOW)
    held = _log_wealths(weights, right, wrong, stakes=stakes, odds=odds)[0]
    gain = np.log1p((1 - stakes) * odds)

    def is_enough(more: int) -> bool:
        return bool(_log_mean_exp(held + more * gain) >= need)

    high = 1
    while not is_enough(high):
        high *= 2
    low = 0
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
    return low


def stakes_above(target_error: float) -> NDArray[np.float64]:
    """The stakes of a bet that the error rate is above `target_error`, kept where a right answer cannot lose it all."""
    return np.minimum(STAKES_ABOVE, 1 + 0.9 * (1 / target_error - 1))


def _log_wealth(
    weights: ArrayLike, right: ArrayLike, wrong: ArrayLike, *, stakes: NDArray[np.float64], odds: float
) -> NDArray[np.float64]:
    wealths = _log_wealths(weights, right, wrong, stakes=stakes, odds=odds)
    return _log_mean_exp(wealths)


def _log_wealths(
    weights: ArrayLike, right: ArrayLike, wrong: ArrayLike, *, stakes: NDArray[np.float64], odds: float
) -> NDArray[np.float64]:
    """The log wealth of every stake: (R, stakes). `odds` is α/(1−α)."""
    stake = 1 - stakes[:, None]
    share = np.asarray(weights, dtype=np.float64)[None, :]
    with np.errstate(divide="ignore"):
        if_wrong = np.maximum(np.log1p(-stake * share), _LOST)
    if_right = np.log1p(stake * share * odds)
    counts_right = np.atleast_2d(np.asarray(right, dtype=np.float64))
    counts_wrong = np.atleast_2d(np.asarray(wrong, dtype=np.float64))
    return np.asarray(counts_right @ if_right.T + counts_wrong @ if_wrong.T, dtype=np.float64)


def _log_mean_exp(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the last axis; scipy's logsumexp costs ten times as much for seven stakes."""
    most = values.max(axis=-1)
    return np.asarray(most + np.log(np.exp(values - most[..., None]).mean(axis=-1)), dtype=np.float64)


def _arrays(tallies: Sequence[Tally]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    rows = np.array([(tally.weight, tally.right, tally.wrong) for tally in tallies], dtype=np.float64).reshape(-1, 3)
    return rows[:, 0], rows[None, :, 1], rows[None, :, 2]
