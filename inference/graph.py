"""Checks of model.onnx that need no run: where its bytes come from, its operators, how large it may grow."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from inference import operators, tree_structure
from inference.manifest import Manifest
from inference.refusal import BundleRefused

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

MAX_NODES = 5_000
MAX_DIMENSION = 1_000_000
MAX_BOUNDED_ELEMENTS = 1 << 20
MAX_PATTERN = 100
OPSETS = {"": (9, 25), "ai.onnx.ml": (1, 5), "com.microsoft": (1, 1)}


def check(content: bytes, manifest: Manifest) -> None:
    """Refuse a graph that reads other files, leaves the allowed operators or differs from the manifest."""
    model = parse(content)
    check_safe(model)
    _check_interface(model.graph, manifest)
    _check_with_onnx(model)


def check_safe(model: "ModelProto") -> None:
    """Refuse a graph that reads other files or leaves the allowed operators and sizes."""
    refuse_external_data(model)
    if model.functions:
        raise BundleRefused("functions", "model.onnx defines functions of its own; inline them before exporting.")
    if model.training_info:
        raise BundleRefused("training_info", "model.onnx holds training graphs; export it for inference only.")
    _check_opsets(model)
    _check_nodes(model.graph)


def parse(content: bytes) -> "ModelProto":
    """The graph as protobuf; external data is not followed."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError, RuntimeError) as error:
        raise BundleRefused("model_unreadable", "model.onnx is not a complete ONNX file; export it again.") from error
    if not model.HasField("graph") or not model.graph.node:
        raise BundleRefused("model_unreadable", "model.onnx holds no graph; export it again.")
    return model


def _graphs(graph: "GraphProto") -> Iterator["GraphProto"]:
    yield graph
    for node in graph.node:
        yield from _subgraphs(node)


def _subgraphs(node: "NodeProto") -> Iterator["GraphProto"]:
    for attribute in node.attribute:
        for inner in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
            yield from _graphs(inner)


