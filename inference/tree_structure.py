"""Whether the trees of an ensemble are trees: what reads them walks every branch and must come to an end."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference.refusal import BundleRefused

if TYPE_CHECKING:
    from onnx import AttributeProto, NodeProto

Numbers = NDArray[np.int64]
OPERATORS = frozenset({"TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble"})


def check(node: "NodeProto") -> None:
    """Refuse an ensemble in which an inner node is reached twice: round in a circle, or by two branches.

    Sixty levels whose nodes share both children are 2⁶⁰ nodes to whoever follows each branch.
    """
    attributes = {item.name: item for item in node.attribute}
    try:
        roots, children = _newer(attributes) if node.op_type == "TreeEnsemble" else _older(attributes)
    except (KeyError, ValueError, IndexError) as error:
        raise _malformed(node) from error
    reached = np.concatenate([children, np.unique(roots)])
    if len(np.unique(reached)) != len(reached):
        raise _malformed(node)


def _malformed(node: "NodeProto") -> BundleRefused:
    return BundleRefused("tree_malformed", f"model.onnx: the nodes of `{node.op_type}` do not make trees.")


def _older(attributes: "dict[str, AttributeProto]") -> tuple[Numbers, Numbers]:
    """Keys of the roots, and of every inner node that is a child, once per time it is one."""
    tree, own = (np.array(attributes[f"nodes_{name}"].ints, dtype=np.int64) for name in ("treeids", "nodeids"))
    modes = np.array(attributes["nodes_modes"].strings)
    is_inner = modes != b"LEAF"
    # Ids may be any numbers; a node's place in the file is a key of its own.
    places = {key: place for place, key in enumerate(zip(tree.tolist(), own.tolist(), strict=True))}
    if len(places) != len(modes):
        raise ValueError("a node occurs twice")
    children = [
        places[key]
        for side in ("true", "false")
        for key in zip(
            tree[is_inner].tolist(),
            np.array(attributes[f"nodes_{side}nodeids"].ints, dtype=np.int64)[is_inner].tolist(),
            strict=True,
        )
    ]
    found = np.array(children, dtype=np.int64)
    _, roots = np.unique(tree, return_index=True)
    return roots.astype(np.int64), found[is_inner[found]] if len(found) else found


def _newer(attributes: "dict[str, AttributeProto]") -> tuple[Numbers, Numbers]:
    """The same for the operator that keeps its leaves apart."""
    parts: list[Any] = []
    for side in ("true", "false"):
        ids = np.array(attributes[f"nodes_{side}nodeids"].ints, dtype=np.int64)
        is_leaf = np.array(attributes[f"nodes_{side}leafs"].ints, dtype=np.int64)
        parts.append(ids[is_leaf == 0])
    # A tree of one leaf is written as a node with that leaf on both sides, so roots are nodes in any case.
    return np.array(attributes["tree_roots"].ints, dtype=np.int64), np.concatenate(parts)
