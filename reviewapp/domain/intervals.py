"""Intervals for shares counted from cases."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Interval:
    """A share with the bounds of its interval, all in [0, 1]."""

    share: float
    low: float
    high: float


def wilson(successes: int, trials: int, *, level: float = 0.95) -> Interval:
    """Wilson's two-sided score interval (Wilson 1927); without trials, nothing is known: [0, 1]."""
    if trials == 0:
        return Interval(0.0, 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / trials
    scale = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / scale
    half = z / scale * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    # At the ends the bound is exact; arithmetic would miss it by a rounding error.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(share, low, high)


def rise_at_least(before: tuple[int, int], after: tuple[int, int], *, level: float) -> float:
    """The one-sided lower bound of how far a share rose between two samples of (successes, trials).

    Newcombe's hybrid score interval (Newcombe 1998, method 10) at the one-sided `level`; −1 where a sample is empty.
    """
    if not before[1] or not after[1]:
        return -1.0
    two_sided = 2 * level - 1
    old, new = wilson(*before, level=two_sided), wilson(*after, level=two_sided)
    return (new.share - old.share) - sqrt((new.share - new.low) ** 2 + (old.high - old.share) ** 2)
