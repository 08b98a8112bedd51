"""Models that others exported, made into bundles that answer as the models' own libraries do."""

import io
import json
import zipfile
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inference import archive, bundle, conversion, foreign, model, predict, samples
from inference.foreign import Declaration
from inference.manifest import Column
from inference.refusal import BundleRefused
from tests.inference import exports, onnx_files
from tests.inference.exports import export

TOLERANCE = 1e-6


def probabilities_of(files: dict[str, bytes], rows: list[dict[str, Any]]) -> np.ndarray:
    return predict.predict(model.load(files), rows).probabilities


def refusal_of(files: dict[str, bytes], **options: Any) -> BundleRefused:
    with pytest.raises(BundleRefused) as refusal:
        conversion.convert(files, **options)
    return refusal.value


@pytest.mark.parametrize("name", exports.NAMES)
def test_an_export_answers_as_its_own_library_does(name: str) -> None:
    given = export(name)

    files = conversion.convert(given.files())

    assert set(files) == set(bundle.FILES)
    assert np.abs(probabilities_of(files, given.rows) - given.probabilities).max() < TOLERANCE
    assert bundle.read_manifest(files).lineage["upload"]["background"] == samples.GIVEN


def test_every_kind_of_exporter_is_among_them() -> None:
    assert {name.partition("_")[0] for name in exports.NAMES} == {"sklearn", "lightgbm", "xgboost", "torch", "tree"}


def test_equal_exports_give_equal_bundles() -> None:
    given = export("lightgbm_binary")

    assert conversion.convert(given.files()) == conversion.convert(given.files())


def test_classes_follow_the_stream_where_the_graph_names_them() -> None:
    given = export("sklearn_boosting_zipmap")
    order = ["setosa", "versicolor", "virginica"]

    files = conversion.convert(given.files(), order=order)

    assert list(bundle.read_manifest(files).classes) == order
    expected = np.array(given.probabilities)[:, [given.manifest["classes"].index(name) for name in order]]
    assert np.abs(probabilities_of(files, given.rows) - expected).max() < TOLERANCE


def test_classes_that_nobody_declares_are_those_of_the_graph_or_the_stream() -> None:
    named, numbered = export("sklearn_mixed_zipmap"), export("torch_logits")

    assert bundle.read_manifest(conversion.convert(named.files(classes=None))).classes == ("fine", "fraud")
    by_stream = conversion.convert(numbered.files(classes=None), order=("a", "b", "c"))
    assert bundle.read_manifest(by_stream).classes == ("a", "b", "c")


def test_other_classes_than_the_graph_names_are_listed() -> None:
    refusal = refusal_of(export("sklearn_mixed_zipmap").files(classes=["fine", "broken"]))

    assert refusal.code == "classes_differ"
    assert "not in the model: broken; only in the model: fraud" in str(refusal)


def test_the_number_of_classes_must_be_that_of_the_answers() -> None:
    refusal = refusal_of(export("torch_logits").files(classes=["a", "b"]))

    assert refusal.code == "classes_differ"
    assert "3 numbers per row, but 2 classes" in str(refusal)


def small_graph(last: str, width: int) -> bytes:
    """Three columns, summed up `width` times, and a last step."""
    return onnx_files.graph_of(
        [
            helper.make_node("MatMul", ["x", "weights"], ["sums"]),
            helper.make_node(last, ["sums"], ["found"]),
            helper.make_node("Softmax" if width > 1 else "Identity", ["found"], ["answer"]),
        ],
        inputs=[onnx_files.value("x", 3)],
        outputs=[onnx_files.value("answer", width)],
        initializers=[numpy_helper.from_array(np.full((3, width), -1, dtype=np.float32), "weights")],
    ).SerializeToString()


def test_a_regressor_is_told_from_a_classifier() -> None:
    refusal = refusal_of(foreign.export_of(small_graph("Identity", 1), declared(classes=("a", "b", "c"))))

    assert "one number per row, but 3 classes are declared: a, b, c. A regressor tells a quantity" in str(refusal)
    as_two = refusal_of(foreign.export_of(small_graph("Identity", 1), declared(classes=("a", "b"))))
    assert as_two.code == "not_probabilities"


def test_a_model_that_answers_no_numbers_is_refused_with_the_row() -> None:
    refusal = refusal_of(foreign.export_of(small_graph("Log", 3), declared(classes=("a", "b", "c"))))

    assert "answers no number (NaN or infinite) for" in str(refusal)
    assert "the first is row" in str(refusal)


def test_scores_are_not_taken_for_probabilities() -> None:
    refusal = refusal_of(export("torch_logits").files(activation=None))

    assert refusal.code == "not_probabilities"
    assert "softmax" in str(refusal)


