"""Putting nodes together to one graph."""

from collections.abc import Sequence

from onnx import ModelProto, NodeProto, TensorProto, helper

from inference.manifest import GraphInput

OPSETS = {"": 17, "ai.onnx.ml": 3}
# Declared only where a text is cut into words.
TEXT_OPSETS = {"com.microsoft": 1}
_TYPES = {"float": TensorProto.FLOAT, "string": TensorProto.STRING}
PROBABILITIES = "probabilities"

Part = tuple[list[NodeProto], list[TensorProto]]


def build(name: str, inputs: Sequence[GraphInput], *, parts: Sequence[Part], classes: int) -> bytes:
    """The parts in order, from the inputs to `probabilities`, as the bytes of model.onnx."""
    graph = helper.make_graph(
        [node for nodes, _ in parts for node in nodes],
        name,
        [helper.make_tensor_value_info(item.name, _TYPES[item.dtype], ["rows", len(item.columns)]) for item in inputs],
        [helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["rows", classes])],
        initializer=[constant for _, constants in parts for constant in constants],
    )
    used = {node.domain for node in graph.node}
    opsets = [
        helper.make_opsetid(domain, number)
        for domain, number in {**OPSETS, **TEXT_OPSETS}.items()
        if domain in used or domain in OPSETS
    ]
    model: ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="reviewapp")
    content: bytes = model.SerializeToString()
    return content
