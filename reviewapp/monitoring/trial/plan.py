"""What a trial is asked to do."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reviewapp.domain.errors import Invalid

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Shift:
    """From `day` on, a case that the model is p likely to have wrong is wrong with `factor`·p, at most surely."""

    day: int
    factor: float = 3.0


@dataclass(frozen=True)
class Plan:
    """One deployment. The first `early` of the rows train, the others arrive in `days` equal parts.

    promise: the greatest share of wrong automatic decisions, of every class; all classes together keep it with 95 %.
    cases: no more than so many rows arrive, the first ones; 0 for all.
    """

    data: Path
    target: str
    time: str = ""
    id: str = ""
    exclude: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    stream: str = "trial"
    promise: float = 0.05
    days: int = 40
    early: float = 0.4
    cases: int = 0
    shift: Shift | None = None

    @property
    def training(self) -> Mapping[str, Any]:
        """What training is told beside the file."""
        told = {name: getattr(self, name) for name in ("target", "time", "id", "exclude", "text")}
        return {**told, "name": self.stream}

    def body(self, classes: tuple[str, ...]) -> dict[str, Any]:
        """The policy: the same promise of every class, all of them jointly, and nothing by hand."""
        promise = {"target_error": self.promise, "confidence": CONFIDENCE}
        return {"promises": dict.fromkeys(classes, promise), "is_joint": True}

    def check(self) -> None:
        """Raises Invalid with a sentence that names the option."""
        if not 0 < self.promise < 1:
            raise Invalid(f"--promise is {self.promise:g}; a share between 0 and 1, such as 0.05.", code="promise")
        if not 2 <= self.days <= 1_000:
            raise Invalid(f"--days is {self.days:,}; from 2 to 1,000 days can be shown.", code="days")
        if not 0 < self.early < 1:
            raise Invalid(f"--early is {self.early:g}; the share of the rows that train, such as 0.4.", code="early")
        if self.cases < 0:
            raise Invalid(f"--cases is {self.cases}; how many rows arrive, or 0 for all.", code="cases")
        if self.target in self.exclude:
            raise Invalid(f"--exclude names `{self.target}`, which is --target; leave it out.", code="exclude")
        if self.shift is not None and not 1 <= self.shift.day <= self.days:
            raise Invalid(f"--shift-day is {self.shift.day}; the trial has days 1 to {self.days}.", code="shift_day")
        if self.shift is not None and not self.shift.factor >= 1:
            raise Invalid(
                f"--shift-factor is {self.shift.factor:g}; errors become at least as many, so 1 or more.",
                code="shift_factor",
            )

    def check_columns(self, there: Collection[str]) -> None:
        """Raises Invalid where an option names a column that the data has not."""
        named = [("--id", self.id)] if self.id else []
        named += [("--exclude", name) for name in self.exclude] + [("--text", name) for name in self.text]
        for option, name in named:
            if name not in there:
                known = ", ".join(f"`{one}`" for one in there)
                message = f"{self.data.name} has no column `{name}`, which {option} names; it has {known}."
                raise Invalid(message, code="column_unknown")
