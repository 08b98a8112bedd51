import json
import subprocess
import sys

import numpy as np
import pytest

from inference import model, predict
from inference.decode import Decoder, RowInvalid
from inference.manifest import Column, GraphInput
from inference.model import OutputInvalid
from tests.inference import onnx_files


def test_one_row_at_a_time_equals_the_batch(tumour_model, tumours):
    rows = tumours.stream_rows[:50]

    together = predict.predict(tumour_model, rows)
    alone = [predict.predict(tumour_model, [row]) for row in rows]

    assert np.abs(together.probabilities - np.concatenate([one.probabilities for one in alone])).max() <= 1e-6
    assert np.abs(together.embedding - np.concatenate([one.embedding for one in alone])).max() <= 1e-6
    assert np.abs(together.novelty - np.concatenate([one.novelty for one in alone])).max() <= 1e-3


def test_predictions_have_the_promised_shape(digit_model, digits):
    found = predict.predict(digit_model, digits.stream_rows[:7])

    assert found.probabilities.shape == (7, 10)
    assert found.probabilities.dtype == np.float64
    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(7), abs=1e-12)
    assert found.embedding.shape == (7, 128)
    assert found.embedding.dtype == np.float32
    assert ((found.novelty >= 0) & (found.novelty <= 1)).all()
    assert found.classes == digit_model.manifest.classes
    assert found.predicted == [found.classes[row.argmax()] for row in found.probabilities]
    assert found.confidence.tolist() == [row.max() for row in found.probabilities]
    assert found.provider == digit_model.provider
    assert found.seconds > 0


def test_embedding_and_novelty_are_left_out_when_not_asked_for(tumour_model, tumours):
    found = predict.predict(tumour_model, tumours.stream_rows[:3], with_embedding=False)

    assert found.embedding.shape == (3, 0)
    assert np.isnan(found.novelty).all()


def test_no_rows_give_no_predictions(tumour_model):
    found = predict.predict(tumour_model, [])

    assert found.probabilities.shape == (0, 2)
    assert found.embedding.shape == (0, 128)
    assert found.predicted == []


@pytest.mark.parametrize("name", ["tumour", "digit"])
def test_json_and_dicts_are_scored_alike(request, name):
    loaded, demo = request.getfixturevalue(f"{name}_model"), request.getfixturevalue(f"{name}s")
    rows = demo.stream_rows[:40]

    from_dicts = predict.predict(loaded, rows)
    from_json = predict.predict_json(loaded, [json.dumps(row).encode() for row in rows])

    assert (from_dicts.probabilities == from_json.probabilities).all()
    assert (from_dicts.embedding == from_json.embedding).all()


COLUMNS = (
    Column("age", "float", nullable=True),
    Column("visits", "int"),
    Column("kind", "category", nullable=True, values=("a", "b")),
    Column("known", "bool"),
)
MIXED = onnx_files.manifest_for(
    COLUMNS,
    [
        GraphInput("numbers", "float", ("visits", "age")),
        GraphInput("words", "string", ("kind",)),
        GraphInput("flags", "bool", ("known",)),
    ],
)
ROWS = [
    {"age": 7.5, "visits": 3, "kind": "b", "known": True},
    {"age": None, "visits": 4, "kind": None, "known": False},
    {"visits": 5, "known": True, "age": 1},
]


def assert_mixed(feeds):
    assert feeds["numbers"].dtype == np.float32
    np.testing.assert_array_equal(feeds["numbers"], np.array([[3, 7.5], [4, np.nan], [5, 1]], dtype=np.float32))
    assert feeds["words"].tolist() == [["b"], [""], [""]]
    assert feeds["flags"].tolist() == [[True], [False], [True]]


def test_columns_go_to_their_inputs_and_gaps_become_missing():
    assert_mixed(Decoder(MIXED).feeds(ROWS))


def test_json_goes_the_same_way():
    assert_mixed(Decoder(MIXED).feeds_from_json([json.dumps(row).encode() for row in ROWS]))


@pytest.mark.parametrize("name", ['Alcohol (%) "x", 1/2', "back\\slash", "two\nlines"])
def test_json_goes_the_same_way_under_names_that_it_writes_otherwise(name):
    columns = (Column(name, "float", nullable=True), *COLUMNS[1:])
    inputs = [GraphInput("numbers", "float", ("visits", name)), *MIXED.inputs[1:]]
    rows = [{name if key == "age" else key: value for key, value in row.items()} for row in ROWS]

    decoder = Decoder(onnx_files.manifest_for(columns, inputs))

    assert_mixed(decoder.feeds_from_json([json.dumps(row).encode() for row in rows]))


def test_table_goes_the_same_way():
    assert_mixed(
        Decoder(MIXED).feeds_from_table({name: [row.get(name) for row in ROWS] for name in MIXED.column_names})
    )


@pytest.mark.parametrize("row", [{"age": 1, "known": True}, {"age": 1, "known": True, "visits": None}])
def test_required_column_that_is_missing_is_named(row):
    with pytest.raises(RowInvalid, match="visits"):
        Decoder(MIXED).feeds([ROWS[0], row])


def test_word_in_a_number_column_is_named():
    with pytest.raises(RowInvalid, match="age"):
        Decoder(MIXED).feeds([{**ROWS[0], "age": "old"}])


def test_numbers_are_rounded_to_float32_once(tumour_model, tumours):
    row = tumours.stream_rows[0]
    feeds = tumour_model.decoder.feeds([row])["numbers"]

    assert feeds[0].tolist() == np.array(list(row.values())).astype(np.float32).tolist()


def broken(nodes, initializers=()):
    """A loaded model whose graph is then replaced by one that answers nonsense."""
    from inference.session import CPU, Session

    loaded = model.load(onnx_files.linear_bundle())
    graph = onnx_files.graph_of(
        nodes,
        inputs=[onnx_files.value("numbers", 3)],
        outputs=[onnx_files.value("probabilities", 3)],
        initializers=initializers,
    )
    loaded.session = Session(graph.SerializeToString(), providers=[CPU])
    return loaded


@pytest.mark.parametrize("operator", ["Log", "Neg", "Identity"])
def test_answers_that_are_not_probabilities_are_an_error(operator):
    from onnx import helper

    loaded = broken([helper.make_node(operator, ["numbers"], ["probabilities"])])

    with pytest.raises(OutputInvalid):
        predict.predict(loaded, [{"age": -1.0, "income": 2.0, "debt": 0.0}])


def test_scoring_loads_neither_shap_nor_sklearn(tmp_path):
    from inference import bundle

    bundle.write_directory(onnx_files.linear_bundle(), tmp_path)
    code = (
        "import sys, pathlib\n"
        "from inference import model, predict\n"
        "loaded = model.load(pathlib.Path(sys.argv[1]))\n"
        "predict.predict(loaded, [{'age': 1, 'income': 2, 'debt': 3}])\n"
        "heavy = {'shap', 'sklearn', 'scipy', 'django', 'celery', 'pandas'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )

    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
