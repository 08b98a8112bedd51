"""Logistic regression as a candidate."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from inference.training.measure import log_loss
from inference.training.onnx_graph import Part

if TYPE_CHECKING:
    from inference.training.candidates import Labelled

# Weak to strong trust in the training rows.
_TRUST = (0.01, 0.1, 1.0, 10.0)
_ITERATIONS = 300


@dataclass(frozen=True)
class Linear:
    """scores = features · coefficients + intercept; coefficients are features × classes."""

    coefficients: NDArray[np.float32]
    intercept: NDArray[np.float32]

    def scores(self, matrix: Any) -> NDArray[np.float64]:
        return np.asarray(matrix @ self.coefficients.astype(np.float64) + self.intercept, dtype=np.float64)

    def nodes(self, given: str, output: str) -> Part:
        node = helper.make_node("Gemm", [given, "coefficients", "intercept"], [output])
        constants = [
            numpy_helper.from_array(self.coefficients, "coefficients"),
            numpy_helper.from_array(self.intercept, "intercept"),
        ]
        return [node], constants


def fit(training: "Labelled", tuning: "Labelled", classes: int) -> Linear:
    """The fit, among several strengths of regularisation, that tells the tuning rows best."""
    from sklearn.linear_model import LogisticRegression

    best: tuple[float, Any] | None = None
    model = LogisticRegression(max_iter=_ITERATIONS, tol=1e-3, warm_start=True)
    for trust in _TRUST:
        model.set_params(C=trust).fit(training.matrix, training.truth)
        loss = log_loss(model.predict_proba(tuning.matrix).astype(np.float64), tuning.truth)
        if best is not None and loss >= best[0]:
            break
        best = (loss, (model.coef_.copy(), model.intercept_.copy()))
    assert best is not None
    coefficients, intercept = best[1]
    if classes == 2:
        coefficients, intercept = np.concatenate([-coefficients, coefficients]), np.concatenate([-intercept, intercept])
    return Linear(np.ascontiguousarray(coefficients.T, dtype=np.float32), intercept.astype(np.float32))
