"""How much a certified threshold automates of what an oracle would, how often it breaks the promise; and peeking."""

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.simulate.cells import Cell, Figure, frequency
from bench.simulate.worlds import BAD_TIP, CALIBRATED, HOPELESS, OVERCONFIDENT, World, flat
from reviewapp.domain import evidence, exact, thresholds

DELTA = 0.05
RUNGS = 32
LADDER = tuple(1 - (rung + 1) / (RUNGS + 1) for rung in range(RUNGS))
# World, target, labels; what share of the oracle's automation an exam and looks at any time should keep.
CASES = (
    (CALIBRATED, 0.01, 2000, 39, 18),
    (CALIBRATED, 0.01, 5000, 84, 71),
    (CALIBRATED, 0.01, 20_000, 93, 88),
    (CALIBRATED, 0.05, 1000, 92, 85),
    (OVERCONFIDENT, 0.01, 5000, 50, 20),
    (OVERCONFIDENT, 0.05, 1000, 88, 77),
    (BAD_TIP, 0.01, 20_000, 89, 78),
    (BAD_TIP, 0.05, 5000, 99, 96),
    (HOPELESS, 0.05, 5000, 91, 73),
)
_LOOKS = 50


def run(rng: Generator, *, worlds: int, is_small: bool) -> Iterator[Cell]:
    """Exams and looks at any time over the ladder, worlds where nothing may be certified, and repeated looks."""
    for world, target, labels, once, live in CASES[3:4] if is_small else CASES:
        yield _automation(rng, (world, target, labels), worlds, (once, live))
    for target, labels in ((0.05, 5000),) if is_small else ((0.01, 2000), (0.01, 20_000), (0.05, 1000), (0.05, 5000)):
        yield _nothing(rng, target, labels, worlds)
    yield from _peeking(rng, worlds)


def starts_for(labels: float, target: float, *, delta: float = DELTA) -> tuple[int, ...]:
    """The start rungs where the confidences are spread evenly over the ladder."""
    expected = [labels * (rung + 1) / RUNGS for rung in range(RUNGS)]
    return thresholds.start_rungs(LADDER, expected, target_error=target, confidence=1 - delta)


def _automation(rng: Generator, case: tuple[World, float, int], worlds: int, expected: tuple[float, float]) -> Cell:
    world, target, labels = case
    oracle = world.oracle(target)
    figures = [Figure("oracle: automated", 100 * oracle, "%")]
    for name, found, share in (
        ("exam", _exam(rng, case, worlds), expected[0]),
        ("any time", _any_time(rng, case, worlds), expected[1]),
        ("uncorrected", _uncorrected(rng, case, worlds), None),
    ):
        broken = _broken(world, target, found)
        figures += [
            frequency(f"{name}: unsafe", broken, worlds, most=DELTA if share is not None else None),
            Figure(
                f"{name}: of the oracle's",
                100 * float(((found + 1) / RUNGS).mean()) / oracle,
                "%",
                expected=share,
                within=3,
                better="more",
            ),
        ]
    return Cell("walk", f"{world.name}, {100 * target:g} %, {labels:,} labels", worlds, figures)


def _nothing(rng: Generator, target: float, labels: int, worlds: int) -> Cell:
    case = (flat(target), target, labels)
    figures = [
        frequency(f"{name}: unsafe", int((found >= 0).sum()), worlds, most=DELTA if is_ours else None)
        for name, found, is_ours in (
            ("exam", _exam(rng, case, worlds), True),
            ("any time", _any_time(rng, case, worlds), True),
            ("uncorrected", _uncorrected(rng, case, worlds), False),
        )
    ]
    return Cell("walk", f"every rung 5 % above {100 * target:g} %, {labels:,} labels", worlds, figures)


def _broken(world: World, target: float, found: NDArray[np.int_]) -> int:
    risk = world.risk((np.arange(RUNGS) + 1) / RUNGS)
    return int((risk[found[found >= 0]] > target * (1 + 1e-9)).sum())


