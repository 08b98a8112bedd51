"""The breaker: evidence, audit by audit, that a class's automatic decisions are wrong more often than promised.

A mixture of Shiryaev–Roberts sums over stakes ρ. While every automatic decision is wrong with a probability of at most
the target, the level after t audits has an expectation of at most t, whatever the order or dependence of the cases; so
a limit of T/q is reached within T audits with a probability of at most q (Shin, Ramdas and Rinaldo 2024).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from reviewapp.domain.errors import Invalid
from reviewapp.domain.evidence import STAKES_ABOVE, stakes_above
from reviewapp.domain.exact import check_target

# By simulation (docs/reference/simulations.md): at half the promised rate amber then takes a few percent of the time.
_AMBER_OVER_CALM = 5


class Zone(StrEnum):
    CLOSED = "closed"
    AMBER = "amber"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The sum of every stake after the audits so far."""

    sums: tuple[float, ...]


START = Evidence((0.0,) * len(STAKES_ABOVE))


def step(evidence: Evidence, *, is_wrong: bool, target_error: float) -> Evidence:
    """The evidence after one more audit."""
    return run(evidence, (is_wrong,), target_error=target_error)


def run(evidence: Evidence, outcomes: Iterable[bool], *, target_error: float) -> Evidence:
    """The evidence after more audits, in the order in which their cases arrived; True is a wrong decision."""
    check_target(target_error)
    stakes: list[float] = stakes_above(target_error).tolist()
    if_right = [(1 - stake * target_error) / (1 - target_error) for stake in stakes]
    sums = list(evidence.sums)
    for is_wrong in outcomes:
        factors = stakes if is_wrong else if_right
        # Far above any limit; a float must not overflow while nobody looks.
        sums = [min((held + 1) * factor, 1e300) for held, factor in zip(sums, factors, strict=True)]
    return Evidence(tuple(sums))


def step_many(sums: NDArray[np.float64], is_wrong: NDArray[np.bool_], *, target_error: float) -> NDArray[np.float64]:
    """`step` of many breakers at once: sums (n, stakes), outcomes (n,) → sums (n, stakes)."""
    check_target(target_error)
    stakes = stakes_above(target_error)
    if_right = (1 - stakes * target_error) / (1 - target_error)
    return np.minimum((sums + 1) * np.where(is_wrong[:, None], stakes, if_right), 1e300)


def run_until(
    evidence: Evidence, outcomes: Iterable[bool], *, target_error: float, limit: float
) -> tuple[Evidence, int, int]:
    """The same up to the audit at which the level reaches the limit; answers how many were taken and wrong too."""
    check_target(target_error)
    stakes: list[float] = stakes_above(target_error).tolist()
    if_right = [(1 - stake * target_error) / (1 - target_error) for stake in stakes]
    sums, enough, taken, wrong = list(evidence.sums), limit * len(stakes), 0, 0
    for is_wrong in outcomes:
        factors = stakes if is_wrong else if_right
        sums = [(held + 1) * factor for held, factor in zip(sums, factors, strict=True)]
        taken, wrong = taken + 1, wrong + is_wrong
        if sum(sums) >= enough:
            break
    return Evidence(tuple(sums)), taken, wrong


def level(evidence: Evidence) -> float:
    """How strong the evidence is: the mean of the sums, to be held against the limit."""
    return sum(evidence.sums) / len(evidence.sums)


def limit(*, audits_per_year: float, false_trips_per_year: float = 0.05) -> float:
    """The level that opens the breaker: within a year it is reached without cause with at most this probability."""
    if audits_per_year <= 0:
        raise Invalid("The audits a year must be above 0.", code="audits_per_year_out_of_range")
    if not 0 < false_trips_per_year <= 1:
        message = f"The false trips a year must lie above 0 and not above 1; they are {false_trips_per_year:g}."
        raise Invalid(message, code="false_trips_per_year_out_of_range")
    return audits_per_year / false_trips_per_year


def calm_level(target_error: float) -> float:
    """The level that audits without a single error settle at; it says nothing against the promise."""
    stakes: list[float] = stakes_above(target_error).tolist()
    return sum((1 - stake * target_error) / ((stake - 1) * target_error) for stake in stakes) / len(stakes)


def zone(level: float, limit: float, *, target_error: float | None = None) -> Zone:
    """Open from the limit on, amber from √limit/4 on.

    With `target_error`, amber also waits for five times what audits without an error settle at: for targets of 1 % and
    less that alone is near √limit/4, so a class that keeps its promise would be amber most of the time.
    """
    if level >= limit:
        return Zone.OPEN
    return Zone.AMBER if level >= amber_level(limit, target_error=target_error) else Zone.CLOSED


def amber_level(limit: float, *, target_error: float | None = None) -> float:
    """The level from which on the class is audited more often."""
    calm = 0.0 if target_error is None else calm_level(target_error)
    return min(limit, max(sqrt(limit) / 4, _AMBER_OVER_CALM * calm))


@dataclass(frozen=True, slots=True)
class Detector:
    """A breaker's settings: the promise it watches and the level that opens it."""

    target_error: float
    limit: float

    @property
    def amber(self) -> float:
        """The level from which on the class is audited more often."""
        return amber_level(self.limit, target_error=self.target_error)

    def run(self, evidence: Evidence, outcomes: Iterable[bool]) -> Evidence:
        """The evidence after more audits, in order of arrival."""
        return run(evidence, outcomes, target_error=self.target_error)

    def zone(self, evidence: Evidence) -> Zone:
        """Where the evidence puts the class."""
        return zone(level(evidence), self.limit, target_error=self.target_error)
