"""Makes another's graph fit a bundle: one tensor per group of columns in, one of probabilities out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from inference import graph
from inference.foreign import Declaration
from inference.graph_outputs import Chosen
from inference.manifest import Column, GraphInput, TensorType
from inference.refusal import BundleRefused

Shown = np.ndarray[Any, Any]
_Step = tuple[str, list[Shown], dict[str, Any]]

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, ValueInfoProto

# Names of appended tensors; exporters do not write colons.
_APPENDED = "probabilities:{}"
BATCH = "rows"
_PLAIN_OPSET = 13
# Types a bundle feeds, by ONNX's numbers: float, double, int64, string, bool.
_FED: dict[int, TensorType] = {1: "float", 11: "double", 7: "int64", 8: "string", 9: "bool"}
# Types that are cast to from what is fed: float16 from float, int32 from int64.
_CAST = {10: 1, 6: 7}


@dataclass(frozen=True)
class _Place:
    """A graph input and the columns that feed it."""

    value: "ValueInfoProto"
    columns: tuple[str, ...]


def open_graph(content: bytes, tensors: bytes = b"") -> "ModelProto":
    """The graph with everything in it: tensors kept beside it are read in, functions written out."""
    from onnx import inliner

    model = graph.parse(content)
    if tensors:
        _take_in(model, tensors)
    graph.refuse_external_data(model)
    if model.functions:
        model = inliner.inline_local_functions(model)
    return model


def _take_in(model: "ModelProto", tensors: bytes) -> None:
    for tensor in graph.tensors(model):
        if tensor.data_location == 0 and not tensor.external_data:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        try:
            start, length = int(entries.get("offset") or 0), int(entries["length"])
        except (KeyError, ValueError):
            start, length = -1, -1
        if not 0 <= start <= start + length <= len(tensors) or length < 0:
            raise BundleRefused("external_data", f"model.onnx: the tensor `{tensor.name}` is not in its data file.")
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
        tensor.raw_data = tensors[start : start + length]


def feed_columns(model: "ModelProto", declared: Declaration) -> tuple[GraphInput, ...]:
    """Let every input be fed with rows × columns, in place; answers which columns feed which."""
    initialised = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initialised]
    return tuple(_feed(model.graph, place) for place in _places(inputs, declared))


def _places(inputs: "Sequence[ValueInfoProto]", declared: Declaration) -> list[_Place]:
    names = tuple(column.name for column in declared.columns)
    if declared.inputs:
        return _as_declared(inputs, declared.inputs)
    if len(inputs) == 1:
        return [_Place(inputs[0], names)]
    for spell in (str, _plain):
        by_name = {spell(name): name for name in names}
        if len(by_name) == len(names) and sorted(map(spell, (one.name for one in inputs))) == sorted(by_name):
            return [_Place(value, (by_name[spell(value.name)],)) for value in inputs]
    return _by_type(inputs, declared.columns)


def _as_declared(inputs: "Sequence[ValueInfoProto]", declared: Mapping[str, tuple[str, ...]]) -> list[_Place]:
    odd = sorted({value.name for value in inputs} ^ set(declared))
    if odd:
        raise BundleRefused("inputs", f"model.onnx and manifest.json disagree about the graph input `{odd[0]}`.")
    return [_Place(value, declared[value.name]) for value in inputs]


def _by_type(inputs: "Sequence[ValueInfoProto]", columns: Sequence[Column]) -> list[_Place]:
    """One tensor of texts and one of numbers: the words go to the one, the rest to the other, in order."""
    places = []
    for value in inputs:
        takes_words = value.type.tensor_type.elem_type == 8
        fitting = tuple(column.name for column in columns if column.is_numeric != takes_words)
        if _width(value) not in {None, len(fitting)}:
            fitting = ()
        places.append(_Place(value, fitting))
    if sorted(name for place in places for name in place.columns) != sorted(column.name for column in columns):
        raise BundleRefused(
            "inputs_unclear",
            f"model.onnx has the inputs {', '.join(f'`{value.name}`' for value in inputs)}; "
            "say in manifest.json under `inputs` which columns feed which, in order.",
        )
    return places


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.casefold())


def _width(value: "ValueInfoProto") -> int | None:
    """How many values a row has; None when the graph leaves it open."""
    sizes = value.type.tensor_type.shape.dim[1:]
    if not all(size.HasField("dim_value") for size in sizes):
        return None
    return prod(int(size.dim_value) for size in sizes)


def _feed(whole: "GraphProto", place: _Place) -> GraphInput:
    from onnx import TensorProto, helper

    value, columns = place.value, place.columns
    tensor = value.type.tensor_type
    kind = tensor.elem_type
    if not value.type.HasField("tensor_type") or kind not in {*_FED, *_CAST}:
        name = TensorProto.DataType.Name(kind).lower() if kind else "no tensor"
        raise BundleRefused("inputs", f"model.onnx: the input `{value.name}` is {name}, which rows cannot feed.")
    width = _width(value)
    if width is not None and width != len(columns):
        raise BundleRefused(
            "inputs",
            f"model.onnx: the input `{value.name}` takes {width} values per row, "
            f"manifest.json gives it {len(columns)} columns.",
        )
    sizes = [size.dim_value for size in tensor.shape.dim[1:]]
    steps: list[tuple[str, list[str], dict[str, Any]]] = []
    if len(tensor.shape.dim) != 2:
        whole.initializer.append(
            helper.make_tensor(f"{value.name}:shape", TensorProto.INT64, [1 + len(sizes)], [-1, *sizes])
        )
        steps.append(("Reshape", [f"{value.name}:shape"], {}))
    if kind in _CAST:
        steps.append(("Cast", [], {"to": kind}))
    fed = _CAST.get(kind, kind)
    _lead(whole, value.name, steps)
    value.CopyFrom(helper.make_tensor_value_info(value.name, fed, [BATCH, len(columns)]))
    return GraphInput(name=value.name, dtype=_FED[fed], columns=columns)


def _lead(whole: "GraphProto", name: str, steps: Sequence[tuple[str, list[str], dict[str, Any]]]) -> None:
    """Put nodes between an input and everything that reads it."""
    from onnx import helper

    if not steps:
        return
    last = f"{name}:{len(steps)}"
    for node in whole.node:
        node.input[:] = [last if one == name else one for one in node.input]
    before = name
    for place, (operator, more, attributes) in enumerate(steps):
        after = f"{name}:{place + 1}"
        whole.node.insert(place, helper.make_node(operator, [before, *more], [after], **attributes))
        before = after


def keep_only(model: "ModelProto", outputs: Mapping[str, str]) -> "ModelProto":
    """A copy that answers these tensors alone: nodes they do not need are left out, the number of rows is free."""
    from onnx import ModelProto, ValueInfoProto, helper

    slim = ModelProto()
    slim.CopyFrom(model)
    needed, kept = set(outputs.values()), []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    del slim.graph.node[:], slim.graph.output[:], slim.graph.value_info[:], slim.graph.initializer[:]
    slim.graph.node.extend(reversed(kept))
    slim.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in needed)
    known = {value.name: value for value in model.graph.output}
    for name in dict.fromkeys(outputs.values()):
        # Of a tensor inside the graph the runtime finds the type by itself.
        slim.graph.output.append(known.get(name, ValueInfoProto(name=name)))
    # Exporters keep older names of what every reader of today knows.
    domains = {node.domain for node in kept} | {""}
    opsets = [one for one in model.opset_import if one.domain in domains or (one.domain == "ai.onnx" and "" in domains)]
    if not any(one.domain in {"", "ai.onnx"} for one in opsets):
        opsets.append(helper.make_opsetid("", _PLAIN_OPSET))  # for the nodes that are put before and after
    del slim.opset_import[:]
    slim.opset_import.extend(opsets)
    return slim


def as_probabilities(
    model: "ModelProto", chosen: Chosen, *, shown: Shown, order: Sequence[int], also: Collection[str] = ()
) -> str:
    """Append what turns the chosen output into rows × classes, in place; answers the name of the result.

    `shown` is what the chosen output answered to some rows, `order` the column of each class, `also` the other outputs
    that stay.
    """
    from onnx import TensorProto, helper

    whole, name = model.graph, chosen.tensor
    kind = TensorProto.DOUBLE if shown.dtype == np.float64 else TensorProto.FLOAT
    others = [
        helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, [BATCH, None])
        for value in whole.output
        if value.name in also
    ]
    for place, (operator, constants, attributes) in enumerate(_steps(chosen, shown=shown, order=order)):
        after, inputs = _APPENDED.format(place), [name]
        for number, values in enumerate(constants):
            inputs.append(f"{after}:{number}")
            whole.initializer.append(_constant(inputs[-1], values, kind=kind))
        whole.node.append(helper.make_node(operator, inputs, [after], **attributes))
        name = after
    del whole.output[:]
    whole.output.append(helper.make_tensor_value_info(name, kind, [BATCH, len(order)]))
    whole.output.extend(others)
    return name


def _constant(name: str, values: Shown, *, kind: int) -> Any:
    from onnx import TensorProto, helper

    number = TensorProto.INT64 if values.dtype == np.int64 else kind
    return helper.make_tensor(name, number, values.shape, values.ravel().tolist())


def _steps(chosen: Chosen, *, shown: Shown, order: Sequence[int]) -> list[_Step]:
    """The nodes to append: operator, constants, attributes."""
    classes, steps = len(order), list[_Step]()
    width = 1 if shown.ndim == 1 else prod(shown.shape[1:])
    if shown.ndim != 2:
        steps.append(("Reshape", [np.array([-1, width], dtype=np.int64)], {}))
    if shown.dtype == np.float16:
        steps.append(("Cast", [], {"to": 1}))
    if chosen.activation == "sigmoid":
        steps.append(("Sigmoid", [], {}))
    elif chosen.activation == "softmax":
        steps.append(("Softmax", [], {"axis": 1}))
    if width == 1 and classes == 2:
        # p of the second class → [1 − p, p].
        steps.append(("MatMul", [np.array([[-1.0, 1.0]])], {}))
        steps.append(("Add", [np.array([[1.0, 0.0]])], {}))
    if list(order) != list(range(classes)):
        steps.append(("Gather", [np.array(order, dtype=np.int64)], {"axis": 1}))
    return steps
