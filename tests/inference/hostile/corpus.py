"""Files that somebody would upload to do harm. Each is a whole bundle around one hostile graph."""

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper

from tests.inference import onnx_files

SCORES = [
    helper.make_node("MatMul", ["numbers", "weights"], ["scores"]),
    helper.make_node("Add", ["scores", "total"], ["shifted"]),
    helper.make_node("Softmax", ["shifted"], ["probabilities"], axis=1),
]


def shifted_by(nodes: list[NodeProto], *constants: TensorProto, **domains: int) -> ModelProto:
    """The harmless model, its scores shifted by `total`, which the nodes compute: all the same in a softmax."""
    return onnx_files.graph_of(
        [*nodes, *SCORES],
        inputs=[onnx_files.value("numbers", 3)],
        outputs=[onnx_files.value("probabilities", 2)],
        initializers=[*constants, onnx_files.linear_model().graph.initializer[0]],
        domains=domains,
    )


def zeros(name: str, *shape: int) -> TensorProto:
    return helper.make_tensor(name, TensorProto.FLOAT, shape, np.zeros(shape, dtype=np.float32).tobytes(), raw=True)


def outer_sum() -> ModelProto:
    """6.4 GB out of 160 kB: a column plus a row."""
    return shifted_by(
        [
            helper.make_node("Transpose", ["row"], ["column"]),
            helper.make_node("Add", ["row", "column"], ["square"]),
            helper.make_node("ReduceSum", ["square"], ["total"], keepdims=0),
        ],
        zeros("row", 1, 40_000),
    )


def growing_batch() -> ModelProto:
    """Terabytes, but only when rows come: the batch is joined to itself thirty times."""
    joins = [helper.make_node("Identity", ["numbers"], ["wide:0"])]
    joins += [helper.make_node("Concat", [f"wide:{n}", f"wide:{n}"], [f"wide:{n + 1}"], axis=1) for n in range(30)]
    return shifted_by(
        [
            *joins,
            helper.make_node("ReduceSum", ["wide:30"], ["sum"], keepdims=0),
            helper.make_node("Mul", ["sum", "nothing"], ["total"]),
        ],
        zeros("nothing", 1),
    )


def endless_sines() -> ModelProto:
    """Minutes of arithmetic for a batch of rows, one allowed operator after the other, in little memory."""
    chain = [helper.make_node("Sin", [f"m:{n}"], [f"m:{n + 1}"]) for n in range(4_000)]
    return shifted_by(
        [
            helper.make_node("MatMul", ["numbers", "wide"], ["m:0"]),
            *chain,
            helper.make_node("ReduceSum", ["m:4000"], ["total"], keepdims=0),
        ],
        zeros("wide", 3, 15_000),
    )


