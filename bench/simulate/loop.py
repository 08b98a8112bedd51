"""A whole deployment: cold start, certificates by looks once a day, audits, the breaker, and a shift on a given day."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.simulate.cells import Cell, Figure, frequency
from bench.simulate.walks import DELTA, RUNGS, starts_for
from bench.simulate.worlds import BAD_TIP, CALIBRATED, OVERCONFIDENT, World
from reviewapp.domain import breaker, evidence, thresholds

TARGET, CASES_A_DAY, SHIFT, DAYS = 0.02, 400, 120, 200
# The starts are laid for what a month of reviews would label.
_HORIZON = 30


@dataclass(frozen=True, slots=True)
class Setting:
    """Blind share of review, audit rate, what amber multiplies it by; expected: (automation at the end, median days
    from the shift until the breaker opens, median wrong automatic decisions until then) per world."""

    blind: float
    rate: float
    amber: float
    expected: tuple[tuple[float, float, float], ...]


SETTINGS = (
    Setting(1.0, 0.10, 1, ((64, 34, 334), (48, 38, 299), (70, 27, 328))),
    Setting(1.0, 0.10, 5, ((64, 10, 113), (48, 15, 112), (70, 8, 103))),
    Setting(0.3, 0.10, 5, ((64, 11, 120), (47, 18, 140), (69, 9, 109))),
    Setting(1.0, 0.03, 1, ((59, 59, 608), (42, 58, 397), (65, 45, 485))),
    Setting(1.0, 0.03, 10, ((59, 29, 258), (43, 38, 250), (65, 28, 264))),
)


def run(rng: Generator, *, worlds: int, is_small: bool) -> Iterator[Cell]:
    """Every setting in three worlds."""
    for setting in SETTINGS[1:2] if is_small else SETTINGS:
        for world, expected in zip((CALIBRATED, OVERCONFIDENT, BAD_TIP), setting.expected, strict=True):
            yield _cell(_Deployment(rng, world, setting, worlds // 4 if is_small else worlds), expected)
            if is_small:
                return


class _Deployment:
    """Many copies of one deployment, day by day; arrays have one row per copy and one column per slice or rung."""

    def __init__(self, rng: Generator, world: World, setting: Setting, worlds: int) -> None:
        self.rng, self.world, self.setting, self.worlds = rng, world, setting, worlds
        # What a labelled case can weigh: the least π of its rung over its own.
        rates = {setting.rate, min(1.0, setting.amber * setting.rate)}
        pairs = {(min(r, setting.blind) / r) for r in rates} | {min(r, setting.blind) / setting.blind for r in rates}
        self.weights = np.array(sorted({1.0} | pairs))
        self.right = np.zeros((worlds, RUNGS, self.weights.size))
        self.wrong = np.zeros_like(self.right)
        self.best = np.zeros((worlds, RUNGS))
        self.index = np.full(worlds, -1)
        self.sums = np.zeros((worlds, len(breaker.START.sums)))
        self.is_amber = np.zeros(worlds, dtype=np.bool_)
        self.first_live = np.full(worlds, np.inf)
        self.tripped = np.full(worlds, np.inf)
        self.wrong_since = np.zeros(worlds)
        self.is_unsafe = np.zeros(worlds, dtype=np.bool_)
        self.automated: dict[int, float] = {}
        self.amber_days = 0
        self.starts = starts_for(_HORIZON * CASES_A_DAY * setting.blind, TARGET)
        self.detector = breaker.Detector(TARGET, breaker.limit(audits_per_year=7300))

    def live(self) -> None:
        """Runs every day."""
        usual, shifted = self.world.slices(RUNGS), self.world.slices(RUNGS, times=3)
        risk = self.world.risk((np.arange(RUNGS) + 1) / RUNGS)
        for day in range(1, DAYS + 1):
            self._day(day, usual if day < SHIFT else shifted)
            if day < SHIFT:
                self._look()
                self.is_unsafe |= (self.index >= 0) & (risk[self.index] > TARGET * (1 + 1e-9))
                self.first_live = np.where(self.index >= 0, np.minimum(self.first_live, day), self.first_live)
                self.amber_days += int(self.is_amber.sum())
                self.automated[day] = float(((self.index + 1) / RUNGS).mean())

    def _day(self, day: int, rates: NDArray[np.float64]) -> None:
        is_auto = np.arange(RUNGS) <= self.index[:, None]
        audit_rate = np.where(self.is_amber, min(1.0, self.setting.amber * self.setting.rate), self.setting.rate)
        pi = np.where(is_auto, audit_rate[:, None], self.setting.blind)
        seen = self.rng.multinomial(CASES_A_DAY, [1 / RUNGS] * RUNGS, size=self.worlds)
        wrong = self.rng.binomial(seen, rates)
        read_wrong = self.rng.binomial(wrong, pi)
        read_right = self.rng.binomial(seen - wrong, pi)
        self._record(audit_rate, read_right, read_wrong)
        audits = np.where(is_auto, read_wrong + read_right, 0).sum(axis=1)
        errors = np.where(is_auto, read_wrong, 0).sum(axis=1)
        acted_wrong = np.where(is_auto, wrong, 0).sum(axis=1)
        if day >= SHIFT:
            self.wrong_since += acted_wrong
        self._watch(day, audits, errors)

    def _record(self, rate: NDArray[np.float64], right: NDArray[np.int_], wrong: NDArray[np.int_]) -> None:
        """Adds the day's labels to every rung that they lie at or above, at the weight they have in that rung."""
        rungs, rows = np.arange(RUNGS), np.arange(self.worlds)
        is_live = self.index >= 0
        # Rungs down to the threshold hold automatic cases alone, and without one all are reviewed: everything alike.
        is_alike = (rungs <= self.index[:, None]) | ~is_live[:, None]
        least = np.minimum(rate, self.setting.blind)
        for held, labels in ((self.right, right), (self.wrong, wrong)):
            total = labels.cumsum(axis=1)
            acted = np.where(is_live, total[rows, self.index], 0)[:, None]
            held[rows, :, self._place(np.ones(self.worlds))] += np.where(is_alike, total, 0)
            held[rows, :, self._place(least / rate)] += np.where(is_alike, 0, acted)
            held[rows, :, self._place(least / self.setting.blind)] += np.where(is_alike, 0, total - acted)

    def _place(self, weights: NDArray[np.float64]) -> NDArray[np.int_]:
        return np.abs(weights[:, None] - self.weights).argmin(axis=1)

    def _look(self) -> None:
        flat = (self.worlds * RUNGS, self.weights.size)
        logs = evidence.log_e_values(
            self.weights, self.right.reshape(flat), self.wrong.reshape(flat), target_error=TARGET
        )
        self.best = np.maximum(self.best, logs.reshape(self.worlds, RUNGS))
        found = thresholds.walk_many(np.exp(-self.best), starts=self.starts, delta=DELTA)[0]
        self.index = np.where(np.isfinite(self.tripped), -1, found)

    def _watch(self, day: int, audits: NDArray[np.int_], errors: NDArray[np.int_]) -> None:
        """The day's audits in random order."""
        # Most audits first, so that the copies that have one left are always the first ones.
        order = np.argsort(-audits, kind="stable")
        left, bad, sums = audits[order], errors[order], self.sums[order]
        most = np.zeros(self.worlds)
        while (num := int((left > 0).sum())) > 0:
            is_wrong = self.rng.random(num) * left[:num] < bad[:num]
            sums[:num] = breaker.step_many(sums[:num], is_wrong, target_error=TARGET)
            left[:num] -= 1
            bad[:num] -= is_wrong
            most[:num] = np.maximum(most[:num], sums[:num].sum(axis=1))
        self.sums[order] = sums
        is_open = np.empty(self.worlds, dtype=np.bool_)
        is_open[order] = most >= self.detector.limit * sums.shape[1]
        self.tripped = np.where(is_open, np.minimum(self.tripped, day), self.tripped)
        self.is_amber = self.sums.mean(axis=1) >= self.detector.amber
        self.index = np.where(np.isfinite(self.tripped), -1, self.index)


