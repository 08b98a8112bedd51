"""Tree ensembles as they stand in an ONNX file, every branch mode and form of them.

The graph that serves is the one that is explained: thresholds, missing values and base values are read from
its own nodes, not from the library that trained it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import NodeProto

OPERATORS = ("TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble")
# In the order of the numbers that the operator TreeEnsemble gives them.
LEQ, LT, GTE, GT, EQ, NEQ, MEMBER = range(7)
LEAF = 255
_MODES = {
    b"BRANCH_LEQ": LEQ,
    b"BRANCH_LT": LT,
    b"BRANCH_GTE": GTE,
    b"BRANCH_GT": GT,
    b"BRANCH_EQ": EQ,
    b"BRANCH_NEQ": NEQ,
    b"LEAF": LEAF,
}
Attributes = Mapping[str, Any]


class TreesUnsupported(ValueError):
    """An ensemble whose scores are no sum of its leaves; explain it as a black box."""


@dataclass(frozen=True)
class Tree:
    """One tree, its root first; children are indices into the same arrays; `values` is nodes × outputs."""

    modes: NDArray[np.uint8]
    features: NDArray[np.int64]
    thresholds: NDArray[np.float64]
    when_true: NDArray[np.int64]
    when_false: NDArray[np.int64]
    missing_is_true: NDArray[np.bool_]
    values: NDArray[np.float64]
    members: Mapping[int, NDArray[np.float64]]  # node → the values a MEMBER node asks for


@dataclass(frozen=True)
class Ensemble:
    """The whole ensemble: output = base + sum over its trees of the leaf that was reached."""

    trees: tuple[Tree, ...]
    base: NDArray[np.float64]
    is_binary_margin: bool  # one stored score, which belongs to the second class

    @property
    def num_outputs(self) -> int:
        return len(self.base)


def attributes_of(node: "NodeProto") -> dict[str, Any]:
    """A node's attributes as Python values; tensors as arrays."""
    from onnx import helper, numpy_helper
    from onnx.onnx_ml_pb2 import TensorProto

    found = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    return {
        name: numpy_helper.to_array(value) if isinstance(value, TensorProto) else value for name, value in found.items()
    }


def parse(node: "NodeProto") -> Ensemble:
    """Read an ensemble node; raises TreesUnsupported for what is no sum of leaves."""
    if node.op_type == "TreeEnsemble":
        from inference import trees_by_position

        return trees_by_position.parse(attributes_of(node))
    if node.op_type not in OPERATORS:
        raise TreesUnsupported(f"{node.op_type} is not a tree ensemble that can be read.")
    attributes = attributes_of(node)
    prefix = "class" if node.op_type == "TreeEnsembleClassifier" else "target"
    outputs, is_binary_margin = _outputs(attributes, prefix)
    trees = _trees(attributes, prefix=prefix, outputs=outputs)
    scale = 1.0 / len(trees) if averages(attributes.get("aggregate_function", b"SUM")) else 1.0
    base = base_of(_floats(attributes, "base_values"), outputs, is_binary_margin=is_binary_margin)
    return Ensemble(tuple(scaled(tree, scale) for tree in trees), base, is_binary_margin)


def averages(how: bytes | int) -> bool:
    """Whether the trees are averaged; TreesUnsupported when they are neither averaged nor summed."""
    if how in {b"SUM", 1}:
        return False
    if how in {b"AVERAGE", 0}:
        return True
    raise TreesUnsupported(f"The ensemble aggregates by {how!r}.")


def base_of(given: NDArray[np.float64], outputs: int, *, is_binary_margin: bool = False) -> NDArray[np.float64]:
    """The base value of every output."""
    if not len(given):
        return np.zeros(outputs)
    if is_binary_margin and len(given) == 2:
        return given[1:]  # of two the runtime adds the second class's
    if len(given) != outputs:
        raise TreesUnsupported("The ensemble has base values for other outputs than its trees.")
    return given


