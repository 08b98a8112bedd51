"""The operator TreeEnsemble (ai.onnx.ml 5): inner nodes and leaves in two lists, children named by position."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference import trees
from inference.trees import Ensemble, Tree


def parse(attributes: Mapping[str, Any]) -> Ensemble:
    """Read the node's attributes; raises TreesUnsupported for what is no sum of leaves."""
    outputs = int(attributes.get("n_targets", 1))
    reader = _Reader(attributes, outputs)
    found = [reader.tree(int(root)) for root in attributes["tree_roots"]]
    scale = 1.0 / len(found) if trees.averages(int(attributes.get("aggregate_function", 1))) else 1.0
    return Ensemble(tuple(trees.scaled(tree, scale) for tree in found), np.zeros(outputs), is_binary_margin=False)


class _Reader:
    def __init__(self, attributes: Mapping[str, Any], outputs: int) -> None:
        self._modes = np.asarray(attributes["nodes_modes"], dtype=np.uint8)
        self._features = np.asarray(attributes["nodes_featureids"], dtype=np.int64)
        self._splits = np.asarray(attributes["nodes_splits"], dtype=np.float64)
        tracks = attributes.get("nodes_missing_value_tracks_true") or np.zeros(len(self._modes))
        self._missing = np.asarray(tracks, dtype=bool) | (self._modes == trees.NEQ)
        self._true = np.asarray(attributes["nodes_truenodeids"], dtype=np.int64)
        self._false = np.asarray(attributes["nodes_falsenodeids"], dtype=np.int64)
        self._true_is_leaf = np.asarray(attributes["nodes_trueleafs"], dtype=bool)
        self._false_is_leaf = np.asarray(attributes["nodes_falseleafs"], dtype=bool)
        self._targets = np.asarray(attributes["leaf_targetids"], dtype=np.int64)
        self._weights = np.asarray(attributes["leaf_weights"], dtype=np.float64)
        self._outputs = outputs
        self._members = _members(self._modes, attributes.get("membership_values"))

    def tree(self, root: int) -> Tree:
        """The tree below a root, its nodes and leaves numbered as they are met."""
        waiting, modes, features, thresholds, children, missing = [(root, False)], [], [], [], [], []
        values, members = [], {}
        is_only_leaf = self._true_is_leaf[root] and self._false_is_leaf[root] and self._true[root] == self._false[root]
        if is_only_leaf:
            waiting = [(int(self._true[root]), True)]
        for place, (at, is_leaf) in enumerate(waiting):  # it grows while it is read
            modes.append(trees.LEAF if is_leaf else int(self._modes[at]))
            features.append(0 if is_leaf else int(self._features[at]))
            thresholds.append(0.0 if is_leaf else float(self._splits[at]))
            missing.append(not is_leaf and bool(self._missing[at]))
            value = np.zeros(self._outputs)
            if is_leaf:
                value[self._targets[at]] = self._weights[at]
                children.append((-1, -1))
            else:
                children.append((len(waiting), len(waiting) + 1))
                waiting.append((int(self._true[at]), bool(self._true_is_leaf[at])))
                waiting.append((int(self._false[at]), bool(self._false_is_leaf[at])))
                if at in self._members:
                    members[place] = self._members[at]
            values.append(value)
        both = np.array(children, dtype=np.int64)
        return Tree(
            modes=np.array(modes, dtype=np.uint8),
            features=np.array(features, dtype=np.int64),
            thresholds=np.array(thresholds),
            when_true=both[:, 0],
            when_false=both[:, 1],
            missing_is_true=np.array(missing, dtype=bool),
            values=np.array(values),
            members=members,
        )


def _members(modes: NDArray[np.uint8], values: Any) -> dict[int, NDArray[np.float64]]:
    """The values of every MEMBER node: they follow each other in one list, each set closed by NaN."""
    nodes = np.flatnonzero(modes == trees.MEMBER)
    if not len(nodes):
        return {}
    listed = np.asarray(values, dtype=np.float64).reshape(-1)
    sets = [part[~np.isnan(part)] for part in np.split(listed, np.flatnonzero(np.isnan(listed)) + 1)]
    if len(sets) < len(nodes):
        raise trees.TreesUnsupported("The ensemble lists fewer sets of members than it asks for.")
    return {int(node): sets[place] for place, node in enumerate(nodes)}
