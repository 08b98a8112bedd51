"""A small neural net as a candidate."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from inference.training.onnx_graph import Part

if TYPE_CHECKING:
    from inference.training.candidates import Labelled

MAX_ROWS = 60_000
_SETTINGS: dict[str, Any] = {
    "hidden_layer_sizes": (64,),
    "alpha": 1e-2,
    "learning_rate_init": 2e-3,
    "batch_size": 256,
    "max_iter": 30,
    "early_stopping": True,
    "n_iter_no_change": 4,
    "random_state": 0,
}


@dataclass(frozen=True)
class Net:
    """Layers of weights and biases with ReLU between; scores before the softmax."""

    weights: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]

    def scores(self, matrix: Any) -> NDArray[np.float64]:
        return scores(self.weights, self.biases, matrix)

    def nodes(self, given: str, output: str) -> Part:
        return nodes(self.weights, self.biases, given=given, output=output)


def fit(training: "Labelled", tuning: "Labelled", classes: int) -> Net:  # noqa: ARG001 it stops early on rows of its own
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    rows = np.random.default_rng(0).permutation(len(training.truth))[:MAX_ROWS]
    size = min(_SETTINGS["batch_size"], max(8, len(rows) // 10))
    with warnings.catch_warnings():
        # Thirty rounds are what a candidate gets.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = MLPClassifier(**{**_SETTINGS, "batch_size": size, "max_iter": 200 if len(rows) < 5_000 else 30})
        model.fit(training.matrix[rows], training.truth[rows])
    weights = [layer.astype(np.float32) for layer in model.coefs_]
    biases = [layer.astype(np.float32) for layer in model.intercepts_]
    if classes == 2:
        weights[-1] = np.concatenate([-weights[-1], weights[-1]], axis=1)
        biases[-1] = np.concatenate([-biases[-1], biases[-1]])
    return Net(tuple(weights), tuple(biases))


def scores(weights: Any, biases: Any, matrix: Any) -> NDArray[np.float64]:
    """The net's outputs before its softmax, which scikit-learn does not offer."""
    values = np.asarray(matrix, dtype=np.float64)
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        values = values @ weight + bias
        if layer < len(weights) - 1:
            values = np.maximum(values, 0.0)
    return values


def nodes(weights: Any, biases: Any, *, given: str, output: str) -> tuple[list[NodeProto], list[TensorProto]]:
    """A Gemm per layer with Relu between."""
    found, constants, last = [], [], len(weights) - 1
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        constants.append(numpy_helper.from_array(weight.astype(np.float32), f"weights_{layer}"))
        constants.append(numpy_helper.from_array(bias.astype(np.float32), f"bias_{layer}"))
        source = given if layer == 0 else f"layer_{layer}"
        sums = output if layer == last else f"sums_{layer}"
        found.append(helper.make_node("Gemm", [source, f"weights_{layer}", f"bias_{layer}"], [sums]))
        if layer < last:
            found.append(helper.make_node("Relu", [sums], [f"layer_{layer + 1}"]))
    return found, constants
