"""Rounds of a measurement: the anchor and the product by turns, a ratio per round, a JSON line per sample."""

import json
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TextIO

# An anchor this far from its median says that the machine was busy with something else.
NOISE = 0.25


class WrongAnswer(Exception):
    """A sample was taken of something that did not do its work; its speed means nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured value; `facts` are told beside it."""

    value: float
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Goal:
    """What is compared with what. Without target the comparison is told and judged by nobody."""

    key: str
    title: str
    anchor: str
    unit: str
    target: float | None = None
    stretch: float | None = None
    is_less_better: bool = False


@dataclass
class Result:
    """The rounds of one goal. `misses` names conditions beside the ratio that did not hold."""

    goal: Goal
    product: list[float] = field(default_factory=list)
    anchor: list[float] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)
    wrong: str = ""

    @property
    def ratios(self) -> list[float]:
        return [mine / its for mine, its in zip(self.product, self.anchor, strict=False) if its]

    @property
    def noisy(self) -> list[int]:
        """The rounds, from 1, in which the anchor was far from its own median."""
        if not self.anchor:
            return []
        usual = statistics.median(self.anchor)
        return [number for number, value in enumerate(self.anchor, 1) if abs(value - usual) > NOISE * usual]

    @property
    def verdict(self) -> str:
        if self.wrong:
            return "WRONG"
        if not self.ratios:
            return "not run"
        if self.goal.target is None:
            return "-"
        if self.misses or not self._reaches(self.goal.target):
            return "missed"
        is_stretched = self.goal.stretch is not None and self._reaches(self.goal.stretch)
        return "met, stretch" if is_stretched else "met"

    def _reaches(self, bound: float) -> bool:
        median = statistics.median(self.ratios)
        return median <= bound if self.goal.is_less_better else median >= bound


class Recorder:
    """Writes one JSON object per line, as it happens."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, kind: str, **content: Any) -> None:
        print(json.dumps({"kind": kind, **content}, default=str), file=self._out, flush=True)

    def sample(self, goal: Goal, side: str, number: int | str, sample: Sample) -> None:
        load = round(os.getloadavg()[0], 2)
        self.write(
            "sample",
            goal=goal.key,
            title=goal.title,
            side=side,
            round=number,
            value=sample.value,
            unit=goal.unit,
            load=load,
            **sample.facts,
        )
        print(f"{goal.key:>4} {side:8} round {number}: {sample.value:,.4g} {goal.unit}", file=sys.stderr, flush=True)


def interleave(
    goal: Goal, recorder: Recorder, *, product: Callable[[], Sample], anchor: Callable[[], Sample], rounds: int
) -> Result:
    """Anchor, product, anchor, product …; the first call of each is cold and told apart."""
    result = Result(goal)
    recorder.sample(goal, "product", "cold", product())
    recorder.sample(goal, "anchor", "cold", anchor())
    for number in range(1, rounds + 1):
        base = anchor()
        recorder.sample(goal, "anchor", number, base)
        mine = product()
        recorder.sample(goal, "product", number, mine)
        result.anchor.append(base.value)
        result.product.append(mine.value)
    return result


def check(is_right: bool, what: str) -> None:
    if not is_right:
        raise WrongAnswer(what)
