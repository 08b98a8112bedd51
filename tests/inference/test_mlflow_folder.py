"""MLflow model folders of the ONNX flavour, read without MLflow."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml

from inference import archive, bundle, conversion, foreign, mlflow_folder, model, predict
from inference.refusal import BundleRefused
from tests.inference import exports
from tests.inference.exports import MLFLOW, export

SPECIES = ("setosa", "versicolor", "virginica")


def saved() -> dict[str, bytes]:
    return {place.name: place.read_bytes() for place in MLFLOW.iterdir()}


def changed(folder: dict[str, bytes], **parts: Any) -> dict[str, bytes]:
    """The folder with some fields of its MLmodel replaced; None takes one out."""
    about = {**yaml.safe_load(folder["MLmodel"]), **parts}
    about = {name: value for name, value in about.items() if value is not None}
    return {**folder, "MLmodel": yaml.safe_dump(about).encode()}


def refusal_of(folder: dict[str, bytes]) -> BundleRefused:
    with pytest.raises(BundleRefused) as refusal:
        mlflow_folder.export_of(folder)
    return refusal.value


def test_a_folder_that_mlflow_saved_becomes_a_bundle_that_answers_the_same() -> None:
    told = json.loads((exports.FOLDER / "mlflow_lightgbm.json").read_text())

    files = conversion.convert(mlflow_folder.read_directory(MLFLOW), order=SPECIES)

    manifest = bundle.read_manifest(files)
    assert manifest.classes == SPECIES
    assert manifest.column_names == ("sepal_length", "sepal_width", "petal_length", "petal_width")
    assert manifest.owner == "risk team"
    assert manifest.lineage["mlflow"]["mlflow_version"] == "3.17.2"
    found = predict.predict(model.load(files), told["rows"]).probabilities
    assert np.abs(found - told["probabilities"]).max() < 1e-6


@pytest.mark.parametrize("root", ["", "model/", "run/artifacts/model/"])
def test_a_zip_of_the_folder_is_the_same_upload(root: str) -> None:
    zipped = archive.pack({f"{root}{name}": content for name, content in saved().items()} | {"readme.txt": b"x"})

    assert foreign.read_upload(zipped) == mlflow_folder.read_directory(MLFLOW)


def with_tensors_beside(tmp_path: Path) -> tuple[dict[str, bytes], exports.Export]:
    """As MLflow saves a net by default: its larger tensors in a file of their own."""
    given = export("torch_logits")
    onnx.save_model(
        onnx.load_from_string(given.graph),
        tmp_path / "model.onnx",
        save_as_external_data=True,
        size_threshold=0,
        location="5f1c.data",
    )
    about = {
        "flavors": {"onnx": {"data": "model.onnx"}},
        "signature": {
            "inputs": '[{"type": "tensor", "name": "x", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}]'
        },
        "metadata": {"activation": "softmax", "classes": list(SPECIES), "name": "flowers"},
    }
    (tmp_path / "MLmodel").write_text(yaml.safe_dump(about))
    return {place.name: place.read_bytes() for place in tmp_path.iterdir()}, given


def test_tensors_that_mlflow_keeps_beside_the_graph_are_taken_in(tmp_path: Path) -> None:
    folder, given = with_tensors_beside(tmp_path)
    assert len(folder["model.onnx"]) < len(given.graph)

    files = conversion.convert(mlflow_folder.export_of(folder))

    assert bundle.read_manifest(files).column_names == ("x_0", "x_1", "x_2", "x_3")
    rows = [{f"x_{place}": value for place, value in enumerate(row.values())} for row in given.rows]
    found = predict.predict(model.load(files), rows).probabilities
    assert np.abs(found - given.probabilities).max() < 1e-6


@pytest.mark.parametrize("damage", ["missing", "short"])
def test_tensors_that_are_not_there_are_refused(damage: str, tmp_path: Path) -> None:
    folder, _ = with_tensors_beside(tmp_path)
    folder["5f1c.data"] = folder["5f1c.data"][:20]
    if damage == "missing":
        del folder["5f1c.data"]

    with pytest.raises(BundleRefused) as refusal:
        conversion.convert(mlflow_folder.export_of(folder))

    assert refusal.value.code == "external_data"


def test_a_columns_type_and_whether_it_may_be_missing_come_from_the_signature() -> None:
    inputs = [
        {"name": "a", "type": "double", "required": False},
        {"name": "b", "type": "long", "required": True},
        {"name": "c", "type": "string"},
        {"name": "d", "type": "boolean", "required": False},
    ]

    made = mlflow_folder.export_of(changed(saved(), signature={"inputs": json.dumps(inputs)}))

    assert json.loads(made["manifest.json"])["columns"] == [
        {"name": "a", "dtype": "float", "nullable": True},
        {"name": "b", "dtype": "int", "nullable": False},
        {"name": "c", "dtype": "text", "nullable": False},
        {"name": "d", "dtype": "bool", "nullable": False},
    ]


@pytest.mark.parametrize(
    ("folder", "code"),
    [
        (changed(saved(), flavors={"sklearn": {"pickled_model": "model.pkl"}}), "mlflow_flavour"),
        (changed(saved(), flavors=None), "mlflow_flavour"),
        (changed(saved(), flavors={"onnx": {"data": "../../etc/passwd"}}), "file_missing"),
        (changed(saved(), flavors={"onnx": {"data": "data/model.onnx"}}), "file_missing"),
        (changed(saved(), signature=None), "mlflow_signature"),
        (changed(saved(), signature={"inputs": "["}), "mlflow_signature"),
        (changed(saved(), signature={"inputs": "[]"}), "mlflow_signature"),
        (changed(saved(), signature={"inputs": '["a"]'}), "mlflow_signature"),
        (changed(saved(), signature={"inputs": '[{"name": "a", "type": "datetime"}]'}), "mlflow_signature"),
        ({**saved(), "MLmodel": b"a: [\n"}, "mlflow_unreadable"),
        ({**saved(), "MLmodel": b"- a\n"}, "mlflow_unreadable"),
        ({**saved(), "MLmodel": b"a: !!python/object/apply:os.system ['false']"}, "mlflow_unreadable"),
        ({**saved(), "a.data": b"1", "b.data": b"2"}, "mlflow_unclear"),
    ],
)
def test_what_is_no_model_folder_is_refused(folder: dict[str, bytes], code: str) -> None:
    assert refusal_of(folder).code == code


def test_links_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    for name, content in saved().items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "model.onnx").rename(tmp_path / "elsewhere")
    (tmp_path / "model.onnx").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(BundleRefused) as refusal:
        mlflow_folder.read_directory(tmp_path)

    assert refusal.value.code == "file_missing"