def _cell(deployment: _Deployment, expected: tuple[float, float, float]) -> Cell:
    deployment.live()
    setting, worlds = deployment.setting, deployment.worlds
    is_early = deployment.tripped < SHIFT
    is_late = np.isfinite(deployment.tripped) & ~is_early
    has_late = bool(is_late.any())
    days = float(np.median(deployment.tripped[is_late] - SHIFT + 1)) if has_late else float("inf")
    harm = float(np.median(deployment.wrong_since[is_late])) if has_late else float("inf")
    share, delay, wrong = expected
    # Where few open, the expected medians rest on a dozen deployments; they are told and not compared.
    is_better = "less" if is_late.mean() >= 0.25 else "both"
    return Cell(
        "loop",
        f"{deployment.world.name}; blind {100 * setting.blind:g} %, audits {100 * setting.rate:g} %, "
        f"amber ×{setting.amber:g}",
        worlds,
        [
            frequency("ever unsafe", int(deployment.is_unsafe.sum()), worlds, most=DELTA),
            frequency("opened without cause", int(is_early.sum()), worlds, most=0.05),
            Figure("first live on day", float(np.median(deployment.first_live))),
            Figure("automated on day 30", 100 * deployment.automated[30], "%"),
            Figure("automated on day 119", 100 * deployment.automated[SHIFT - 1], "%", share, within=3, better="more"),
            Figure("oracle", 100 * deployment.world.oracle(TARGET), "%"),
            Figure("amber before the shift", 100 * deployment.amber_days / worlds / (SHIFT - 1), "% of days"),
            frequency("opened in 80 days", int(is_late.sum()), worlds),
            Figure("median days to open", days, "", delay, 0.2, is_relative=True, better=is_better),
            Figure("wrong until open", harm, "", wrong, 0.2, is_relative=True, better=is_better),
        ],
    )
