"""The kinds of models that are tried, each as scores before calibration and as the nodes that compute them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inference.decode import Feeds
from inference.manifest import Column
from inference.training import features, linear, net, trees
from inference.training.features import Features, Matrix, Style
from inference.training.onnx_graph import Part

Scores = NDArray[np.float64]


class Estimator(Protocol):
    """A fitted model on features."""

    def scores(self, matrix: Matrix) -> Scores:
        """Rows × classes before calibration; of two classes the second counts."""
        ...

    def nodes(self, given: str, output: str) -> Part:
        """The same as nodes."""
        ...


@dataclass(frozen=True)
class Labelled:
    """Rows of features with their answers."""

    matrix: Matrix
    truth: NDArray[np.intp]


@dataclass(frozen=True)
class Kind:
    """One kind of model: the features it wants, how it is fitted, how it is explained."""

    name: str
    style: Style
    fit: Callable[[Labelled, Labelled, int], Estimator]
    method: str

    def explainer(self, classes: int) -> dict[str, Any]:
        space = "probability" if self.method == "permutation_shap" else "log_odds" if classes == 2 else "class_score"
        return {"method": self.method, "background_rows": 100, "output_space": space}


TREES = Kind("gradient boosting", "trees", trees.fit, "tree_shap_interventional")
LINEAR = Kind("linear", "scaled", linear.fit, "linear_shap")
NET = Kind("small neural net", "scaled", net.fit, "permutation_shap")


def kinds(columns: Sequence[Column], *, is_image: bool) -> tuple[Kind, ...]:
    """What is worth trying on these columns."""
    if is_image:
        return (LINEAR, NET)
    if all(column.dtype == "text" for column in columns):
        return (LINEAR,)
    if any(column.dtype == "text" for column in columns):
        return (TREES, LINEAR)
    return (TREES, LINEAR, NET)


@dataclass(frozen=True)
class Candidate:
    """A fitted model from input columns to scores."""

    kind: Kind
    features: Features
    estimator: Estimator

    def scores(self, feeds: Feeds) -> Scores:
        return self.estimator.scores(self.features.apply(feeds))

    def parts(self, output: str) -> list[Part]:
        return [self.features.nodes("prepared"), self.estimator.nodes("prepared", output)]


class Prepared:
    """The rows as features, worked out once for each style."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        training: tuple[Feeds, NDArray[np.intp]],
        tuning: tuple[Feeds, NDArray[np.intp]],
        classes: int,
    ) -> None:
        self._columns, self._training, self._tuning, self._classes = columns, training, tuning, classes
        self._known: dict[Style, tuple[Features, Labelled, Labelled]] = {}

    def fit(self, kind: Kind) -> Candidate:
        if kind.style not in self._known:
            feeds, truth = self._training
            found, matrix = features.fit(self._columns, feeds, truth, style=kind.style)
            tuning = Labelled(found.apply(self._tuning[0]), self._tuning[1])
            self._known[kind.style] = (found, Labelled(matrix, truth), tuning)
        found, training, tuning = self._known[kind.style]
        return Candidate(kind, found, kind.fit(training, tuning, self._classes))
