import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from inference import bundle, model, tables
from inference.manifest import Column, GraphInput
from inference.refusal import BundleRefused
from tests.inference import onnx_files


def parquet(columns: dict[str, list]) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target)
    return target.getvalue()


def refusal_of(name: str, content: bytes) -> BundleRefused:
    with pytest.raises(BundleRefused) as refusal:
        bundle.check({**onnx_files.linear_bundle(), name: content})
    return refusal.value


def background(**changes) -> dict[str, list]:
    columns = {name: [1.0] * 30 for name in onnx_files.COLUMNS}
    return {**columns, **changes}


@pytest.mark.parametrize("name", ["background.parquet", "golden.parquet"])
@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"not parquet at all"])
def test_unreadable_table_is_refused(name, content):
    refusal = refusal_of(name, content)

    assert refusal.code == "parquet_unreadable"
    assert name in str(refusal)


def test_table_with_another_column_is_refused():
    refusal = refusal_of("background.parquet", parquet(background(surplus=[1.0] * 30)))

    assert refusal.code == "table_mismatch"
    assert "surplus" in str(refusal)


def test_table_with_another_type_is_refused():
    assert "age" in str(refusal_of("background.parquet", parquet(background(age=["old"] * 30))))


def test_empty_cell_of_a_required_column_is_refused():
    assert "age" in str(refusal_of("background.parquet", parquet(background(age=[1.0] * 29 + [None]))))


@pytest.mark.parametrize("rows", [0, 5, tables.MAX_ROWS + 1])
def test_table_of_the_wrong_length_is_refused(rows):
    content = parquet({name: [1.0] * rows for name in onnx_files.COLUMNS})

    assert refusal_of("background.parquet", content).code == "table_rows"


def test_golden_table_without_probabilities_is_refused():
    assert refusal_of("golden.parquet", parquet(background())).code == "table_mismatch"


def test_model_that_leaves_its_golden_rows_is_refused():
    rows = onnx_files.random_rows(40)
    probabilities = [[no - 2e-5, yes + 2e-5] for no, yes in onnx_files.linear_probabilities(rows)]
    files = onnx_files.bundle_of(
        onnx_files.linear_model(), onnx_files.linear_manifest(), rows=rows, probabilities=probabilities
    )

    with pytest.raises(BundleRefused) as refusal:
        model.load(files)

    assert refusal.value.code == "golden_mismatch"


def test_golden_rows_with_nan_are_refused():
    rows = onnx_files.random_rows(40)
    files = onnx_files.bundle_of(
        onnx_files.linear_model(), onnx_files.linear_manifest(), rows=rows, probabilities=[[float("nan")] * 2] * 40
    )

    with pytest.raises(BundleRefused) as refusal:
        model.load(files)

    assert refusal.value.code == "golden_mismatch"


def test_rows_of_every_dtype_survive_the_file():
    columns = [
        Column("number", "float", nullable=True),
        Column("count", "int"),
        Column("flag", "bool"),
        Column("kind", "category", nullable=True, values=("a", "b")),
    ]
    inputs = [GraphInput("n", "float", ("number", "count", "flag")), GraphInput("w", "string", ("kind",))]
    manifest = onnx_files.manifest_for(columns, inputs)
    rows = [
        {"number": None if row % 3 else row / 7, "count": row, "flag": row % 2 == 0, "kind": None if row % 5 else "b"}
        for row in range(25)
    ]

    table = tables.read_background(manifest, tables.write_rows(manifest, rows))

    assert tables.to_rows(table) == rows
