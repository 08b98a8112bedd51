"""Worlds whose truth is known: how often the model is wrong among its most confident share q of the cases."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FINE = 4000


@dataclass(frozen=True, slots=True)
class World:
    """The error rate of every fine slice of the cases, most confident first."""

    name: str
    local: NDArray[np.float64]

    def risk(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """The error rate of the most confident share."""
        return self._mass(share, self.local) / share

    def slices(self, num: int, *, times: float = 1.0) -> NDArray[np.float64]:
        """The error rate of each of `num` equal slices, most confident first, `times` as high as usual."""
        rates = np.diff(self._mass(np.arange(num + 1) / num, np.minimum(1.0, times * self.local))) * num
        # Differences of sums leave the unit interval by a rounding error.
        return np.clip(rates, 0.0, 1.0)

    def oracle(self, target_error: float) -> float:
        """The greatest share that keeps the target, known only to who knows the truth."""
        shares = np.arange(1, _FINE + 1) / _FINE
        kept = shares[self.risk(shares) <= target_error * (1 + 1e-9)]
        return float(kept[-1]) if kept.size else 0.0

    def _mass(self, share: NDArray[np.float64], local: NDArray[np.float64]) -> NDArray[np.float64]:
        mass = np.concatenate([[0.0], np.cumsum(local)]) / _FINE
        return np.interp(share, np.arange(_FINE + 1) / _FINE, mass)


def through(name: str, *knots: tuple[float, float], tip: tuple[float, float] = (0.0, 0.0)) -> World:
    """The world whose most confident share q has the error rate r at every knot (q, r), with power laws between them.

    The most confident `tip[0]` of the cases are wrong at the rate `tip[1]` instead, within the same knots.
    """
    shares, rates = np.array(knots).T
    width, rate = tip
    places, logs = np.log(shares), np.log(rates - width * rate / shares)
    slope = np.diff(logs) / np.diff(places)
    edges = np.log(np.arange(1, _FINE + 1) / _FINE)
    # The first and the last power law go on to the ends.
    at = np.clip(np.searchsorted(places, edges) - 1, 0, len(slope) - 1)
    mass = np.exp(edges + logs[at] + slope[at] * (edges - places[at]))
    local = np.diff(np.concatenate([[0.0], mass])) * _FINE
    local[: round(width * _FINE)] += rate
    return World(name, np.minimum(1.0, local))


def flat(target_error: float) -> World:
    """Every threshold breaks the promise by a twentieth: nothing may be certified."""
    return World("flat", np.full(_FINE, 1.05 * target_error))


# The knots are the shares that an oracle automates at 1, 2 and 5 %; below them, what the strict end makes of a walk.
CALIBRATED = through("calibrated", (0.59, 0.01), (0.74, 0.02), (0.96, 0.05))
OVERCONFIDENT = through("overconfident", (0.06, 0.0012), (0.18, 0.0020), (0.43, 0.01), (0.57, 0.02), (0.78, 0.05))
BAD_TIP = through("bad tip", (0.63, 0.01), (0.81, 0.02), tip=(0.02, 0.06))
HOPELESS = World("error floor 3 %", np.maximum(0.03, CALIBRATED.local))
WORLDS: Sequence[World] = (CALIBRATED, OVERCONFIDENT, BAD_TIP, HOPELESS)
