"""Isotonic calibration on top of beta calibration: what is left where there are rows enough to see it.

The log-odds of beta calibration are bent by a rising broken line through the frequencies seen (pool adjacent
violators; Zadrozny and Elkan 2002). Beyond its ends the line runs on with a slope of one: flat ends, as isotonic
regression has them, would call the surest answers all alike and trust them too much.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from inference.training.calibration import Beta, Scores, both_classes, constant, node, nodes_of_both

# With fewer rows beta calibration's three numbers tell more than a line of many.
MIN_ROWS = 5_000
MIN_IN_BIN = 200
MAX_BINS = 50
_FOLDS = 5
# Larger than any log-odds in single precision that still means something.
_FAR = 1e4


@dataclass(frozen=True)
class Isotonic:
    """`logits` are those given at the log-odds `knots` of the beta calibration; both rise strictly."""

    beta: Beta
    knots: tuple[float, ...]
    logits: tuple[float, ...]

    @classmethod
    def fit(cls, beta: Beta, margin: Scores, positive: NDArray[np.bool_]) -> "Isotonic | None":
        """None where the frequencies do not rise at all."""
        from sklearn.isotonic import isotonic_regression

        order = np.argsort(beta.logit(margin), kind="stable")
        at, hit = beta.logit(margin)[order], positive[order]
        bins = np.array_split(np.arange(len(at)), min(MAX_BINS, len(at) // MIN_IN_BIN))
        sizes = np.array([len(rows) for rows in bins], dtype=np.float64)
        # Half a row of either class keeps a bin of one class from being certain.
        shares = np.array([(hit[rows].sum() + 0.5) / (len(rows) + 1) for rows in bins])
        centres = np.array([at[rows].mean() for rows in bins])
        level = isotonic_regression(shares, sample_weight=sizes)
        _, block = np.unique(level, return_inverse=True)
        weight = np.bincount(block, weights=sizes)
        knots = np.bincount(block, weights=sizes * centres) / weight
        share = np.bincount(block, weights=sizes * level) / weight
        if len(knots) < 2 or (np.diff(knots) < 1e-3).any():
            return None
        return cls(beta, tuple(knots.tolist()), tuple(np.log(share / (1 - share)).tolist()))

    def logit(self, margin: Scores) -> Scores:
        """The log-odds of the second class."""
        at, knots = self.beta.logit(margin), np.array(self.knots)
        outside = np.minimum(at - knots[0], 0.0) + np.maximum(at - knots[-1], 0.0)
        return np.asarray(np.interp(at, knots, self.logits) + outside)

    def apply(self, scores: Scores) -> Scores:
        return both_classes(self.logit(scores[:, -1]))

    def nodes(self, scores: str, output: str) -> tuple[list[NodeProto], list[TensorProto]]:
        """Nodes from the ensemble's scores (rows × 2, margin last) to probabilities: one column per piece."""
        nodes, constants = self.beta.logit_nodes(scores, "beta_logit")
        knots, logits = np.array(self.knots), np.array(self.logits)
        slopes = np.concatenate([[1.0], np.diff(logits) / np.diff(knots), [1.0]])
        row = [1, len(slopes)]
        constants += [
            _row("calibration_from", [-_FAR, *knots], row),
            _row("calibration_to", [*knots, _FAR], row),
            _row("calibration_origin", [knots[0], *knots], row),
            _row("calibration_slopes", slopes, row),
            constant("calibration_columns", [1], TensorProto.INT64),
            constant("calibration_start", [float(logits[0])]),
        ]
        steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
            ("Max", ["beta_logit", "calibration_from"], "not_below", {}),
            ("Min", ["not_below", "calibration_to"], "within", {}),
            ("Sub", ["within", "calibration_origin"], "pieces", {}),
            # Not MatMul: the explainer would take it for a layer of the model.
            ("Mul", ["pieces", "calibration_slopes"], "risen_parts", {}),
            ("ReduceSum", ["risen_parts", "calibration_columns"], "risen", {"keepdims": 1}),
            ("Add", ["risen", "calibration_start"], "logit", {}),
        ]
        return [*nodes, *(node(*step) for step in steps), *nodes_of_both("logit", output)], constants

    def to_json(self) -> dict[str, Any]:
        given = self.beta.to_json()
        return {**given, "method": "isotonic over beta", "knots": list(self.knots), "logits": list(self.logits)}


def refined(beta: Beta, margin: Scores, positive: NDArray[np.bool_]) -> Beta | Isotonic:
    """Isotonic where it tells rows it was not fitted on better than beta, by more than chance explains."""
    if len(margin) < MIN_ROWS:
        return beta
    fold = np.random.default_rng(0).permutation(len(margin)) % _FOLDS
    gained = np.zeros(len(margin))
    for number in range(_FOLDS):
        own, held = fold != number, fold == number
        before = Beta.fit(margin[own], positive[own])
        after = Isotonic.fit(before, margin[own], positive[own])
        if after is None:
            return beta
        signs = np.where(positive[held], -1.0, 1.0)
        gained[held] = np.logaddexp(0, signs * before.logit(margin[held])) - np.logaddexp(
            0, signs * after.logit(margin[held])
        )
    if gained.mean() <= 2 * gained.std() / np.sqrt(len(gained)):
        return beta
    return Isotonic.fit(beta, margin, positive) or beta


def _row(name: str, values: Any, shape: list[int]) -> TensorProto:
    return helper.make_tensor(name, TensorProto.FLOAT, shape, np.asarray(values, dtype=np.float32).ravel())