def _node_tensors(node: "NodeProto") -> Iterator["TensorProto"]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        sparse = [
            *([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []),
            *attribute.sparse_tensors,
        ]
        for item in sparse:
            yield item.values
            yield item.indices


def tensors(model: "ModelProto") -> Iterator["TensorProto"]:
    """Every tensor anywhere in the file."""
    training = [part for info in model.training_info for part in (info.initialization, info.algorithm)]
    loose = [node for function in model.functions for node in function.node]
    graphs = [inner for outer in (model.graph, *training) for inner in _graphs(outer)]
    graphs += [inner for node in loose for inner in _subgraphs(node)]
    for graph in graphs:
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield sparse.values
            yield sparse.indices
        for node in graph.node:
            yield from _node_tensors(node)
    for node in loose:
        yield from _node_tensors(node)


def refuse_external_data(model: "ModelProto") -> None:
    for tensor in tensors(model):
        # Either field alone is enough for one reader or another to open the file.
        if tensor.data_location != 0 or tensor.external_data:
            raise BundleRefused(
                "external_data",
                f"model.onnx keeps the tensor `{tensor.name or 'without a name'}` in another file; "
                "save it with all tensors inside.",
            )


def _check_opsets(model: "ModelProto") -> None:
    for opset in model.opset_import:
        domain = "" if opset.domain == "ai.onnx" else opset.domain
        if domain not in OPSETS:
            continue  # skl2onnx imports domains it then does not use; what counts is the domain of each node
        low, high = OPSETS[domain]
        if not low <= opset.version <= high:
            raise BundleRefused(
                "opset",
                f"model.onnx uses opset {opset.version} of `{domain or 'ai.onnx'}`; use {low} to {high}.",
            )


def _check_nodes(graph: "GraphProto") -> None:
    if sum(len(inner.node) for inner in _graphs(graph)) > MAX_NODES:
        raise BundleRefused("too_many_nodes", f"model.onnx has more than {MAX_NODES} nodes; simplify the graph.")
    sizes = {tensor.name: tensor for tensor in graph.initializer}
    # The whole size of another tensor: what is made of it grows no further. A part of it may be larger than all.
    measured = {node.output[0] for node in graph.node if node.op_type == "Shape" and not node.attribute}
    for node in graph.node:
        if node.op_type == "Constant":
            sizes.update((node.output[0], item.t) for item in node.attribute if item.name == "value")
    for inner in _graphs(graph):
        for node in inner.node:
            _check_operator(node)
            if node.op_type != "ConstantOfShape" or not measured.intersection(node.input):
                _check_growth(node, sizes)
            if node.op_type in tree_structure.OPERATORS:
                tree_structure.check(node)
    for tensor in graph.initializer:
        if any(size > MAX_DIMENSION for size in tensor.dims):
            raise BundleRefused("too_large", f"model.onnx: tensor `{tensor.name}` has too large a dimension.")


def _check_operator(node: "NodeProto") -> None:
    domain = "" if node.domain == "ai.onnx" else node.domain
    if domain not in operators.ALLOWED:
        raise BundleRefused(
            "domain", f"model.onnx uses `{node.op_type}` of the domain `{domain}`, which is not run here."
        )
    if node.op_type not in operators.ALLOWED[domain]:
        raise BundleRefused("operator", f"model.onnx uses the operator `{node.op_type}`, which is not on the list.")
    if domain == "com.microsoft":
        _check_tokenizer(node)


def _check_tokenizer(node: "NodeProto") -> None:
    for attribute in node.attribute:
        patterns = [attribute.s, *attribute.strings]
        if any(len(pattern) > MAX_PATTERN for pattern in patterns) or len(patterns) > MAX_PATTERN:
            raise BundleRefused("pattern", f"model.onnx: a Tokenizer pattern is longer than {MAX_PATTERN} characters.")


def _check_growth(node: "NodeProto", sizes: "dict[str, TensorProto]") -> None:
    """An output may grow only by a factor that stands in the file."""
    if node.op_type not in operators.SIZE_INPUT:
        return
    from math import prod

    from onnx.numpy_helper import to_array

    position = operators.SIZE_INPUT[node.op_type]
    tensor = sizes.get(node.input[position]) if len(node.input) > position else None
    size = -1 if tensor is None else prod(int(item) for item in to_array(tensor).reshape(-1))
    if not 0 <= size <= MAX_BOUNDED_ELEMENTS:
        raise BundleRefused(
            "unbounded", f"model.onnx: the output of `{node.op_type}` must have a constant, small shape."
        )


def _check_interface(graph: "GraphProto", manifest: Manifest) -> None:
    initialised = {tensor.name for tensor in graph.initializer}
    inputs = {item.name: item for item in graph.input if item.name not in initialised}
    wanted = {item.name for item in manifest.inputs}
    if set(inputs) != wanted:
        odd = sorted(set(inputs) ^ wanted)[0]
        raise BundleRefused("inputs", f"model.onnx and bundle.json disagree about the graph input `{odd}`.")
    for item in manifest.inputs:
        _check_width(inputs[item.name], len(item.columns))
    outputs = {item.name for item in graph.output}
    for name in manifest.outputs.values():
        if name not in outputs:
            raise BundleRefused("outputs", f"model.onnx has no output `{name}`, which bundle.json names.")


def _check_width(value: "ValueInfoProto", width: int) -> None:
    shape = value.type.tensor_type.shape.dim
    if len(shape) != 2 or (shape[1].HasField("dim_value") and shape[1].dim_value != width):
        raise BundleRefused("inputs", f"model.onnx: the input `{value.name}` must have the shape rows × {width}.")


def _check_with_onnx(model: "ModelProto") -> None:
    from onnx import checker, shape_inference

    try:
        checker.check_model(model, full_check=False)
        shape_inference.infer_shapes(model, strict_mode=False)
    except (checker.ValidationError, shape_inference.InferenceError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BundleRefused(
            "model_invalid", f"model.onnx is not valid ONNX ({reason[:200]}); export it again."
        ) from error
