"""Calibration maps that run inside the ONNX graph: fitted on held-out scores, added as nodes."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

Scores = NDArray[np.float64]
# Pulls towards "leave the scores alone" with the weight of one labelled row; matters for small samples only.
_PRIOR = 0.5


@dataclass(frozen=True)
class Beta:
    """Beta calibration of a binary margin: logit = a·ln s − b·ln(1 − s) + c; a, b > 0 keep the order."""

    a: float
    b: float
    c: float

    @classmethod
    def fit(cls, margin: Scores, positive: NDArray[np.bool_]) -> "Beta":
        from scipy.optimize import minimize

        low, high = -_softplus(-margin), _softplus(margin)
        signs = np.where(positive, -1.0, 1.0)

        def loss(parameters: Scores) -> float:
            a, b, c = parameters
            fit = _softplus(signs * (a * low + b * high + c)).sum()
            return float(fit + _PRIOR * ((a - 1) ** 2 + (b - 1) ** 2 + c**2))

        found = minimize(loss, [1.0, 1.0, 0.0], bounds=[(1e-3, None), (1e-3, None), (None, None)])
        return cls(*(float(value) for value in found.x))

    def logit(self, margin: Scores) -> Scores:
        """The log-odds of the second class."""
        return np.asarray(-self.a * _softplus(-margin) + self.b * _softplus(margin) + self.c)

    def apply(self, scores: Scores) -> Scores:
        return both_classes(self.logit(scores[:, -1]))

    def nodes(self, scores: str, output: str) -> tuple[list[NodeProto], list[TensorProto]]:
        """Nodes from the ensemble's scores (rows × 2, margin last) to probabilities."""
        nodes, constants = self.logit_nodes(scores, "logit")
        return [*nodes, *nodes_of_both("logit", output)], constants

    def logit_nodes(self, scores: str, output: str) -> tuple[list[NodeProto], list[TensorProto]]:
        """Nodes from the scores to the log-odds of the second class."""
        constants = [
            constant("calibration_last", [1], TensorProto.INT64),
            constant("calibration_a", [-self.a]),
            constant("calibration_b", [self.b]),
            constant("calibration_c", [self.c]),
        ]
        steps = [
            ("Gather", [scores, "calibration_last"], "margin", {"axis": 1}),
            ("Neg", ["margin"], "margin_negative", {}),
            ("Softplus", ["margin_negative"], "minus_log_s", {}),
            ("Softplus", ["margin"], "minus_log_not_s", {}),
            ("Mul", ["minus_log_s", "calibration_a"], "low_part", {}),
            ("Mul", ["minus_log_not_s", "calibration_b"], "high_part", {}),
            ("Add", ["low_part", "high_part"], "parts", {}),
            ("Add", ["parts", "calibration_c"], output, {}),
        ]
        return [node(*step) for step in steps], constants

    def to_json(self) -> dict[str, Any]:
        return {"method": "beta", "in_graph": True, "a": self.a, "b": self.b, "c": self.c}


@dataclass(frozen=True)
class Temperature:
    """Temperature scaling of many classes' scores: one number, so no order changes."""

    temperature: float

    @classmethod
    def fit(cls, scores: Scores, truth: NDArray[np.intp]) -> "Temperature":
        from scipy.optimize import minimize_scalar

        rows = np.arange(len(truth))

        def loss(log_temperature: float) -> float:
            probabilities = cls(float(np.exp(log_temperature))).apply(scores)[rows, truth]
            return float(-np.log(np.maximum(probabilities, 1e-300)).mean())

        found = minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded")
        return cls(float(np.exp(found.x)))

    def apply(self, scores: Scores) -> Scores:
        scaled = scores / self.temperature
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def nodes(self, scores: str, output: str) -> tuple[list[NodeProto], list[TensorProto]]:
        """Nodes from scores (rows × classes) to probabilities."""
        constants = [constant("calibration_temperature", [self.temperature])]
        steps = [
            ("Div", [scores, "calibration_temperature"], "scaled_scores", {}),
            ("Softmax", ["scaled_scores"], output, {"axis": 1}),
        ]
        return [node(*step) for step in steps], constants

    def to_json(self) -> dict[str, Any]:
        return {"method": "temperature", "in_graph": True, "temperature": self.temperature}


class Calibration(Protocol):
    """A rising map from scores to probabilities, in Python and as nodes of the graph."""

    def apply(self, scores: Scores) -> Scores: ...

    def nodes(self, scores: str, output: str) -> tuple[list[NodeProto], list[TensorProto]]: ...

    def to_json(self) -> dict[str, Any]: ...


def both_classes(logit: Scores) -> Scores:
    """Probabilities of both classes from the log-odds of the second."""
    return np.stack([_sigmoid(-logit), _sigmoid(logit)], axis=1)


def nodes_of_both(logit: str, output: str) -> list[NodeProto]:
    """The same as nodes. Each class from its own sigmoid: 1 − p would lose the small one's digits."""
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Neg", [logit], f"{logit}_negative", {}),
        ("Sigmoid", [f"{logit}_negative"], "first_class", {}),
        ("Sigmoid", [logit], "second_class", {}),
        ("Concat", ["first_class", "second_class"], output, {"axis": 1}),
    ]
    return [node(*step) for step in steps]


def _softplus(values: Scores) -> Scores:
    return np.asarray(np.logaddexp(0.0, values))


def _sigmoid(values: Scores) -> Scores:
    return np.asarray(np.exp(-_softplus(-values)))


def node(operator: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> NodeProto:
    return helper.make_node(operator, inputs, [output], **attributes)


def constant(name: str, values: list[Any], kind: int = TensorProto.FLOAT) -> TensorProto:
    return helper.make_tensor(name, kind, [len(values)], values)