def test_an_output_can_be_asked_for() -> None:
    given = export("sklearn_forest")

    files = conversion.convert(given.files(outputs={"probabilities": "probabilities"}))

    assert np.abs(probabilities_of(files, given.rows) - given.probabilities).max() < TOLERANCE
    assert refusal_of(given.files(outputs={"probabilities": "chance"})).code == "outputs"
    assert refusal_of(given.files(outputs={"probabilities": "label"})).code == "no_probabilities"


def two_heads() -> bytes:
    """Two outputs that could both hold probabilities."""
    graph = onnx_files.linear_model()
    graph.graph.node.append(helper.make_node("Identity", ["probabilities"], ["second"]))
    graph.graph.node[1].output[0] = "first"
    graph.graph.node[2].input[0] = "first"
    del graph.graph.output[:]
    graph.graph.output.extend(
        [onnx_files.value("first", 2), onnx_files.value("second", 2), onnx_files.value("scores", 2)]
    )
    return graph.SerializeToString()


def declared(**changes: Any) -> bytes:
    columns = [{"name": name, "dtype": "float"} for name in onnx_files.COLUMNS]
    return json.dumps({"name": "test", "classes": ["no", "yes"], "columns": columns, **changes}).encode()


def test_which_output_is_meant_is_asked_where_it_cannot_be_told() -> None:
    refusal = refusal_of(foreign.export_of(two_heads(), declared()))

    assert refusal.code == "outputs_unclear"
    assert "`first`, `second`, `scores`" in str(refusal)
    files = conversion.convert(foreign.export_of(two_heads(), declared(outputs={"probabilities": "second"})))
    assert bundle.read_manifest(files).probabilities_output == "second"


def test_a_model_may_give_the_vectors_of_similar_cases_itself() -> None:
    given = export("torch_logits")
    graph = onnx.load_from_string(given.graph)
    graph.graph.output.append(helper.make_tensor_value_info("relu", TensorProto.FLOAT, None))
    outputs = {"probabilities": "linear_1", "embedding": "relu"}

    files = conversion.convert({**given.files(outputs=outputs), "model.onnx": graph.SerializeToString()})

    loaded = model.load(files)
    assert loaded.space.takes_given
    assert predict.predict(loaded, given.rows).embedding.any()
    assert refusal_of(given.files(outputs={"embedding": "nowhere"})).code == "outputs"


def test_a_model_that_answers_labels_alone_is_refused() -> None:
    graph = onnx.load_from_string(export("sklearn_forest").graph)
    del graph.graph.output[1]

    assert refusal_of({**export("sklearn_forest").files(), "model.onnx": graph.SerializeToString()}).code == (
        "no_probabilities"
    )