def scaled(tree: Tree, scale: float) -> Tree:
    """The same tree with every leaf's value multiplied."""
    from dataclasses import replace

    return tree if scale == 1.0 else replace(tree, values=tree.values * scale)


def _floats(attributes: Attributes, name: str) -> NDArray[np.float64]:
    """A list of numbers, which double ensembles store as a tensor."""
    found = attributes.get(f"{name}_as_tensor")
    return np.asarray(attributes.get(name, ()) if found is None else found, dtype=np.float64).reshape(-1)


def _outputs(attributes: Attributes, prefix: str) -> tuple[int, bool]:
    if prefix == "target":
        return int(attributes.get("n_targets", 1)), False
    labels = attributes.get("classlabels_int64s") or attributes.get("classlabels_strings") or ()
    ids = set(attributes["class_ids"])
    # Two labels but weights under one id only: that one score is the second class's, whatever the id.
    if len(labels) == 2 and len(ids) == 1:
        return 1, True
    return len(labels), False


def _trees(attributes: Attributes, *, prefix: str, outputs: int) -> list[Tree]:
    tree_ids = np.asarray(attributes["nodes_treeids"], dtype=np.int64)
    node_ids = np.asarray(attributes["nodes_nodeids"], dtype=np.int64)
    weights = _leaf_weights(attributes, prefix=prefix, outputs=outputs)
    columns = _Columns(attributes)
    order = np.argsort(tree_ids, kind="stable")
    starts = np.flatnonzero(np.diff(tree_ids[order], prepend=-1))
    trees = []
    for rows in np.split(order, starts[1:]):
        place = {int(node_id): index for index, node_id in enumerate(node_ids[rows])}
        values = np.zeros((len(rows), outputs))
        for node_id, output, weight in weights.get(int(tree_ids[rows[0]]), ()):
            values[place[node_id], output] += weight
        trees.append(columns.tree(rows, place, values=values))
    return trees


def _leaf_weights(attributes: Attributes, *, prefix: str, outputs: int) -> dict[int, list[tuple[int, int, float]]]:
    weights: dict[int, list[tuple[int, int, float]]] = {}
    columns = [attributes[f"{prefix}_{part}"] for part in ("treeids", "nodeids", "ids")]
    for tree_id, node_id, output, weight in zip(*columns, _floats(attributes, f"{prefix}_weights"), strict=True):
        weights.setdefault(int(tree_id), []).append((int(node_id), 0 if outputs == 1 else int(output), float(weight)))
    return weights


class _Columns:
    """The node attributes of a whole ensemble, as arrays."""

    def __init__(self, attributes: Attributes) -> None:
        try:
            self._modes = np.array([_MODES[mode] for mode in attributes["nodes_modes"]], dtype=np.uint8)
        except KeyError as mode:
            raise TreesUnsupported(f"The ensemble branches by {mode}.") from None
        self._features = np.asarray(attributes["nodes_featureids"], dtype=np.int64)
        self._thresholds = _floats(attributes, "nodes_values")
        self._true = np.asarray(attributes["nodes_truenodeids"], dtype=np.int64)
        self._false = np.asarray(attributes["nodes_falsenodeids"], dtype=np.int64)
        tracks = attributes.get("nodes_missing_value_tracks_true") or np.zeros(len(self._modes))
        # NaN differs from every number, so the runtime finds NEQ true of it whichever way missing values go.
        self._missing = np.asarray(tracks, dtype=bool) | (self._modes == NEQ)

    def tree(self, rows: NDArray[np.intp], place: Mapping[int, int], *, values: NDArray[np.float64]) -> Tree:
        modes = self._modes[rows]
        inner = modes != LEAF

        def children(ids: NDArray[np.int64]) -> NDArray[np.int64]:
            return np.array([place[int(one)] if on else -1 for one, on in zip(ids[rows], inner, strict=True)])

        return Tree(
            modes=modes,
            features=self._features[rows],
            thresholds=self._thresholds[rows],
            when_true=children(self._true),
            when_false=children(self._false),
            missing_is_true=self._missing[rows],
            values=values,
            members={},
        )
