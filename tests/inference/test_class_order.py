"""A model whose classes stand in another order answers and is explained as it was, class by class."""

import json
from typing import Any

import numpy as np
import pytest
from onnx import helper

from inference import bundle, class_order, conversion, foreign, model, predict, upload_gate
from inference.archive import digest, pack
from inference.explain import explain
from inference.refusal import BundleRefused
from tests.factories import bundles
from tests.inference import onnx_files
from tests.inference.exports import export

EXACT = ("sklearn_forest", "lightgbm_binary", "xgboost_binary", "lightgbm_multiclass")
PARCELS = [{"dent": 1.0, "tear": 7.5}, {"dent": 8.0, "tear": 6.0}]


def order_of(files: dict[str, bytes]) -> list[str]:
    first, *others = bundle.read_manifest(files).classes
    return [*others, first]


def check_same(plain: dict[str, bytes], other: dict[str, bytes], *, rows: list[dict[str, Any]]) -> None:
    """Probabilities and attributions of each class are those of the same class before."""
    one, two = model.load(plain), model.load(other)
    before, after = one.manifest.classes, two.manifest.classes
    assert sorted(before) == sorted(after)
    assert before != after

    found = predict.predict(two, rows).probabilities[:, [after.index(name) for name in before]]

    assert (found == predict.predict(one, rows).probabilities).all()
    for name in before:
        for old, new in zip(*(explain(loaded, rows, classes=[name] * len(rows)) for loaded in (one, two)), strict=True):
            assert (new.method, new.output_space) == (old.method, old.output_space)
            assert new.attributions == old.attributions
            assert (new.base_value, new.output_value) == (old.base_value, old.output_value)


@pytest.mark.parametrize("name", EXACT)
def test_a_foreign_model_takes_the_order_that_is_asked_for(name: str) -> None:
    given = export(name)
    plain = conversion.convert(given.files())

    other = conversion.convert(given.files(), order=order_of(plain))

    assert list(bundle.read_manifest(other).classes) == order_of(plain)
    check_same(plain, other, rows=given.rows[:3])
    assert model.load(other).explainer.method == "tree_shap_interventional"


def test_a_bundle_takes_the_order_that_is_asked_for_and_names_where_it_comes_from() -> None:
    plain = bundles.files()

    other = class_order.reordered(plain, ["damaged", "intact"])

    check_same(plain, other, rows=PARCELS)
    told = bundle.read_manifest(other).lineage["reordered"]
    assert told == {"bundle": digest(plain), "classes": ["intact", "damaged"]}
    assert class_order.reordered(class_order.marked(plain), ["damaged", "intact"]) == other
    check_same(other, class_order.reordered(other, ["intact", "damaged"]), rows=PARCELS)


def test_the_gate_answers_with_the_bundle_in_the_other_order() -> None:
    result = upload_gate.examine(pack(bundles.files()), classes=["damaged", "intact"])

    assert (result["state"], result["reason"]) == ("ready", "")
    made = bundle.read_zip(result["bundle"])
    assert bundle.read_manifest(made).classes == ("damaged", "intact")
    assert digest(made) == result["digest"]


@pytest.mark.parametrize("classes", [["bad", "good"], ["good", "bad"]])
def test_one_number_is_the_second_declared_class_whatever_the_streams_order(classes: list[str]) -> None:
    graph = onnx_files.graph_of(
        [helper.make_node("Sigmoid", ["x"], ["answer"])],
        inputs=[onnx_files.value("x", 1)],
        outputs=[onnx_files.value("answer", 1)],
    ).SerializeToString()
    told = {"name": "risk", "classes": ["good", "bad"], "columns": [{"name": "x", "dtype": "float"}]}
    files = conversion.convert(foreign.export_of(graph, json.dumps(told).encode()), order=classes)

    found = predict.predict(model.load(files), [{"x": 3.0}])

    place = bundle.read_manifest(files).classes.index("bad")
    assert np.isclose(found.probabilities[0, place], 1 / (1 + np.exp(-3.0)))


def test_a_model_that_another_server_runs_is_refused_with_the_remedy() -> None:
    files = bundles.files()
    manifest = json.loads(files["bundle.json"])
    manifest["remote"] = {"url": "http://127.0.0.1:9", "model": "parcels", "version": "1"}

    with pytest.raises(BundleRefused, match="list `classes` in the stream's order"):
        class_order.reordered(
            {**files, "model.onnx": b"", "bundle.json": json.dumps(manifest).encode()}, ["damaged", "intact"]
        )
