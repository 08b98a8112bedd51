"""Whether a confidence says how often the model is right, and the curve that makes it say so.

Outcomes are 1 where the model was right. Weights are 1/π where labelled cases were not drawn alike; None: all alike.
scipy.optimize is imported where it is used: it would slow the start of every web process.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from reviewapp.domain.errors import Invalid
from reviewapp.domain.exact import check_confidence

# Confidences of exactly 0 or 1 come out of rounding to 32 bits; their logarithms must stay finite.
_NEAREST = 1e-7
# How strongly few labels are drawn to the curve that changes nothing, in labels' worth of evidence.
_PRIOR = 0.1


@dataclass(frozen=True, slots=True)
class Corp:
    """The reliability curve and the score it decomposes (Dimitriadis, Gneiting and Jordan 2021).

    x, y: corners of the pool-adjacent-violators curve, confidence against the share that is right. brier = mcb − dsc +
    unc: miscalibration, discrimination, uncertainty.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    mcb: float
    dsc: float
    unc: float
    brier: float


@dataclass(frozen=True, slots=True)
class Band:
    """Between low and high lies the curve at `x` with the asked probability if the confidences are calibrated.

    `mcbs` are the miscalibrations of the draws, in ascending order.
    """

    x: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mcbs: NDArray[np.float64]

    def p_value(self, mcb: float) -> float:
        """How often calibrated confidences look at least this miscalibrated (Monte Carlo, never 0)."""
        return float((1 + (self.mcbs >= mcb).sum()) / (1 + self.mcbs.size))


@dataclass(frozen=True, slots=True)
class Beta:
    """The curve logit p = a·ln s − b·ln(1−s) + c (Kull, Silva Filho and Flach 2017); a, b ≥ 0, so it never re-ranks."""

    a: float
    b: float
    c: float


UNCHANGED = Beta(1.0, 1.0, 0.0)


def corp(confidences: ArrayLike, outcomes: ArrayLike, weights: ArrayLike | None = None) -> Corp:
    """The reliability curve of confidences (n,) with outcomes (n,) of 0 or 1."""
    scores, hits, shares = _labelled(confidences, outcomes, weights)
    curve = _Pooled(scores, shares)
    return curve.corp(hits)


def consistency_band(
    confidences: ArrayLike, *, weights: ArrayLike | None = None, draws: int, level: float, rng: Generator
) -> Band:
    """The band that holds the curve of calibrated confidences, by drawing their outcomes anew."""
    check_confidence(level)
    if draws < 1:
        raise Invalid("A band needs at least 1 draw.", code="draws_out_of_range")
    scores, _, shares = _labelled(confidences, np.zeros(np.size(confidences)), weights)
    curve = _Pooled(scores, shares)
    heights, mcbs = np.empty((draws, curve.x.size)), np.empty(draws)
    for draw in range(draws):
        hits = (rng.random(scores.size) < scores).astype(np.float64)
        heights[draw] = curve.fit(hits)
        mcbs[draw] = curve.corp(hits, heights[draw]).mcb
    low, high = np.quantile(heights, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Band(curve.x, low, high, np.sort(mcbs))


def beta_fit(confidences: ArrayLike, outcomes: ArrayLike, weights: ArrayLike | None = None) -> Beta:
    """The beta curve of greatest weighted likelihood, drawn a little to the one that changes nothing."""
    from scipy.optimize import minimize

    scores, hits, shares = _labelled(confidences, outcomes, weights)
    terms = _terms(scores)
    # As many as the labels are worth: unequal weights carry less evidence than their number (Kish 1965).
    shares = shares * (shares.sum() / (shares**2).sum())
    centre = np.array([1.0, 1.0, 0.0])

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = terms @ point
        surplus = shares * (expit(logits) - hits)
        value = (shares * (np.logaddexp(0, logits) - hits * logits)).sum() + _PRIOR / 2 * ((point - centre) ** 2).sum()
        return float(value), terms.T @ surplus + _PRIOR * (point - centre)

    found = minimize(loss, centre, jac=True, method="L-BFGS-B", bounds=[(0, None), (0, None), (None, None)])
    return Beta(*(float(value) for value in found.x))


def beta_apply(beta: Beta, confidences: ArrayLike) -> NDArray[np.float64]:
    """The calibrated confidences, in the shape of the given ones."""
    scores = np.asarray(confidences, dtype=np.float64)
    return np.asarray(expit(_terms(scores.ravel()) @ (beta.a, beta.b, beta.c)).reshape(scores.shape))


def _terms(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(scores, _NEAREST, 1 - _NEAREST)
    return np.column_stack([np.log(clipped), -np.log1p(-clipped), np.ones_like(clipped)])


class _Pooled:
    """Confidences with equal ones pooled, ready for curves of several outcomes."""

    def __init__(self, scores: NDArray[np.float64], shares: NDArray[np.float64]) -> None:
        self.x, self._of = np.unique(scores, return_inverse=True)
        self._scores, self._shares = scores, shares
        self._weight = np.bincount(self._of, shares)

    def fit(self, hits: NDArray[np.float64]) -> NDArray[np.float64]:
        """The curve's height at every distinct confidence."""
        from scipy.optimize import isotonic_regression

        means = np.bincount(self._of, self._shares * hits) / self._weight
        return np.asarray(isotonic_regression(means, weights=self._weight).x, dtype=np.float64)

    def corp(self, hits: NDArray[np.float64], heights: NDArray[np.float64] | None = None) -> Corp:
        """The curve's corners and the score's parts."""
        heights = self.fit(hits) if heights is None else heights
        total = self._shares.sum()
        rate = float((self._shares * hits).sum() / total)
        brier = float((self._shares * (self._scores - hits) ** 2).sum() / total)
        fitted = float((self._shares * (heights[self._of] - hits) ** 2).sum() / total)
        unc = rate * (1 - rate)
        # A step's first and last confidence draw it.
        rises = np.diff(heights) != 0
        corner = np.concatenate([[True], rises]) | np.concatenate([rises, [True]])
        return Corp(self.x[corner], heights[corner], mcb=brier - fitted, dsc=unc - fitted, unc=unc, brier=brier)


def _labelled(
    confidences: ArrayLike, outcomes: ArrayLike, weights: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    scores, hits = np.asarray(confidences, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
    shares = np.ones_like(scores) if weights is None else np.asarray(weights, dtype=np.float64)
    if not scores.size:
        raise Invalid("Calibration needs at least 1 labelled case; there is none.", code="no_labels")
    if not scores.shape == hits.shape == shares.shape or scores.ndim != 1:
        raise Invalid("Every confidence needs one outcome and one weight.", code="lengths_differ")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise Invalid("A confidence must lie between 0 and 1.", code="confidence_out_of_range")
    if not np.isin(hits, (0, 1)).all():
        raise Invalid("An outcome must be 0 (wrong) or 1 (right).", code="outcome_out_of_range")
    if not (np.isfinite(shares) & (shares > 0)).all():
        raise Invalid("A weight must be above 0.", code="weight_out_of_range")
    return scores, hits, shares
