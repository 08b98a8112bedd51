"""Deployments on rows drawn again and again from what a model says of a set's later rows."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.trials.deployment import Cases, Deployment
from bench.trials.sets import Predictions
from reviewapp.domain.breaker import Zone
from reviewapp.monitoring.trial import oracle
from reviewapp.monitoring.trial.plan import Plan
from reviewapp.monitoring.trial.truth import share_flipped
from reviewapp.registry.policies import read_body

# The last days before the shift, over which what was reached is told; and the days after it.
LAST, AFTER = 10, 15
SHIFT_FACTOR = 3.0


@dataclass(frozen=True)
class Outcome:
    """One deployment: shares of the cases before the shift, and what came after it.

    worst: the greatest true error of a threshold that was in force on any day before, over what was promised; the true
    error is that among all the rows that the cases were drawn from. opened_before: classes whose breaker opened without
    cause. opened_after, wrong_since: days from the shift until the breaker of the class that acted most opened, None
    where it did not, and the wrong automatic decisions of the class until then.
    """

    automated: float
    automated_last: float
    wrong: float
    worst: float
    opened_before: int
    opened_after: int | None
    wrong_since: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def run(plan: Plan, found: Predictions, *, seed: int) -> Outcome:
    """One deployment on as many rows as there are, drawn with replacement; afterwards errors triple."""
    rng = np.random.default_rng(seed)
    size = found.answers.size
    total = size * (plan.days + AFTER) // plan.days
    chosen = rng.integers(0, size, total)
    bounds = np.linspace(0, total, plan.days + AFTER + 1).round().astype(int)
    days = np.repeat(np.arange(1, plan.days + AFTER + 1), np.diff(bounds))
    confidences = found.confidences[chosen]
    turned = np.array([share_flipped(one, SHIFT_FACTOR) for one in confidences.tolist()])
    is_wrong = found.is_wrong[chosen] | ((days > plan.days) & (rng.random(total) < turned))
    cases = Cases(days, found.answers[chosen], confidences, is_wrong, rng.random(total))
    lived = Deployment(found.classes, read_body(plan.body(found.classes)), cases).live()
    return _outcome(plan, found, lived)


def _outcome(plan: Plan, found: Predictions, lived: Deployment) -> Outcome:
    days = lived.cases.days
    is_before, is_last = days <= plan.days, (days > plan.days - LAST) & (days <= plan.days)
    acted = lived.acted & is_before
    opened_after, wrong_since = _harm(plan, found, lived)
    return Outcome(
        automated=float(acted.sum() / is_before.sum()),
        automated_last=float(acted[is_last].mean()),
        wrong=float(lived.cases.is_wrong[acted].mean()) if acted.any() else 0.0,
        worst=_worst(plan, found, lived) / plan.promise,
        opened_before=sum(_opened(lived, name) <= plan.days for name in found.classes),
        opened_after=opened_after,
        wrong_since=wrong_since,
    )


def _worst(plan: Plan, found: Predictions, lived: Deployment) -> float:
    """The greatest true error of a threshold that acted before the shift."""
    worst = 0.0
    for place, name in enumerate(found.classes):
        own = found.answers == place
        # What an evening certifies acts from the next day on.
        for threshold in {one[name].threshold for one in lived.evenings[: plan.days - 1]}:
            if threshold is None:
                continue
            reached = own & (found.confidences >= threshold)
            if reached.any():
                worst = max(worst, float(found.is_wrong[reached].mean()))
    return worst


def _opened(lived: Deployment, name: str) -> float:
    return next((day for day, one in enumerate(lived.evenings, start=1) if one[name].zone is Zone.OPEN), float("inf"))


def _harm(plan: Plan, found: Predictions, lived: Deployment) -> tuple[int | None, int]:
    """Of the class that acted most on the day before the shift."""
    cases, acted = lived.cases, lived.acted
    before = np.bincount(cases.answers[acted & (cases.days == plan.days)], minlength=len(found.classes))
    most = int(before.argmax())
    opened = _opened(lived, found.classes[most])
    since = acted & (cases.days > plan.days) & (cases.answers == most) & (cases.days <= opened)
    is_open = plan.days < opened < float("inf")
    return (int(opened) - plan.days if is_open else None), int(cases.is_wrong[since].sum())


def best(plan: Plan, found: Predictions) -> float:
    """The share of cases that somebody who knows every answer would automate."""
    return oracle.automation(
        found.said, found.confidences, found.is_wrong, classes=found.classes, target_error=plan.promise
    )[0]
