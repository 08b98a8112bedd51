import json

import pytest

from inference import bundle
from inference.manifest import Manifest
from inference.refusal import BundleRefused
from tests.inference import onnx_files


def content() -> dict:
    return json.loads(onnx_files.linear_bundle()["bundle.json"])


def test_manifest_survives_json():
    source = content()
    manifest = Manifest.from_json(source)

    again = Manifest.from_json(json.loads(json.dumps(manifest.to_json())))

    assert again == manifest


def column(**changes):
    return {"name": "age", "dtype": "float", "nullable": False, **changes}


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("classes", ["only"], "classes"),
        ("classes", ["a", "a"], "classes"),
        ("classes", "ab", "classes"),
        ("name", "", "name"),
        ("name", "a\x00b", "name"),
        ("name", 7, "name"),
        ("outputs", {}, "outputs"),
        ("columns", [], "columns"),
        ("columns", [column(dtype="float64")], "dtype"),
        ("columns", [column(dtype="category")], "values"),
        ("columns", [column(values=["a"])], "values"),
        ("columns", [column(minimum=2, maximum=1)], "minimum"),
        ("columns", [column(minimum=float("inf"))], "minimum"),
        ("columns", [column(nullable="yes")], "nullable"),
        ("columns", [column(name="probability:yes")], "reserved"),
        ("inputs", [], "inputs"),
        ("inputs", [{"name": "numbers", "dtype": "float", "columns": ["age", "income"]}], "inputs"),
        ("inputs", [{"name": "numbers", "dtype": "string", "columns": ["age", "income", "debt"]}], "numbers"),
        ("transformed", ["nothing"], "transformed"),
        ("image", {"height": 8, "width": 8}, "image"),
        ("image", {"height": 0}, "image"),
        ("novelty", {}, "novelty"),
        ("novelty", {"neighbour": 5, "quantiles": [2.0, 1.0]}, "novelty"),
        ("neighbours", {"dimension": 64}, "neighbours"),
        (
            "neighbours",
            {"dimension": 128, "seed": "s", "columns": [{"name": "age", "kind": "number", "weight": -1}]},
            "age",
        ),
    ],
)
def test_wrong_field_is_named(field, value, named):
    files = onnx_files.with_json(onnx_files.linear_bundle(), **{field: value})
    if value != value or "Infinity" in files["bundle.json"].decode():
        files["bundle.json"] = files["bundle.json"].replace(b"Infinity", b"1e999")

    with pytest.raises(BundleRefused, match=named) as refusal:
        bundle.check(files)

    assert refusal.value.code == "manifest_invalid"


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"NaN", b"[" * 100_000])
def test_unreadable_manifest_is_refused(text):
    with pytest.raises(BundleRefused) as refusal:
        bundle.check({**onnx_files.linear_bundle(), "bundle.json": text})

    assert refusal.value.code == "json_unreadable"


@pytest.mark.parametrize("text", [b"[]", b"7", b"null", b"{}", b'{"format": 2}'])
def test_foreign_manifest_is_refused(text):
    with pytest.raises(BundleRefused):
        bundle.check({**onnx_files.linear_bundle(), "bundle.json": text})


def test_reading_a_manifest_loads_no_runtime():
    import subprocess
    import sys

    code = (
        "import sys, inference.bundle, inference.model\n"
        "heavy = {'onnxruntime', 'shap', 'sklearn', 'onnx', 'pyarrow', 'django', 'celery'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
