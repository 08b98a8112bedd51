"""What each demo stream is: its words, its way of reviewing and its policy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from reviewapp.registry.models import Stream

DIGITS = tuple(str(digit) for digit in range(10))


@dataclass(frozen=True)
class Proposal:
    """A change of policy that waits for its second person; `changes` go over the body in force."""

    changes: Mapping[str, Any]
    note: str


@dataclass(frozen=True)
class Plan:
    """A stream to open. `display` is drawn from the columns of its model."""

    slug: str
    name: str
    description: str
    classes: tuple[str, ...]
    review_mode: str
    blind_share: float
    sla: timedelta
    guideline: str
    policy: Mapping[str, Any]
    policy_note: str
    display: Callable[[Sequence[Any]], dict[str, Any]]
    proposal: Proposal | None = None


def _pictures(_: Sequence[Any]) -> dict[str, Any]:
    return {"kind": "image", "height": 8, "width": 8, "maximum": 16}


def _facts(columns: Sequence[Any]) -> dict[str, Any]:
    """One group per statistic: `radius_mean` is the fact “Radius” of the group “Mean”."""
    titles = {"mean": "Mean", "error": "Standard error", "worst": "Worst three"}
    groups: dict[str, list[str]] = {title: [] for title in titles.values()}
    labels = {}
    for column in columns:
        measure, _, statistic = column.name.rpartition("_")
        groups[titles[statistic]].append(column.name)
        labels[column.name] = measure.replace("_", " ").capitalize()
    return {
        "kind": "facts",
        "groups": [{"title": title, "columns": names} for title, names in groups.items()],
        "labels": labels,
        "units": {column.name: column.unit for column in columns if column.unit},
    }


TUMOUR_TRIAGE = Plan(
    slug="tumour-triage",
    name="Tumour triage",
    description="Is the tumour benign or malignant? Measurements of cell nuclei from a fine-needle aspirate.",
    classes=("benign", "malignant"),
    review_mode=Stream.Mode.COMMIT_THEN_REVEAL,
    blind_share=0.1,
    sla=timedelta(hours=8),
    guideline=(
        "Judge from the measurements before you see the model's answer.\n\n"
        "Large, irregular nuclei (radius, area, concavity, concave points in the group “Worst three”) speak for "
        "malignant; small, even ones for benign. When in doubt, answer malignant: a missed tumour costs more "
        "than a second examination."
    ),
    # No threshold is set by hand: what acts alone has earned it. A stricter promise is more than an exam of 220 rows
    # can show. At most a quarter is audited, or a first day, with no volume to reckon with, would be audited wholly.
    policy={
        "promises": {name: {"target_error": 0.08, "confidence": 0.95} for name in ("benign", "malignant")},
        "audit": {"ceiling": 0.25},
        "novelty_floor": 0.01,
    },
    policy_note="At most 8% of the automatic answers wrong, as much as a first exam on 220 tumours can show.",
    display=_facts,
)
DIGIT_READING = Plan(
    slug="digit-reading",
    name="Digit reading",
    description="Which digit was written? Pictures of 8 × 8 points from handwritten forms.",
    classes=DIGITS,
    review_mode=Stream.Mode.ASSISTED,
    blind_share=0.1,
    sla=timedelta(hours=24),
    guideline=(
        "Answer with the digit the writer meant.\n\n"
        "A 7 may have a bar, a 1 may have a foot, and a 4 may be open at the top. If two digits are equally "
        "likely, choose the one with fewer missing strokes."
    ),
    policy={
        "thresholds": dict.fromkeys(DIGITS, 0.95),
        "audit_rates": dict.fromkeys(DIGITS, 0.05),
        "never_automate": [],
        "novelty_floor": 0.01,
    },
    policy_note="One threshold for every digit; every twentieth automatic reading is audited blind.",
    display=_pictures,
    proposal=Proposal(
        changes={"thresholds": dict.fromkeys(DIGITS, 0.9)},
        note="Audits found hardly an error: let readings act alone from 90% on.",
    ),
)
PLANS = (TUMOUR_TRIAGE, DIGIT_READING)