def test_tensors_with_unclear_columns_are_asked_for() -> None:
    graph = onnx_files.graph_of(
        [
            helper.make_node("Concat", ["a", "b"], ["all"], axis=1),
            helper.make_node("MatMul", ["all", "weights"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        ],
        inputs=[onnx_files.value("a", 1), onnx_files.value("b", 2)],
        outputs=[onnx_files.value("probabilities", 2)],
        initializers=[onnx_files.linear_model().graph.initializer[0]],
    ).SerializeToString()
    given = {"a": ["debt"], "b": ["age", "income"]}

    assert refusal_of(foreign.export_of(graph, declared())).code == "inputs_unclear"
    files = conversion.convert(foreign.export_of(graph, declared(inputs=given)))
    assert {item.name: list(item.columns) for item in bundle.read_manifest(files).inputs} == given
    assert refusal_of(foreign.export_of(graph, declared(inputs={"a": ["debt"]}))).code == "inputs"


def test_another_number_of_columns_than_the_graph_takes_is_refused() -> None:
    given = export("sklearn_forest")

    refusal = refusal_of(given.files(columns=given.manifest["columns"][:3]))

    assert "takes 4 values per row, manifest.json gives it 3 columns" in str(refusal)


def test_a_model_of_whole_numbers_of_32_bits_is_fed_through_a_cast() -> None:
    graph = onnx_files.linear_model()
    graph.graph.node.insert(0, helper.make_node("Cast", ["whole"], ["numbers"], to=TensorProto.FLOAT))
    graph.graph.input[0].CopyFrom(onnx_files.value("whole", 3, TensorProto.INT32))
    columns = [{"name": name, "dtype": "int"} for name in onnx_files.COLUMNS]

    files = conversion.convert(foreign.export_of(graph.SerializeToString(), declared(columns=columns)))

    assert bundle.read_manifest(files).inputs[0].dtype == "int64"
    rows = [{"age": 1, "income": 2, "debt": 3}]
    assert np.allclose(probabilities_of(files, rows), onnx_files.linear_probabilities(rows))


def test_without_a_sample_rows_are_drawn_from_the_declared_ranges() -> None:
    given = export("torch_pictures")

    files = conversion.convert(given.files(sample=False))

    manifest = bundle.read_manifest(files)
    assert manifest.lineage["upload"]["background"] == samples.DECLARED
    table = model.load(files).background
    assert {value for column in table.values() for value in column} <= set(range(17))
    assert np.abs(probabilities_of(files, given.rows) - given.probabilities).max() < TOLERANCE


COLUMNS = (Column("age", "float"), Column("kind", "text"), Column("count", "int", nullable=True))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("sample.csv", b'kind,age,count,more\n"a\n""b""",1.5,3,x\nc,2,,y\n'),
        ("sample.json", b'[{"kind": "a\\n\\"b\\"", "age": 1.5, "count": 3}, {"kind": "c", "age": 2, "count": null}]'),
        ("sample.json", b'{"columns": ["kind", "age", "count"], "data": [["a\\n\\"b\\"", 1.5, 3], ["c", 2, null]]}'),
        (
            "sample.json",
            b"""{"dataframe_split": {"columns": ["kind", "age", "count"],
             "data": [["a\\n\\"b\\"", 1.5, 3], ["c", 2, null]]}}""",
        ),
        ("sample.json", b'{"inputs": [[1.5, "a\\n\\"b\\"", 3], [2, "c", null]]}'),
    ],
)
def test_a_sample_comes_in_several_forms(name: str, content: bytes) -> None:
    rows = samples.read({name: content}, COLUMNS)

    assert rows == [{"age": 1.5, "kind": 'a\n"b"', "count": 3}, {"age": 2.0, "kind": "c", "count": None}]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("sample.csv", b"age,kind\n1,a\n", "lacks the column `count`"),
        ("sample.csv", b"age,kind,count\nold,a,1\n", "sample.csv is not readable"),
        ("sample.csv", b"", "sample.csv is not readable"),
        ("sample.json", b"{", "not readable JSON"),
        ("sample.json", b"7", "must hold a list of rows"),
        ("sample.json", b"[[1, 2]]", "a row does not have the 3 columns' values"),
        ("sample.json", b'[{"age": "x", "kind": "a", "count": 1}]', "`age` holds 'x', which is not float"),
        ("sample.json", b'[{"age": null, "kind": "a", "count": 1}]', "`age` is empty in a row"),
        ("sample.parquet", b"PAR1", "sample.parquet is not readable"),
    ],
)
def test_a_sample_that_cannot_be_used_is_refused(name: str, content: bytes, said: str) -> None:
    with pytest.raises(BundleRefused, match=said):
        samples.read({name: content}, COLUMNS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": None}, "`name`"),
        ({"columns": []}, "`columns`"),
        ({"columns": [{"name": "a", "dtype": "float"}] * 2}, "none twice"),
        ({"columns": [{"name": "a", "dtype": "number"}]}, "needs a dtype"),
        ({"activation": "relu"}, "`activation`"),
        ({"labels": ["a"]}, "`labels` is not known"),
        ({"classes": "ab"}, "`classes`"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_naming_the_field(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BundleRefused, match=f"^manifest.json: .*{said}"):
        Declaration.from_json({**json.loads(declared()), **change})


def zipped(files: dict[str, bytes]) -> bytes:
    return archive.pack(files)


def test_a_zip_of_a_bare_model_is_read_whatever_the_model_is_called() -> None:
    given = export("sklearn_forest").files()
    renamed = {"forest.onnx": given["model.onnx"], "manifest.json": given["manifest.json"]}

    assert foreign.read_upload(zipped(renamed)) == {name: given[name] for name in ("model.onnx", "manifest.json")}


def test_a_zip_of_a_bundle_is_read_as_before() -> None:
    files = onnx_files.linear_bundle()

    assert foreign.read_upload(bundle.write_zip(files)) == files
    assert not foreign.is_foreign(files)


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["model.onnx", "manifest.json", "run.py"], "file_unexpected"),
        (["model.onnx", "model.pkl"], "file_unexpected"),
        (["a/MLmodel", "b/MLmodel"], "mlflow_unclear"),
        (["a.onnx", "b.onnx"], "file_unexpected"),
        ([], "file_missing"),
    ],
)
def test_a_zip_of_anything_else_is_refused(names: list[str], code: str) -> None:
    with pytest.raises(BundleRefused) as refusal:
        foreign.read_upload(zipped(dict.fromkeys(names, b"x")))

    assert refusal.value.code == code


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_a_name_twice_is_refused() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as whole:
        for name in ("model.onnx", "manifest.json", "manifest.json"):
            whole.writestr(name, b"{}")

    with pytest.raises(BundleRefused) as refusal:
        foreign.read_upload(target.getvalue())

    assert refusal.value.code == "file_twice"
