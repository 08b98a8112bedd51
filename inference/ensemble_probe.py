"""Finds the one tree ensemble that makes a graph's score, and opens the graph around it."""

from typing import TYPE_CHECKING

from inference import graph, trees

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

FEATURES, SCORE = "reviewapp_ensemble_features", "reviewapp_ensemble_score"


class NoSingleEnsemble(ValueError):
    """The probabilities are not a function of one tree ensemble's score."""


def find(content: bytes, *, probabilities: str) -> "tuple[ModelProto, NodeProto]":
    """The graph and its ensemble; NoSingleEnsemble when the probabilities need anything else."""
    model = graph.parse(content)
    producer = {name: node for node in model.graph.node for name in node.output if name}
    found: list[NodeProto] = []
    inputs = {item.name for item in model.graph.input}
    seen, open_names = set[str](), [probabilities]
    while open_names:
        name = open_names.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in inputs:
            raise NoSingleEnsemble("The probabilities depend on inputs otherwise than through trees.")
        node = producer.get(name)
        if node is None:
            continue  # an initializer
        if node.op_type in trees.OPERATORS:
            if node not in found:
                found.append(node)
        else:
            open_names += [item for item in node.input if item]
    if len(found) != 1:
        raise NoSingleEnsemble(f"The probabilities come from {len(found)} tree ensembles.")
    return model, found[0]


def opened(model: "ModelProto", node: "NodeProto") -> bytes:
    """The graph up to the ensemble, answering with its input and with its score before any transform."""
    import onnx
    from onnx import TensorProto, helper

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    del probe.graph.value_info[:]
    ensemble = next(item for item in probe.graph.node if list(item.output) == list(node.output))
    for attribute in ensemble.attribute:
        if attribute.name == "post_transform":
            attribute.s = b"NONE"
    score = ensemble.output[-1]
    kept = _ancestors(probe, ensemble)
    nodes = [item for item in probe.graph.node if tuple(item.output) in kept]
    nodes.append(helper.make_node("Identity", [ensemble.input[0]], [FEATURES]))
    nodes.append(helper.make_node("Identity", [score], [SCORE]))
    copies = [onnx.NodeProto.FromString(item.SerializeToString()) for item in nodes]
    del probe.graph.node[:]
    probe.graph.node.extend(copies)
    probe.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (FEATURES, SCORE)
    )
    content: bytes = probe.SerializeToString()
    return content


def _ancestors(model: "ModelProto", last: "NodeProto") -> set[tuple[str, ...]]:
    """The nodes that lead to the last one, itself included, told by their outputs."""
    producer = {name: node for node in model.graph.node for name in node.output if name}
    kept, waiting = set[tuple[str, ...]](), [last]
    while waiting:
        node = waiting.pop()
        if tuple(node.output) not in kept:
            kept.add(tuple(node.output))
            waiting += [producer[name] for name in node.input if name in producer]
    return kept
