"""The data sets of the trials, and what the product's model says of their later rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.models import SETS
from reviewapp.monitoring.trial.plan import Plan

DAYS = 60


@dataclass(frozen=True)
class Live:
    """A trial on the whole product: all rows, or the first `cases` of them; from `shift_day` on errors triple."""

    cases: int = 0
    days: int = DAYS
    shift_day: int = 0

    @property
    def options(self) -> list[str]:
        told = ["--days", str(self.days)]
        told += ["--cases", str(self.cases)] if self.cases else []
        return told + (["--shift-day", str(self.shift_day)] if self.shift_day else [])


@dataclass(frozen=True)
class Set:
    """One data set under a promise. live: by the name of its file of results, its trials on the whole product."""

    name: str
    promise: float
    live: Mapping[str, Live] = field(default_factory=dict)

    def options(self, data: Path | str) -> list[str]:
        """What `manage.py loop_trial` is told."""
        plan = self.plan(Path(data))
        told = [str(plan.data), "--target", plan.target]
        told += ["--time", plan.time] if plan.time else []
        told += ["--id", plan.id] if plan.id else []
        told += ["--exclude", *plan.exclude] if plan.exclude else []
        told += ["--text", *plan.text] if plan.text else []
        return [*told, "--promise", f"{self.promise:g}", "--stream", plan.stream]

    def plan(self, data: Path) -> Plan:
        known = SETS[self.name]
        return Plan(
            data=data / known.path,
            target=known.task.target,
            time=known.task.time,
            id=known.task.id,
            exclude=known.task.exclude,
            text=known.task.text,
            stream=known.task.name,
            promise=self.promise,
            days=DAYS,
        )


# Promises at which somebody who knows every answer could automate a good part of the cases.
TRIALS = (
    Set("credit_default", 0.15, {"credit_default": Live(), "credit_default-shift": Live(2_400, days=24, shift_day=17)}),
    Set("hospital_readmission", 0.30),
    Set("food_inspections", 0.10, {"food_inspections": Live()}),
    Set("tweet_moderation", 0.05),
)


@dataclass(frozen=True)
class Predictions:
    """What a model says of the later rows, in order of arrival: places of classes, confidences, whether it is wrong."""

    classes: tuple[str, ...]
    answers: NDArray[np.intp]
    confidences: NDArray[np.float64]
    is_wrong: NDArray[np.bool_]
    trained_on: int

    @property
    def said(self) -> NDArray[Any]:
        """The classes by name."""
        return np.asarray(self.classes)[self.answers]


def predicted(plan: Plan, *, kept: Path | None = None) -> Predictions:
    """Train on the early rows as the product does and predict the later ones; `kept`: a directory to look in first."""
    file = kept / f"{plan.stream}.npz" if kept else None
    if file is not None and file.is_file():
        held = np.load(file)
        return Predictions(
            classes=tuple(held["classes"].tolist()),
            answers=held["answers"],
            confidences=held["confidences"],
            is_wrong=held["is_wrong"],
            trained_on=int(held["trained_on"]),
        )
    found = _predicted(plan)
    if file is not None:
        np.savez(
            file,
            classes=found.classes,
            answers=found.answers,
            confidences=found.confidences,
            is_wrong=found.is_wrong,
            trained_on=found.trained_on,
        )
    return found


def _predicted(plan: Plan) -> Predictions:
    from inference.decode import Decoder
    from reviewapp import inference_client

    with TemporaryDirectory() as scratch:
        early, later = inference_client.divide(
            plan.data, Path(scratch), target=plan.target, time=plan.time, share=plan.early
        )
        trained = inference_client.train(early, say=lambda _: None, **plan.training)
    rows = later.rows(trained.manifest.columns)
    probabilities = trained.score(Decoder(trained.manifest).feeds(rows))
    answers = probabilities.argmax(axis=1)
    classes = trained.manifest.classes
    truth = np.array([classes.index(one) if one in classes else -1 for one in later.answers])
    return Predictions(
        classes=classes,
        answers=answers,
        confidences=probabilities.max(axis=1).astype(np.float64),
        is_wrong=answers != truth,
        trained_on=int(trained.manifest.lineage["rows"]),
    )
