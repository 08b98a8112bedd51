"""Brings a model's classes into another order: one more step behind the probabilities, exact to the last bit."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference import archive, graph, tables
from inference.manifest import Manifest
from inference.refusal import BundleRefused

if TYPE_CHECKING:
    from inference.score_graph import ScoreGraph


def is_other(classes: Sequence[str], order: Sequence[str]) -> bool:
    """Whether these are the same classes in another order."""
    return list(classes) != list(order) and sorted(classes) == sorted(order)


def marked(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same bundle as one that is still to be brought into another order, so that it has a digest of its own."""
    manifest = Manifest.from_json(json.loads(files["bundle.json"]))
    return {**files, "bundle.json": _json(replace(manifest, lineage=_lineage(files, manifest)))}


def _lineage(files: Mapping[str, bytes], manifest: Manifest) -> dict[str, Any]:
    told, classes = manifest.lineage.get("reordered"), list(manifest.classes)
    if isinstance(told, dict) and told.get("classes") == classes:
        return manifest.lineage  # marked, and it says of which bundle
    return {**manifest.lineage, "reordered": {"bundle": archive.digest(files), "classes": classes}}


def reordered(files: Mapping[str, bytes], order: Sequence[str]) -> dict[str, bytes]:
    """A checked bundle with its classes in another order; its lineage names the bundle that it was made of.

    Raises BundleRefused for a bundle that another server runs: what that answers has no step of ours behind it.
    """
    manifest = Manifest.from_json(json.loads(files["bundle.json"]))
    if manifest.remote is not None:
        raise BundleRefused(
            "class_order",
            f"The model's classes are {', '.join(manifest.classes)}, the stream's stand in the order "
            f"{', '.join(order)}, and another server runs the model; list `classes` in the stream's order in its "
            "bundle.json and let the server answer in that order, or open a stream with the model's order.",
        )
    picked = [manifest.classes.index(name) for name in order]
    model, output = _picked(files["model.onnx"], manifest.probabilities_output, picked)
    rows, probabilities = tables.read_golden(manifest, files["golden.parquet"])
    made = replace(
        manifest,
        classes=tuple(order),
        outputs={**manifest.outputs, "probabilities": output},
        lineage=_lineage(files, manifest),
    )
    golden = [[row[place] for place in picked] for row in probabilities]
    return {
        **files,
        "model.onnx": model,
        "bundle.json": _json(made),
        "golden.parquet": tables.write_golden(made, tables.to_rows(rows), golden),
    }


def _json(manifest: Manifest) -> bytes:
    content = json.dumps(manifest.to_json(), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return content.encode() + b"\n"


def _picked(content: bytes, name: str, picked: Sequence[int]) -> tuple[bytes, str]:
    from onnx import ValueInfoProto, helper, numpy_helper

    model = graph.parse(content)
    whole = model.graph
    taken = {one for node in whole.node for one in (*node.input, *node.output)} | {
        one.name for one in whole.initializer
    }
    after = f"{name}:ordered"
    while after in taken:
        after += "+"
    whole.initializer.append(numpy_helper.from_array(np.array(picked, dtype=np.int64), f"{after}:classes"))
    whole.node.append(helper.make_node("Gather", [name, f"{after}:classes"], [after], axis=1))
    answers = [ValueInfoProto.FromString(value.SerializeToString()) for value in whole.output]
    for value in answers:
        if value.name == name:
            value.name = after
    del whole.output[:]
    whole.output.extend(answers)
    return model.SerializeToString(deterministic=True), after


def before(scores: "ScoreGraph", name: str) -> tuple[str, NDArray[np.intp] | None]:
    """The tensor that only had its columns put into another order to make `name`, and the place of each in it.

    None in the place of the order where nothing was put into another.
    """
    order: NDArray[np.intp] | None = None
    while (step := _order_of(scores, name)) is not None:
        name, picked = step
        order = picked if order is None else picked[order]
    return name, order


def _order_of(scores: "ScoreGraph", name: str) -> tuple[str, NDArray[np.intp]] | None:
    node = scores.producer.get(name)
    if node is None or node.op_type != "Gather" or node.input[0] in scores.constants:
        return None
    axis = next((one.i for one in node.attribute if one.name == "axis"), 0)
    picked = scores.constants.get(node.input[1])
    if axis not in {1, -1} or picked is None or picked.ndim != 1:
        return None
    return (node.input[0], picked.astype(np.intp)) if sorted(picked) == list(range(len(picked))) else None
