"""What a canary must keep to, and whether it does: the primary beside it, on the other cases of the same time."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import ceil, floor, log, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reviewapp.domain.drift import chance_index, stability_index
from reviewapp.domain.errors import Invalid
from reviewapp.domain.intervals import rise_at_least

# A guard looks again when its cases have grown by this factor. Each look spends part of the error that `level`
# allows (α·6/π²k², which sums to α), so that looking often does not roll a good canary back by chance.
GROWTH = 1.25


@dataclass(frozen=True, slots=True)
class Guards:
    """The thresholds of a canary, stored in its rollout; None switches a guard off.

    Rises and shifts are differences of shares, `latency` is the largest ratio of the 99th percentiles, ignored below
    `latency_floor` seconds. `min_cases` and `min_settled` are the canary's own.
    """

    level: float = 0.95
    min_cases: int = 500
    min_scored: int = 50
    min_settled: int = 50
    error_rate: float | None = 0.01
    latency: float | None = 2.0
    latency_floor: float = 0.05
    automated: float | None = 0.02
    confidence_psi: float | None = 0.2
    disagreement: float | None = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Breach:
    """A guard that a canary broke, with the sentence for people."""

    guard: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Sample:
    """The cases since the rollout began, oldest first; each array has one entry per case.

    `is_canary` tells the arms apart. `is_failed`: the arm's version could not score it. `confidence` and `latency`
    (seconds) are NaN where failed. `is_wrong`: 1 where a person settled it otherwise, 0 where alike, −1 unsettled.
    """

    is_canary: NDArray[np.bool_]
    is_failed: NDArray[np.bool_]
    is_automated: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    latency: NDArray[np.float64]
    is_wrong: NDArray[np.int8]

    def first(self, count: int) -> "Sample":
        return Sample(*(getattr(self, field.name)[:count] for field in fields(self)))


_INTEGERS = {"min_cases", "min_scored", "min_settled"}
_RANGES: Mapping[str, tuple[float, float]] = {
    "level": (0.5, 0.9999),
    "min_cases": (20, 1_000_000),
    "min_scored": (5, 1_000_000),
    "min_settled": (5, 1_000_000),
    "error_rate": (0, 1),
    "latency": (1, 1000),
    "latency_floor": (0, 600),
    "automated": (0, 1),
    "confidence_psi": (0, 100),
    "disagreement": (0, 1),
}
_OPTIONAL = {"error_rate", "latency", "automated", "confidence_psi", "disagreement"}


def read_guards(given: Mapping[str, Any]) -> Guards:
    """Guards from their JSON; what is not named keeps its default. Raises Invalid, naming each wrong entry."""
    faults = [
        (name, f"“{name}” is no guard; there are {', '.join(_RANGES)}.") for name in sorted(given.keys() - _RANGES)
    ]
    faults += [(name, message) for name in _RANGES if name in given and (message := _fault(name, given[name]))]
    if faults:
        raise Invalid(
            " ".join(message for _, message in faults),
            code="guards_invalid",
            errors=[
                {"field": f"guards.{name}", "code": "guards_invalid", "message": message} for name, message in faults
            ],
        )
    return Guards(**given)


def _fault(name: str, value: Any) -> str:
    if value is None and name in _OPTIONAL:
        return ""
    low, high = _RANGES[name]
    is_number = isinstance(value, int if name in _INTEGERS else (int, float)) and not isinstance(value, bool)
    if is_number and low <= value <= high:
        return ""
    return f"{name} must be a {'whole ' if name in _INTEGERS else ''}number from {low:g} to {high:g}."


def breaches(sample: Sample, guards: Guards) -> list[Breach]:
    """The guards that the canary breaks, judged at their last look; empty while too little has been seen."""
    checks = (
        (_error_rate, guards.error_rate, sample.is_canary, guards.min_scored),
        (_latency, guards.latency, sample.is_canary & ~sample.is_failed, guards.min_cases),
        (_automated, guards.automated, sample.is_canary & ~sample.is_failed, guards.min_cases),
        (_confidence, guards.confidence_psi, sample.is_canary & ~sample.is_failed, guards.min_cases),
        (_disagreement, guards.disagreement, sample.is_canary & (sample.is_wrong >= 0), guards.min_settled),
    )
    found: list[Breach] = []
    for check, limit, counted, least in checks:
        look = _look(counted, least, guards.level) if limit is not None else None
        if look is not None:
            size, level = look
            found += check(sample.first(size), guards, level)
    return found


def _look(counted: NDArray[np.bool_], least: int, level: float) -> tuple[int, float] | None:
    """How many of the oldest cases the last look saw, and at which one-sided level; None before the first."""
    number = int(counted.sum())
    if number < least:
        return None
    look = floor(log(number / least, GROWTH) + 1e-9)
    wanted = min(ceil(least * GROWTH**look), number)
    size = int(np.flatnonzero(counted)[wanted - 1]) + 1
    return size, 1 - (1 - level) * 6 / (pi * pi * (look + 1) ** 2)


def _arms(
    sample: Sample, counted: NDArray[np.bool_], within: NDArray[np.bool_]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """(successes, trials) of the primary and of the canary among the cases `within`."""
    primary, canary = within & ~sample.is_canary, within & sample.is_canary
    return (
        (int((counted & primary).sum()), int(primary.sum())),
        (int((counted & canary).sum()), int(canary.sum())),
    )


def _error_rate(sample: Sample, guards: Guards, level: float) -> Sequence[Breach]:
    assert guards.error_rate is not None
    old, new = _arms(sample, sample.is_failed, np.ones_like(sample.is_failed))
    # At a share of 1 nobody else is scored: then nothing was failing before.
    if rise_at_least(old if old[1] else (0, new[1]), new, level=level) <= guards.error_rate:
        return ()
    beside = f"; the primary could not score {_of(old)}" if old[1] else ""
    return (Breach("error_rate", f"It could not score {_of(new)} cases{beside}."),)


def _latency(sample: Sample, guards: Guards, level: float) -> Sequence[Breach]:  # noqa: ARG001 one shape for all
    assert guards.latency is not None
    old, new = (sample.latency[~sample.is_failed & arm] for arm in (~sample.is_canary, sample.is_canary))
    old = old[~np.isnan(old)]  # a primary that only looks on has fewer times than answers
    if not old.size or not new.size:
        return ()
    before, now = float(np.quantile(old, 0.99)), float(np.quantile(new, 0.99))
    if now <= guards.latency_floor or now <= guards.latency * before:
        return ()
    return (Breach("latency", f"Its batches take {now:.3g} s (99th percentile), those of the primary {before:.3g} s."),)


def _automated(sample: Sample, guards: Guards, level: float) -> Sequence[Breach]:
    assert guards.automated is not None
    old, new = _arms(sample, sample.is_automated, ~sample.is_failed)
    is_up = rise_at_least(old, new, level=level) > guards.automated
    is_down = rise_at_least(new, old, level=level) > guards.automated
    if not (is_up or is_down):
        return ()
    return (Breach("automated", f"It acts alone in {_share(new)} of its cases, the primary in {_share(old)}."),)


def _confidence(sample: Sample, guards: Guards, level: float) -> Sequence[Breach]:
    assert guards.confidence_psi is not None
    old, new = (sample.confidence[~sample.is_failed & arm] for arm in (~sample.is_canary, sample.is_canary))
    if not old.size:
        return ()
    index = stability_index(old, new)
    if index - chance_index(old.size, new.size, level=level) <= guards.confidence_psi:
        return ()
    return (Breach("confidence_psi", f"Its confidences are spread differently from the primary's (PSI {index:.2f})."),)


def _disagreement(sample: Sample, guards: Guards, level: float) -> Sequence[Breach]:
    assert guards.disagreement is not None
    old, new = _arms(sample, sample.is_wrong == 1, sample.is_wrong >= 0)
    if rise_at_least(old, new, level=level) <= guards.disagreement:
        return ()
    return (
        Breach(
            "disagreement",
            f"People answered otherwise in {_share(new)} of its settled cases, in {_share(old)} of the primary's.",
        ),
    )


def _of(counts: tuple[int, int]) -> str:
    return f"{counts[0]} of {counts[1]}"


def _share(counts: tuple[int, int]) -> str:
    return f"{counts[0] / max(counts[1], 1):.1%} ({_of(counts)})"
