"""Gradient-boosted trees by LightGBM as a candidate."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference.training.onnx_graph import OPSETS, Part

if TYPE_CHECKING:
    from inference.training.candidates import Labelled

MAX_ROUNDS = 300
_PATIENCE = 20
_SETTINGS: dict[str, Any] = {
    "learning_rate": 0.1,
    "num_leaves": 15,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 2,
    "seed": 0,
    "verbosity": -1,
}
# LightGBM's bits for "a missing value has a side of its own".
_MISSING_IS_NAN, _KEPT_BITS = 8, 3


@dataclass(frozen=True)
class Trees:
    """A booster whose thresholds are float32 numbers, as those in the graph are."""

    booster: Any
    classes: int
    width: int

    def scores(self, matrix: Any) -> NDArray[np.float64]:
        found = np.asarray(self.booster.predict(_dense(matrix), raw_score=True), dtype=np.float64)
        return np.stack([-found, found], axis=1) if self.classes == 2 else found

    def nodes(self, given: str, output: str) -> Part:
        """The one ensemble that the explanations read."""
        from onnxmltools import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType

        converted = convert_lightgbm(
            self.booster,
            initial_types=[(given, FloatTensorType([None, self.width]))],
            zipmap=False,
            target_opset=min(15, OPSETS[""]),
        )
        (node,) = [node for node in converted.graph.node if node.op_type == "TreeEnsembleClassifier"]
        for attribute in node.attribute:
            if attribute.name == "post_transform":
                attribute.s = b"NONE"
        node.input[:] = [given]
        node.output[:] = ["label", output]
        return [node], []


def fit(training: "Labelled", tuning: "Labelled", classes: int) -> Trees:
    """As many rounds as the tuning rows gain from."""
    import lightgbm

    objective = {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": classes}
    # Few rows need small leaves, or there is nothing to split.
    leaf = max(3, min(_SETTINGS["min_data_in_leaf"], len(training.truth) // 50))
    matrix = _dense(training.matrix)
    data = lightgbm.Dataset(matrix, training.truth, free_raw_data=True)
    booster = lightgbm.train(
        {**_SETTINGS, **objective, "min_data_in_leaf": leaf},
        data,
        num_boost_round=MAX_ROUNDS,
        valid_sets=[lightgbm.Dataset(_dense(tuning.matrix), tuning.truth, reference=data)],
        callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
    )
    return Trees(_in_float32(booster), classes, matrix.shape[1])


def _in_float32(booster: Any) -> Any:
    """The same booster with each threshold rounded down to float32, which answers float32 rows alike.

    Rounded to the nearest, as converters do, a threshold can pass the very value it stood just below.
    """
    import lightgbm

    text = booster.model_to_string(num_iteration=booster.best_iteration)
    text = re.sub(r"^threshold=(.*)$", lambda found: f"threshold={_rounded_down(found[1])}", text, flags=re.MULTILINE)
    text = re.sub(r"^decision_type=(.*)$", _with_missing_side, text, flags=re.MULTILINE)
    # The sizes of the trees in bytes have changed; without them they are read one after the other.
    text = re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE)
    return lightgbm.Booster(model_str=text)


def _rounded_down(thresholds: str) -> str:
    exact = np.array(thresholds.split(), dtype=np.float64)
    near = exact.astype(np.float32)
    below = np.where(near.astype(np.float64) > exact, np.nextafter(near, np.float32(-np.inf)), near)
    return " ".join(repr(float(value)) for value in below)


def _with_missing_side(found: re.Match[str]) -> str:
    """A split that saw nothing missing would take it for zero; here it goes the split's default way, as in ONNX."""
    return "decision_type=" + " ".join(str(int(one) & _KEPT_BITS | _MISSING_IS_NAN) for one in found[1].split())


def _dense(matrix: Any) -> NDArray[np.float32]:
    return np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix, dtype=np.float32)
