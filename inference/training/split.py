"""Which rows a model learns from, which tune it, and which it is judged on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.training.refused import TrainingRefused, shown
from inference.training.target import Answers

TRAINING, TUNING = 0.6, 0.8


@dataclass(frozen=True)
class Split:
    """Three sets of rows; validation rows decide nothing before the model is finished."""

    training: NDArray[np.intp]
    tuning: NDArray[np.intp]
    validation: NDArray[np.intp]
    method: str


def by_chance(answers: Answers) -> Split:
    """Each class divided in the same shares; the same rows always divide alike."""
    draw = np.random.default_rng(0)
    parts: tuple[list[NDArray[np.intp]], ...] = ([], [], [])
    for place in range(len(answers.classes)):
        members = draw.permutation(np.flatnonzero(answers.truth == place))
        cuts = [round(TRAINING * len(members)), round(TUNING * len(members))]
        for part, rows in zip(parts, np.split(members, cuts), strict=True):
            part.append(rows)
    training, tuning, validation = (np.sort(np.concatenate(part)) for part in parts)
    return Split(training, tuning, validation, "a random fifth of each class, not trained on")


def by_time(answers: Answers, seconds: NDArray[np.float64], *, column: str) -> Split:
    """The oldest rows for training, the newest for validation; rows of one moment stay together."""
    moments = np.quantile(seconds, [TRAINING, TUNING], method="lower")
    training = np.flatnonzero(seconds <= moments[0])
    tuning = np.flatnonzero((seconds > moments[0]) & (seconds <= moments[1]))
    validation = np.flatnonzero(seconds > moments[1])
    for rows, words in ((training, "oldest"), (tuning, "later"), (validation, "newest")):
        for place, label in enumerate(answers.classes):
            if not (answers.truth[rows] == place).any():
                raise TrainingRefused(
                    f"Split by `{column}`, the {words} rows have none of class {shown(label)}; add rows of that time, "
                    "join the class with another, or train without --time."
                )
    return Split(training, tuning, validation, f"the newest rows by `{column}`, not trained on")
