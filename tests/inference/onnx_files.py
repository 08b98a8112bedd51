"""Small graphs and whole bundles built by hand, so that a test can change exactly one thing."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper

from inference import neighbours, novelty, tables
from inference.manifest import Column, GraphInput, Manifest
from inference.neighbours import Space

COLUMNS = ("age", "income", "debt")


def value(name: str, width: int, kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, ["rows", width])


def graph_of(
    nodes: Sequence[NodeProto],
    *,
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    initializers: Sequence[TensorProto] = (),
    domains: Mapping[str, int] | None = None,
) -> ModelProto:
    graph = helper.make_graph(list(nodes), "graph", list(inputs), list(outputs), initializer=list(initializers))
    opsets = {"": 17, "ai.onnx.ml": 3, **(domains or {})}
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid(name, number) for name, number in opsets.items()], ir_version=8
    )


def linear_model() -> ModelProto:
    """Softmax over two linear scores of three columns."""
    weights = np.array([[0.5, -0.5], [-1.0, 1.0], [0.25, 0.75]], dtype=np.float32)
    return graph_of(
        [
            helper.make_node("MatMul", ["numbers", "weights"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        ],
        inputs=[value("numbers", 3)],
        outputs=[value("probabilities", 2)],
        initializers=[helper.make_tensor("weights", TensorProto.FLOAT, [3, 2], weights.ravel())],
    )


def random_rows(count: int, *, seed: int = 0) -> list[dict[str, float]]:
    draw = np.random.default_rng(seed).normal(size=(count, len(COLUMNS)))
    return [dict(zip(COLUMNS, row, strict=True)) for row in draw.tolist()]


def linear_probabilities(rows: Sequence[Mapping[str, float]]) -> list[list[float]]:
    matrix = np.array([[row[name] for name in COLUMNS] for row in rows], dtype=np.float32)
    scores = matrix @ np.array([[0.5, -0.5], [-1.0, 1.0], [0.25, 0.75]])
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).tolist()


def manifest_for(columns: Sequence[Column], inputs: Sequence[GraphInput], **changes: Any) -> Manifest:
    content: dict[str, Any] = {
        "name": "test",
        "created": "2026-01-01T00:00:00Z",
        "classes": ("no", "yes"),
        "columns": tuple(columns),
        "inputs": tuple(inputs),
        "outputs": {"probabilities": "probabilities"},
        **changes,
    }
    return Manifest(**content)


def linear_manifest(**changes: Any) -> Manifest:
    columns = [Column(name, "float") for name in COLUMNS]
    return manifest_for(columns, [GraphInput("numbers", "float", COLUMNS)], **changes)


def bundle_of(
    model: ModelProto | bytes,
    manifest: Manifest,
    *,
    rows: Sequence[Mapping[str, Any]],
    probabilities: Sequence[Sequence[float]],
    golden: int = 16,
) -> dict[str, bytes]:
    """All five files around a graph; the rows serve as background, the first of them as golden rows."""
    from dataclasses import replace

    from inference.decode import Decoder

    table = {name: [row.get(name) for row in rows] for name in manifest.column_names}
    importance = dict.fromkeys(manifest.column_names, 1.0)
    manifest = replace(manifest, neighbours=neighbours.fit(table, manifest, importance=importance))
    vectors = Space(manifest).embed(Decoder(manifest).feeds(rows))
    manifest = replace(manifest, novelty=novelty.fit(vectors, vectors, own=np.arange(len(rows))))
    reference = {
        "columns": {name: {} for name in manifest.column_names},
        "classes": dict.fromkeys(manifest.classes, 0),
    }
    return {
        "model.onnx": model if isinstance(model, bytes) else model.SerializeToString(),
        "bundle.json": json.dumps(manifest.to_json()).encode(),
        "background.parquet": tables.write_rows(manifest, rows),
        "reference.json": json.dumps(reference).encode(),
        "golden.parquet": tables.write_golden(manifest, rows[:golden], probabilities[:golden]),
    }


def linear_bundle(model: ModelProto | bytes | None = None, **changes: Any) -> dict[str, bytes]:
    rows = random_rows(40)
    return bundle_of(
        linear_model() if model is None else model,
        linear_manifest(**changes),
        rows=rows,
        probabilities=linear_probabilities(rows),
    )


def with_json(files: Mapping[str, bytes], **changes: Any) -> dict[str, bytes]:
    """The same bundle with some fields of bundle.json replaced."""
    return {**files, "bundle.json": json.dumps({**json.loads(files["bundle.json"]), **changes}).encode()}
