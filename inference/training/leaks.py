"""Columns that tell the answer by themselves: mostly written down after it was known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.manifest import Column
from inference.training.measure import rank_auc

SUSPECT = 0.99
MAX_ROWS = 20_000
_LEAVES = 16


@dataclass(frozen=True)
class Leak:
    """A column and how well it alone tells a class from the others."""

    column: str
    label: str
    auc: float

    def __str__(self) -> str:
        return (
            f"`{self.column}` alone tells class {self.label} from the rest (AUC {self.auc:.3f}). If it is known only "
            "after "
            f"the answer, exclude it."
        )


def find(
    columns: Sequence[Column],
    table: dict[str, list[Any]],
    *,
    rows: NDArray[np.intp],
    truth: NDArray[np.intp],
    classes: Sequence[str],
) -> list[Leak]:
    """Columns whose AUC for some class is above 0.99; half of the rows learn, the other half are asked."""
    if len(rows) > MAX_ROWS:
        rows = np.random.default_rng(0).choice(rows, MAX_ROWS, replace=False)
    order = np.random.default_rng(0).permutation(rows)
    learn, ask = order[::2], order[1::2]
    found = []
    for column in columns:
        if column.dtype == "text":
            continue
        best = _best(_numbers(table[column.name], learn, ask), truth[learn], truth[ask], count=len(classes))
        if best is not None and best[0] > SUSPECT:
            found.append(Leak(column.name, classes[best[1]], best[0]))
    return found


def _numbers(values: list[Any], learn: NDArray[np.intp], ask: NDArray[np.intp]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Numbers as they are, words by their place in the alphabet; what is missing is below everything."""
    order = [*learn.tolist(), *ask.tolist()]
    if any(isinstance(values[row], str) for row in order):
        known = {word: place for place, word in enumerate(sorted({values[row] for row in order if values[row]}))}
        numbers = np.array([known.get(values[row], -1) for row in order], dtype=np.float64)
    else:
        numbers = np.array([np.nan if values[row] is None else float(values[row]) for row in order])
        numbers = np.nan_to_num(numbers, nan=np.nanmin(numbers, initial=0.0) - 1.0)
    return numbers[: len(learn), None], numbers[len(learn) :, None]


def _best(
    numbers: tuple[NDArray[Any], NDArray[Any]], learnt: NDArray[np.intp], asked: NDArray[np.intp], *, count: int
) -> tuple[float, int] | None:
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(max_leaf_nodes=_LEAVES, min_samples_leaf=5, random_state=0)
    tree.fit(numbers[0], learnt)
    told = tree.predict_proba(numbers[1])
    found = [
        (rank_auc(told[:, at], asked == place), int(place))
        for at, place in enumerate(tree.classes_)
        if (asked == place).sum() >= 10 and place < count
    ]
    return max(found, default=None)
