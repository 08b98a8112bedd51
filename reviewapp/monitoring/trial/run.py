"""A trial from the first step to the last."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from reviewapp.monitoring.trial import day, deployment
from reviewapp.monitoring.trial.clock import Clock
from reviewapp.monitoring.trial.day import Day
from reviewapp.monitoring.trial.deployment import Deployment
from reviewapp.monitoring.trial.plan import Plan

# Any day would do. A fixed one makes a trial's ids, and so its coins, the same each time.
FIRST_DAY = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class Trial:
    """A trial under way, and its days so far."""

    deployment: Deployment
    days: list[Day]
    seconds: float = 0.0


def run(
    plan: Plan,
    *,
    scratch: Path,
    say: Callable[[str], None],
    opened: Callable[[Deployment], None],
    told: Callable[[Trial], None],
) -> Trial:
    """Open a deployment in this process's database, which nobody else may use, and live its days.

    opened: called once it stands; told: called after each day.
    """
    started = perf_counter()
    with Clock(FIRST_DAY).running() as clock:
        trial = Trial(deployment.open_stream(plan, scratch=scratch, say=say), [])
        opened(trial.deployment)
        for number in range(1, plan.days + 1):
            trial.days.append(day.live(trial.deployment, number, clock=clock, start=FIRST_DAY))
            trial.seconds = perf_counter() - started
            told(trial)
    return trial
