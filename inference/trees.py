"""Tree ensembles as they stand in an ONNX file, in the form SHAP computes with.

The graph that serves is the one that is explained: thresholds, missing values and base values are read from
its `TreeEnsembleClassifier` or `TreeEnsembleRegressor`, not from the library that trained it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import NodeProto

OPERATORS = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
_BRANCHES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT")
Attributes = Mapping[str, Any]


class TreesUnsupported(ValueError):
    """An ensemble whose scores cannot be told exactly by SHAP's trees; explain it as a black box."""


@dataclass(frozen=True)
class Tree:
    """One tree; children are indices, -1 at a leaf; `values` is nodes × outputs."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    missing: NDArray[np.int32]
    features: NDArray[np.int32]
    thresholds: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Ensemble:
    """The whole ensemble: output = base + sum over its trees."""

    trees: tuple[Tree, ...]
    base: NDArray[np.float64]
    is_binary_margin: bool  # one stored score, which belongs to the second class

    @property
    def num_outputs(self) -> int:
        return len(self.base)

    def for_shap(self, output: int) -> dict[str, Any]:
        """SHAP's dict form of the trees that touch one output."""
        chosen = [tree for tree in self.trees if tree.values[:, output].any()] or [self.trees[0]]
        return {
            "trees": [
                {
                    "children_left": tree.left,
                    "children_right": tree.right,
                    "children_default": tree.missing,
                    "features": tree.features,
                    "thresholds": tree.thresholds,
                    "values": tree.values[:, output : output + 1],
                    # Only path-dependent SHAP reads the weights, and converters do not keep them.
                    "node_sample_weight": np.ones(len(tree.left)),
                }
                for tree in chosen
            ],
            "base_offset": float(self.base[output]),
            "internal_dtype": np.float64,
            "input_dtype": np.float64,
            "tree_output": "raw_value",
        }


def parse(node: "NodeProto") -> Ensemble:
    """Read an ensemble node; raises TreesUnsupported for what SHAP's trees cannot say."""
    from onnx import helper

    if node.op_type not in OPERATORS:
        raise TreesUnsupported(f"{node.op_type} is not a tree ensemble that can be read.")
    attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    if any(name.endswith("_as_tensor") for name in attributes):
        raise TreesUnsupported("The ensemble stores double tensors.")
    prefix = "class" if node.op_type == "TreeEnsembleClassifier" else "target"
    outputs, is_binary_margin = _outputs(attributes, prefix)
    trees = _trees(attributes, prefix=prefix, outputs=outputs)
    scale = _aggregate(attributes, len(trees))
    base = np.zeros(outputs)
    base_values = np.asarray(attributes.get("base_values", ()), dtype=np.float64)
    if len(base_values):
        if len(base_values) != outputs:
            raise TreesUnsupported("The ensemble has base values for other outputs than its trees.")
        base = base_values
    if scale != 1.0:
        trees = [Tree(t.left, t.right, t.missing, t.features, t.thresholds, t.values * scale) for t in trees]
    return Ensemble(tuple(trees), base, is_binary_margin)


def _outputs(attributes: Attributes, prefix: str) -> tuple[int, bool]:
    if prefix == "target":
        return int(attributes.get("n_targets", 1)), False
    labels = attributes.get("classlabels_int64s") or attributes.get("classlabels_strings") or ()
    ids = set(attributes["class_ids"])
    # Two labels but weights under one id only: that one score is the second class's, whatever the id.
    if len(labels) == 2 and len(ids) == 1:
        return 1, True
    return len(labels), False


def _aggregate(attributes: Attributes, num_trees: int) -> float:
    how = attributes.get("aggregate_function", b"SUM").decode()
    if how == "SUM":
        return 1.0
    if how == "AVERAGE":
        return 1.0 / num_trees
    raise TreesUnsupported(f"The ensemble aggregates by {how}.")


def _trees(attributes: Attributes, *, prefix: str, outputs: int) -> list[Tree]:
    tree_ids = np.asarray(attributes["nodes_treeids"], dtype=np.int64)
    node_ids = np.asarray(attributes["nodes_nodeids"], dtype=np.int64)
    weights = _leaf_weights(attributes, prefix=prefix, outputs=outputs)
    trees = []
    for tree_id in dict.fromkeys(tree_ids.tolist()):
        rows = np.flatnonzero(tree_ids == tree_id)
        place = {int(node_id): index for index, node_id in enumerate(node_ids[rows])}
        trees.append(_tree(attributes, rows, place, values=_values(weights.get(tree_id, []), place, outputs)))
    return trees


def _leaf_weights(attributes: Attributes, *, prefix: str, outputs: int) -> dict[int, list[tuple[int, int, float]]]:
    weights: dict[int, list[tuple[int, int, float]]] = {}
    columns = [attributes[f"{prefix}_{part}"] for part in ("treeids", "nodeids", "ids", "weights")]
    for tree_id, node_id, output, weight in zip(*columns, strict=True):
        weights.setdefault(int(tree_id), []).append((int(node_id), 0 if outputs == 1 else int(output), float(weight)))
    return weights


def _values(weights: list[tuple[int, int, float]], place: Mapping[int, int], outputs: int) -> NDArray[np.float64]:
    values = np.zeros((len(place), outputs))
    for node_id, output, weight in weights:
        values[place[node_id], output] += weight
    return values


def _tree(
    attributes: Attributes, rows: NDArray[np.intp], place: Mapping[int, int], *, values: NDArray[np.float64]
) -> Tree:
    size = len(rows)
    left, right, missing = (np.full(size, -1, dtype=np.int32) for _ in range(3))
    features, thresholds = np.zeros(size, dtype=np.int32), np.zeros(size)
    tracks_true = attributes.get("nodes_missing_value_tracks_true") or [0] * len(attributes["nodes_modes"])
    for index, row in enumerate(rows):
        mode = attributes["nodes_modes"][row].decode()
        if mode == "LEAF":
            continue
        if mode not in _BRANCHES:
            raise TreesUnsupported(f"The ensemble branches by {mode}.")
        when_true = place[attributes["nodes_truenodeids"][row]]
        when_false = place[attributes["nodes_falsenodeids"][row]]
        threshold = np.float32(attributes["nodes_values"][row])
        if mode in {"BRANCH_LT", "BRANCH_GTE"}:
            # Inputs are float32, so `x < t` is `x <= the float32 just below t`.
            threshold = np.nextafter(threshold, np.float32(-np.inf))
        goes_left_when_true = mode in {"BRANCH_LEQ", "BRANCH_LT"}
        left[index], right[index] = (when_true, when_false) if goes_left_when_true else (when_false, when_true)
        missing[index] = when_true if tracks_true[row] else when_false
        features[index] = attributes["nodes_featureids"][row]
        thresholds[index] = float(threshold)
    return Tree(left, right, missing, features, thresholds, values)
