"""How seldom the breaker opens without cause, how soon with one, and how long amber lasts when nothing is wrong."""

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.simulate.cells import Cell, Figure, frequency
from reviewapp.domain import breaker

# Target, audits a day, and median audits until it opens at multiples of the target; None: told, not compared.
SETTINGS = (
    (0.01, 20, {2.0: 1365, 3.0: 495, 5.0: 187, 10.0: 64, 30.0: 17}),
    (0.001, 50, {3.0: None, 10.0: None}),
    (0.02, 5, {3.0: None, 5.0: None}),
    (0.05, 20, {2.0: None, 3.0: None}),
)
_FALSE_TRIPS = 0.05


def run(rng: Generator, *, worlds: int, is_small: bool) -> Iterator[Cell]:
    """A year at or below the promise, then streams that break it from the first audit on."""
    for target, a_day, delays in SETTINGS[: 1 if is_small else None]:
        year = 365 * a_day
        limit = breaker.limit(audits_per_year=year, false_trips_per_year=_FALSE_TRIPS)
        name = f"{100 * target:g} % promised, {a_day} audits a day"
        # A year audit by audit costs most of the time; a short form needs no year.
        for rate in () if is_small else (0.5, 1.0):
            opened, amber = _year(rng, (target, rate * target), limit, worlds=worlds, audits=year)
            yield Cell(
                "breaker",
                f"{name}: a year at {100 * rate * target:g} %",
                worlds,
                [
                    frequency("opened", int(np.isfinite(opened).sum()), worlds, most=_FALSE_TRIPS),
                    Figure("amber of the time", 100 * amber, "%"),
                ],
            )
        for times, delay in list(delays.items())[2 if is_small else 0 :]:
            opened, _ = _year(rng, (target, times * target), limit, worlds=worlds, audits=year)
            found = opened[np.isfinite(opened)]
            yield Cell(
                "breaker",
                f"{name}: {100 * times * target:g} % wrong",
                worlds,
                [
                    frequency("opened", found.size, worlds),
                    Figure("median audits", float(np.median(opened)), "", delay, 0.2, is_relative=True),
                    Figure("90 % within", float(np.quantile(opened, 0.9, method="higher")), "audits"),
                ],
            )


def _year(
    rng: Generator, rates: tuple[float, float], limit: float, *, worlds: int, audits: int
) -> tuple[NDArray[np.float64], float]:
    """The audit at which each world opens (inf: not within the audits), and the share of its time that is amber."""
    target, rate = rates
    sums, opened = np.zeros((worlds, len(breaker.START.sums))), np.full(worlds, np.inf)
    alive, amber, lived = np.arange(worlds), 0, 0
    detector = breaker.Detector(target, limit)
    for audit in range(1, audits + 1):
        sums = breaker.step_many(sums, rng.random(alive.size) < rate, target_error=target)
        levels = sums.mean(axis=1)
        is_open = levels >= limit
        amber += int((levels >= detector.amber).sum())
        lived += alive.size
        if is_open.any():
            opened[alive[is_open]] = audit
            alive, sums = alive[~is_open], sums[~is_open]
            if not alive.size:
                break
    return opened, amber / lived
