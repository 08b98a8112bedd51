"""How far two samples of the same quantity lie apart."""

from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

BINS = 10


def stability_index(expected: ArrayLike, actual: ArrayLike, *, bins: int = BINS) -> float:
    """The population stability index of `actual` (n,) against `expected` (m,) over the quantiles of the former.

    Below 0.1 is usual, above 0.2 a shift; 0 where either is empty. Half a count is added to every bin, so that an
    empty one stays finite.
    """
    old, new = np.asarray(expected, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    if not old.size or not new.size:
        return 0.0
    # Ties, such as many confidences of exactly 1, make fewer bins.
    edges = np.unique(np.quantile(old, np.linspace(0, 1, bins + 1)[1:-1]))
    shares = []
    for sample in (old, new):
        counts = np.bincount(np.searchsorted(edges, sample, side="right"), minlength=len(edges) + 1) + 0.5
        shares.append(counts / counts.sum())
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def chance_index(expected: int, actual: int, *, level: float, bins: int = BINS) -> float:
    """The index that samples of these sizes from one distribution stay below with probability `level`.

    It is (1/m + 1/n)·χ² with bins − 1 degrees of freedom (Yurdakul 2018); the quantile by Wilson and Hilferty (1931).
    """
    degrees = bins - 1
    spread = 2 / (9 * degrees)
    quantile = degrees * (1 - spread + NormalDist().inv_cdf(level) * sqrt(spread)) ** 3
    return (1 / expected + 1 / actual) * quantile
