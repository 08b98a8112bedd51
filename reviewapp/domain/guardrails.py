"""Guardrails that a case's own values raise: what is missing, too old, or unlike anything the model learned from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from reviewapp.domain.durations import in_words
from reviewapp.domain.gate import Reason

# Clocks differ by seconds; what claims to come from later than this has no age that can be trusted.
CLOCK_TOLERANCE = timedelta(minutes=5)
MAX_NAMED = 3


@dataclass(frozen=True, slots=True)
class Learned:
    """What one column held in the rows a model learned from.

    low, high: the range of its numbers; values: its words, None where any will do; is_missing_known: whether some row
    lacked it.
    """

    low: float | None = None
    high: float | None = None
    values: frozenset[str] | None = None
    is_missing_known: bool = True


def missing(required: Sequence[str], features: Mapping[str, Any]) -> Reason | None:
    """The columns that the policy requires and the case lacks."""
    absent = [name for name in required if features.get(name) is None]
    if not absent:
        return None
    are, them = ("is", "it") if len(absent) == 1 else ("are", "them")
    return Reason("missing_feature", f"{_named(absent)} {are} missing; the policy lets no case act without {them}.")


def stale(stale_after: float, *, observed_at: datetime | None, received_at: datetime) -> Reason | None:
    """Whether the case was older than `stale_after` seconds when it arrived, or nobody can say how old."""
    allowed = in_words(stale_after)
    if observed_at is None:
        sentence = f"It is not known when the case was observed; the policy allows an age of {allowed}."
    elif observed_at - received_at > CLOCK_TOLERANCE:
        ahead = in_words((observed_at - received_at).total_seconds())
        sentence = f"The case is dated {ahead} after its arrival, so its age cannot be known."
    elif (age := (received_at - observed_at).total_seconds()) > stale_after:
        sentence = f"The case was {in_words(age)} old when it arrived; the policy allows {allowed}."
    else:
        return None
    return Reason("stale_features", sentence)


def out_of_range(learned: Mapping[str, Learned] | None, features: Mapping[str, Any]) -> Reason | None:
    """Values that no row the model learned from had; None for `learned`: nobody knows what it learned from."""
    if learned is None:
        sentence = "The model brings no record of the values it learned from, so this case's cannot be compared."
        return Reason("out_of_range", sentence)
    found = [told for name, known in learned.items() if (told := _unlike(name, known, features.get(name)))]
    if not found:
        return None
    more = f"; and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
    return Reason("out_of_range", f"{'; '.join(found[:MAX_NAMED])}{more}.")


def _unlike(name: str, known: Learned, value: Any) -> str:
    """How a value differs from all that were learned from. Never the value itself: reasons outlive erased inputs."""
    if value is None:
        return "" if known.is_missing_known else f"“{name}” is missing, as in no case the model learned from"
    if known.values is not None:
        return "" if value in known.values else f"“{name}” has a value that the model never met"
    if isinstance(value, int | float):
        if known.low is not None and value < known.low:
            return f"“{name}” is below {_number(known.low)}, the least that the model learned from"
        if known.high is not None and value > known.high:
            return f"“{name}” is above {_number(known.high)}, the most that the model learned from"
    return ""


def _number(value: float) -> str:
    return f"{value:,.6g}"


def _named(names: Sequence[str]) -> str:
    shown = [f"“{name}”" for name in names[:MAX_NAMED]]
    if len(names) > MAX_NAMED:
        shown.append(f"{len(names) - MAX_NAMED} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
