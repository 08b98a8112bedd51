"""Linear layers of an ONNX file: their SHAP values are coefficient × (value − mean of the background)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference import trees
from inference.score_graph import NotAdditive, Part, ScoreGraph

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearLayer:
    """scores = features · coefficients + intercept; coefficients are features × outputs."""

    coefficients: Floats
    intercept: Floats
    centre: Floats

    @property
    def num_outputs(self) -> int:
        return len(self.coefficients[0])

    def base(self, weights: Floats) -> float:
        """The mean over the background of the outputs weighted."""
        return float((self.centre @ self.coefficients + self.intercept) @ weights)

    def score(self, features: Floats, weights: Floats) -> Floats:
        """The outputs weighted, per row."""
        return np.asarray((features @ self.coefficients + self.intercept) @ weights)

    def values(self, features: Floats, weights: Floats) -> Floats:
        """SHAP values of the outputs weighted: rows × features."""
        return np.asarray((features - self.centre) * (self.coefficients @ weights))


def read(scores: ScoreGraph, part: Part, background: Floats) -> LinearLayer:
    """The layer as its node has it, centred on a background of rows × features."""
    attributes = trees.attributes_of(part.node)
    constants = [scores.constants.get(name) for name in part.node.input]
    if part.node.op_type in {"LinearClassifier", "LinearRegressor"}:
        coefficients, intercept = _classical(attributes, background.shape[1])
    else:
        coefficients, intercept = _dense(attributes, constants)
    if coefficients.shape[0] != background.shape[1] or coefficients.ndim != 2:
        raise NotAdditive("The linear layer has other coefficients than it is given features.")
    return LinearLayer(coefficients, np.broadcast_to(intercept, coefficients.shape[1:]), background.mean(axis=0))


def _classical(attributes: dict[str, Any], width: int) -> tuple[Floats, Floats]:
    coefficients = np.asarray(attributes["coefficients"], dtype=np.float64).reshape(-1, width)
    intercept = np.asarray(attributes.get("intercepts", ()), dtype=np.float64)
    return coefficients.T, intercept if len(intercept) else np.zeros(len(coefficients))


def _dense(attributes: dict[str, Any], constants: list[NDArray[Any] | None]) -> tuple[Floats, Floats]:
    matrix = constants[1]
    if matrix is None or attributes.get("transA"):
        raise NotAdditive("The linear layer's coefficients are not in the file.")
    coefficients = np.asarray(matrix, dtype=np.float64) * attributes.get("alpha", 1.0)
    if attributes.get("transB"):
        coefficients = coefficients.T
    if len(constants) < 3:
        return coefficients, np.zeros(1)
    if constants[2] is None:
        raise NotAdditive("The linear layer's intercept is not in the file.")
    return coefficients, np.asarray(constants[2], dtype=np.float64).reshape(-1) * attributes.get("beta", 1.0)