def loop() -> ModelProto:
    """A loop that never ends, in 214 bytes' manner."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["goes"]), helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [1]),
        ],
    )
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    return shifted_by([helper.make_node("Loop", ["", "yes", "start"], ["total"], body=body)], yes, zeros("start", 1))


def trees(nodes: dict[str, list[Any]], weights: dict[str, list[Any]]) -> ModelProto:
    count = len(nodes["nodes_nodeids"])
    node = helper.make_node(
        "TreeEnsembleClassifier",
        ["numbers"],
        ["label", "probabilities"],
        domain="ai.onnx.ml",
        nodes_treeids=[0] * count,
        nodes_hitrates=[1.0] * count,
        nodes_missing_value_tracks_true=[0] * count,
        class_treeids=[0] * len(weights["class_ids"]),
        classlabels_int64s=[0, 1],
        post_transform="NONE",
        **nodes,
        **weights,
    )
    return onnx_files.graph_of(
        [node], inputs=[onnx_files.value("numbers", 3)], outputs=[onnx_files.value("probabilities", 2)]
    )


def circular_tree() -> ModelProto:
    """A tree in which one large value would be sent round and round."""
    return trees(
        {
            "nodes_nodeids": [0, 1, 2, 3],
            "nodes_featureids": [0] * 4,
            "nodes_values": [1e6, 0.0, 0.0, 0.0],
            "nodes_modes": ["BRANCH_GT", "BRANCH_GT", "BRANCH_GT", "LEAF"],
            "nodes_truenodeids": [1, 2, 1, 0],
            "nodes_falsenodeids": [3, 3, 3, 0],
        },
        {"class_nodeids": [3], "class_ids": [1], "class_weights": [0.5]},
    )


def doubling_tree() -> ModelProto:
    """A tree whose every level is used twice by the one above: sixty levels are 2^60 nodes when written out."""
    levels = 60
    return trees(
        {
            "nodes_nodeids": list(range(levels + 1)),
            "nodes_featureids": [0] * (levels + 1),
            "nodes_values": [0.0] * (levels + 1),
            "nodes_modes": ["BRANCH_LEQ"] * levels + ["LEAF"],
            "nodes_truenodeids": [*range(1, levels + 1), 0],
            "nodes_falsenodeids": [*range(1, levels + 1), 0],
        },
        {"class_nodeids": [levels], "class_ids": [1], "class_weights": [0.5]},
    )


def custom_operator() -> ModelProto:
    return shifted_by([helper.make_node("Shell", ["numbers"], ["total"], domain="com.example")], **{"com.example": 1})


def outside_tensor() -> ModelProto:
    """A tensor that is the head of the parent's .env, were it read."""
    secret = TensorProto(name="total", data_type=TensorProto.UINT8, dims=[16], data_location=TensorProto.EXTERNAL)
    entry = secret.external_data.add()
    entry.key, entry.value = "location", ".env"
    return shifted_by([], secret)


def hidden_outside_tensor() -> ModelProto:
    """The same in an attribute of a node inside a branch."""
    secret = outside_tensor().graph.initializer[0]
    inner = helper.make_node("Constant", [], ["out"])
    inner.attribute.append(helper.make_attribute("value", secret))
    branch = helper.make_graph([inner], "branch", [], [helper.make_tensor_value_info("out", TensorProto.UINT8, [16])])
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    return shifted_by([helper.make_node("If", ["yes"], ["total"], then_branch=branch, else_branch=branch)], yes)


def huge_claim() -> ModelProto:
    """A tensor that says it is 4 TB large and brings nothing."""
    return shifted_by([], TensorProto(name="total", data_type=TensorProto.FLOAT, dims=[1 << 20, 1 << 20]))


def deep_nesting() -> ModelProto:
    """Branches in branches, as deep as protocol buffers go."""
    graph = helper.make_graph([helper.make_node("Identity", ["numbers"], ["total"])], "g", [], [])
    for _ in range(30):
        node = helper.make_node("If", ["yes"], ["total"], then_branch=graph, else_branch=graph)
        node.attribute.pop()
        graph = helper.make_graph([node], "g", [], [])
    return shifted_by(list(graph.node))


# What each must be refused with; where two limits compete, either may win.
STATIC: dict[str, tuple[Callable[[], ModelProto], set[str]]] = {
    "loop": (loop, {"operator"}),
    "custom operator": (custom_operator, {"domain"}),
    "outside tensor": (outside_tensor, {"external_data"}),
    "hidden outside tensor": (hidden_outside_tensor, {"external_data"}),
    "huge claim": (huge_claim, {"too_large", "model_invalid"}),
    "circular tree": (circular_tree, {"tree_malformed"}),
    "doubling tree": (doubling_tree, {"tree_malformed"}),
    "deep nesting": (deep_nesting, {"operator", "model_unreadable"}),
}
AT_WORK: dict[str, tuple[Callable[[], ModelProto], set[str]]] = {
    "outer sum": (outer_sum, {"model_unloadable", "model_fails", "gate_memory", "gate_timeout"}),
    "growing batch": (growing_batch, {"model_fails", "gate_memory", "gate_timeout"}),
    "endless sines": (endless_sines, {"gate_timeout"}),
}
