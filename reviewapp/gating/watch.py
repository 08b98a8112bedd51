"""What audits of automatic decisions say about a class or segment since its breaker was armed. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reviewapp.domain import breaker
from reviewapp.domain.breaker import Zone
from reviewapp.domain.policy import Policy

DAYS_PER_YEAR = 365
# Fewer days tell no rate of audits.
LEAST_DAYS = 7.0


@dataclass(frozen=True, slots=True)
class Watched:
    """The level that audits in order of arrival led to, against the limit; counting ends where it is reached."""

    zone: Zone
    level: float
    limit: float
    audits: int
    wrong: int

    def as_dict(self) -> dict[str, Any]:
        return {"level": self.level, "limit": self.limit, "audits": self.audits, "wrong": self.wrong}


def limit_for(policy: Policy, *, audits: int, days: float, before: Mapping[str, Any]) -> float:
    """The level that opens a breaker, by the audits a year that are planned or, if more, that come.

    It never falls while the breaker is armed. A class that is watched by segment too has two breakers for each of its
    audits: each gets half of the false trips.
    """
    a_day = max(policy.audit.expected_per_day, audits / max(days, LEAST_DAYS))
    share = 0.5 if policy.segment else 1.0
    found = breaker.limit(
        audits_per_year=a_day * DAYS_PER_YEAR, false_trips_per_year=policy.false_trips_per_year * share
    )
    return max(found, float(before.get("limit", 0.0)))


def watch(outcomes: Iterable[bool], *, target_error: float, limit: float) -> Watched:
    """Step over audits in the order in which their cases arrived, True for a wrong decision, until the limit."""
    evidence, audits, wrong = breaker.run_until(breaker.START, outcomes, target_error=target_error, limit=limit)
    level = breaker.level(evidence)
    return Watched(breaker.zone(level, limit, target_error=target_error), level, limit, audits, wrong)
