"""Finds the probabilities among the outputs of another's graph, and what it calls its classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference.foreign import Activation, Declaration
from inference.refusal import BundleRefused

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

_FLOATS = {1, 10, 11}
_JOINED = "classes:joined"
_USUAL_NAMES = """
    probabilities probability output_probability output_probabilities proba probs predict_proba
    class_probabilities prediction_probabilities softmax
"""


@dataclass(frozen=True)
class Chosen:
    """The tensor that holds the probabilities; `labels` are its columns as the graph names them, if it does."""

    tensor: str
    labels: tuple[str | int, ...]
    activation: Activation


def choose(model: "ModelProto", declared: Declaration) -> Chosen:
    """The output that holds the probabilities: the one asked for, else found by kind and name."""
    whole = model.graph
    maps = {node.output[0]: node for node in whole.node if node.op_type == "ZipMap"}
    asked = (declared.outputs or {}).get("probabilities")
    names = [value.name for value in whole.output]
    for name in (declared.outputs or {}).values():
        if name not in names:
            raise BundleRefused("outputs", f"model.onnx has no output `{name}`; it has {_listed(names)}.")
    candidates = [asked] if asked else _candidates(whole.output, maps=list(maps))
    if len(candidates) == len(declared.classes) > 1:
        return _join(whole, candidates, declared)
    if len(candidates) != 1:
        raise _unclear(names, candidates)
    name = candidates[0]
    if name in maps:
        return Chosen(maps[name].input[0], _labels_of(maps[name]), declared.activation)
    return Chosen(name, _labels_before(whole, name), declared.activation)


def _join(whole: "GraphProto", columns: Sequence[str], declared: Declaration) -> Chosen:
    """Put outputs of one class each side by side, in place."""
    from onnx import TensorProto, helper

    whole.initializer.append(helper.make_tensor(f"{_JOINED}:shape", TensorProto.INT64, [2], [-1, 1]))
    tall = [f"{_JOINED}:{place}" for place in range(len(columns))]
    for name, one in zip(columns, tall, strict=True):
        whole.node.append(helper.make_node("Reshape", [name, f"{_JOINED}:shape"], [one]))
    whole.node.append(helper.make_node("Concat", tall, [_JOINED], axis=1))
    return Chosen(_JOINED, tuple(columns) if set(columns) == set(declared.classes) else (), declared.activation)


def _candidates(outputs: "Sequence[ValueInfoProto]", *, maps: list[str]) -> list[str]:
    names = [value.name for value in outputs]
    mapped = [name for name in names if name in maps]
    if mapped:
        return mapped
    numbers = [value.name for value in outputs if value.type.tensor_type.elem_type in _FLOATS]
    usual = [name for name in numbers if name.casefold() in _USUAL_NAMES.split()]
    return usual or numbers


def _unclear(names: list[str], candidates: list[str]) -> BundleRefused:
    if not candidates:
        return BundleRefused(
            "no_probabilities",
            f"model.onnx answers with {_listed(names)}, and none holds probabilities; export a classifier with them.",
        )
    return BundleRefused(
        "outputs_unclear",
        f"model.onnx has the outputs {_listed(candidates)}; say which holds the probabilities: "
        "`outputs.probabilities` in manifest.json.",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"


def _labels_of(node: "NodeProto") -> tuple[str | int, ...]:
    for attribute in node.attribute:
        if attribute.name in {"classlabels_strings", "classlabels_string"} and attribute.strings:
            return tuple(text.decode(errors="replace") for text in attribute.strings)
        if attribute.name in {"classlabels_int64s", "classlabels_ints"} and attribute.ints:
            return tuple(attribute.ints)
    return ()


def _labels_before(whole: "GraphProto", name: str) -> tuple[str | int, ...]:
    """The labels of the classifier node whose scores reach this tensor through nodes that keep columns as they are."""
    makers = {output: node for node in whole.node for output in node.output}
    while (node := makers.get(name)) is not None:
        if node.op_type in {"TreeEnsembleClassifier", "LinearClassifier", "SVMClassifier"}:
            return _labels_of(node)
        if node.op_type not in {"Identity", "Cast", "Normalizer", "Softmax"}:
            return ()
        name = node.input[0]
    return ()


def class_order(chosen: Chosen, classes: Sequence[str]) -> list[int]:
    """For each declared class the column that holds it; raises BundleRefused listing what differs."""
    labels = chosen.labels
    names = [str(label) for label in labels]
    if not labels:
        return list(range(len(classes)))
    if set(names) == set(classes):
        return [names.index(name) for name in classes]
    if sorted(label for label in labels if isinstance(label, int)) == list(range(len(classes))):
        # Numbered classes: number i is the i-th that was declared.
        return [labels.index(place) for place in range(len(classes))]
    missing, extra = sorted(set(classes) - set(names)), sorted(set(names) - set(classes))
    parts = [f"not in the model: {', '.join(missing)}"] if missing else []
    parts += [f"only in the model: {', '.join(extra)}"] if extra else []
    raise BundleRefused("classes_differ", f"model.onnx names other classes than declared; {'; '.join(parts)}.")