def _counts(rng: Generator, world: World, labels: int, worlds: int) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Wrong and all labels at or above every rung: (worlds, rungs) each."""
    seen = rng.multinomial(labels, [1 / RUNGS] * RUNGS, size=worlds)
    wrong = rng.binomial(seen, world.slices(RUNGS))
    return wrong.cumsum(axis=1), seen.cumsum(axis=1)


def _exam(rng: Generator, case: tuple[World, float, int], worlds: int) -> NDArray[np.int_]:
    world, target, labels = case
    p_values = exact.p_values(*_counts(rng, world, labels, worlds), target_error=target)
    return thresholds.walk_many(p_values, starts=starts_for(labels, target), delta=DELTA)[0]


def _uncorrected(rng: Generator, case: tuple[World, float, int], worlds: int) -> NDArray[np.int_]:
    """The loosest rung whose own test passes, as if it had been the only one."""
    world, target, labels = case
    is_passed = exact.p_values(*_counts(rng, world, labels, worlds), target_error=target) <= DELTA
    return np.where(is_passed.any(axis=1), RUNGS - 1 - is_passed[:, ::-1].argmax(axis=1), -1)


def _any_time(rng: Generator, case: tuple[World, float, int], worlds: int) -> NDArray[np.int_]:
    world, target, labels = case
    wrong, seen = np.zeros((worlds, RUNGS)), np.zeros((worlds, RUNGS))
    best = np.zeros((worlds, RUNGS))
    for _ in range(_LOOKS):
        more_wrong, more_seen = _counts(rng, world, labels // _LOOKS, worlds)
        wrong, seen = wrong + more_wrong, seen + more_seen
        logs = evidence.log_e_values([1.0], (seen - wrong).reshape(-1, 1), wrong.reshape(-1, 1), target_error=target)
        best = np.maximum(best, logs.reshape(worlds, RUNGS))
    return thresholds.walk_many(np.exp(-best), starts=starts_for(labels, target), delta=DELTA)[0]


def _peeking(rng: Generator, worlds: int) -> Iterator[Cell]:
    """One threshold, 1 % promised, a look every 20 audits up to 6,000."""
    target, looks, planned = 0.01, np.arange(20, 6001, 20), (600, 1000, 1600, 2600, 4000, 6000)
    for rate, live, exam in ((0.01, None, None), (0.005, 1920, 2600), (0.0025, 660, 1000), (0.001, 380, 600)):
        wrong = rng.binomial(20, rate, size=(worlds, looks.size)).cumsum(axis=1)
        right = looks - wrong
        logs = evidence.log_e_values([1.0], right.reshape(-1, 1), wrong.reshape(-1, 1), target_error=target)
        p_values = exact.p_values(wrong, np.broadcast_to(looks, wrong.shape), target_error=target)
        is_planned = np.isin(looks, planned)
        passed = {
            "any time": logs.reshape(wrong.shape) >= -np.log(DELTA),
            "planned looks": is_planned & (p_values <= DELTA / len(planned)),
            "exact at every look": p_values <= DELTA,
        }
        figures = []
        for (name, is_passed), expected in zip(passed.items(), (live, exam, None), strict=True):
            count = int(is_passed.any(axis=1).sum())
            is_ours = name != "exact at every look"
            figures.append(
                frequency(f"{name}: certified", count, worlds, most=DELTA if is_ours and rate == target else None)
            )
            if rate < target and is_ours:
                first = np.where(is_passed.any(axis=1), looks[is_passed.argmax(axis=1)], np.inf)
                figures.append(
                    Figure(f"{name}: median audits", float(np.median(first)), "", expected, 0.2, is_relative=True)
                )
        yield Cell("peeking", f"{100 * rate:g} % wrong, 1 % promised", worlds, figures)
