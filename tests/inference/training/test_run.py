"""From a file to a bundle."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from inference import bundle, explain, model, predict
from inference.training import assemble
from inference.training.linear import Linear
from inference.training.run import Task, Trained, train
from tests.factories import training_files


@pytest.fixture(scope="module")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    path = training_files.write(tmp_path_factory.mktemp("data") / "parcels.csv.gz", training_files.parcels(900))
    return train(path, Task(name="parcels", **training_files.OPTIONS))


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Three classes, no text: trees, a linear model and a net are tried."""
    table = training_files.parcels(900, three=True)
    path = training_files.write(tmp_path_factory.mktemp("data") / "parcels.csv", table)
    return train(path, Task("outcome", "numbers", id="parcel", exclude=("day", "note")))


def test_every_kind_of_column_is_told(parcels: Trained) -> None:
    found = {column.name: (column.dtype, column.nullable) for column in parcels.manifest.columns}

    assert found == {
        "weight": ("float", True),
        "zone": ("int", False),
        "depot": ("category", True),
        "is_member": ("bool", False),
        "carrier": ("category", False),
        "note": ("text", True),
    }
    assert parcels.notes == ["`currency` is “EUR” in every row: left out."]


def test_the_newest_rows_validate(parcels: Trained) -> None:
    lineage = parcels.manifest.lineage

    assert lineage["training_cut_off"] < lineage["time_span"][1]
    assert "newest" in parcels.manifest.metrics["method"]
    assert lineage["training_rows"] + lineage["tuning_rows"] + lineage["validation_rows"] == lineage["rows"] == 900


@pytest.mark.parametrize("name", ["parcels", "numbers"])
def test_the_bundle_answers_rows_like_the_fitted_pipeline(request: pytest.FixtureRequest, name: str) -> None:
    trained: Trained = request.getfixturevalue(name)
    loaded = model.load(trained.files)

    found = predict.predict(loaded, trained.rows).probabilities

    expected = trained.score(loaded.decoder.feeds(trained.rows))
    assert np.abs(found - expected).max() < 1e-5
    assert (found.argmax(axis=1) == trained.truth).mean() > 0.6
    assert len(found) == trained.manifest.lineage["validation_rows"]


def test_what_was_never_seen_is_scored(parcels: Trained) -> None:
    loaded = model.load(parcels.files)
    strange: dict[str, Any] = {
        **parcels.rows[0],
        "weight": 1e30,
        "zone": 99,
        "depot": "depot z",
        "carrier": "nobody",
        "note": 'a "quote",\nИ 漢字 😀 ' + "word " * 2_000,
    }
    rows = [strange, {**strange, "note": ""}, {**strange, "note": None, "weight": None, "depot": None}]

    alone = np.concatenate([predict.predict(loaded, [row]).probabilities for row in rows])
    together = predict.predict(loaded, rows).probabilities

    assert np.isfinite(together).all()
    assert np.abs(alone - together).max() < 1e-6
    assert np.abs(together - parcels.score(loaded.decoder.feeds(rows))).max() < 1e-5


@pytest.mark.parametrize("name", ["parcels", "numbers"])
def test_explanations_add_up_column_by_column(request: pytest.FixtureRequest, name: str) -> None:
    trained: Trained = request.getfixturevalue(name)
    loaded = model.load(trained.files)

    found = explain.explain(loaded, trained.rows[:5], classes=[trained.manifest.classes[0]] * 5)

    assert all(one.additive for one in found)
    assert [name for name, _, _ in found[0].attributions] == list(trained.manifest.column_names)
    assert found[0].method == trained.manifest.explainer["method"]


def test_the_candidates_are_compared_on_rows_that_none_was_fitted_on(numbers: Trained) -> None:
    tried = numbers.manifest.metrics["candidates"]

    assert [one["kind"] for one in tried] == ["gradient boosting", "linear", "small neural net"]
    assert min(tried, key=lambda one: one["log_loss"])["chosen"]
    assert sum(one["chosen"] for one in tried) == 1


def test_a_graph_that_leaves_the_pipeline_is_refused_and_the_row_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Linear.nodes
    monkeypatch.setattr(
        Linear, "nodes", lambda self, *names: right(Linear(self.coefficients * 1.01, self.intercept), *names)
    )
    table = training_files.parcels(300)
    path = training_files.write(tmp_path / "rows.csv", {name: table[name] for name in ("note", "outcome")})

    said = r"most in row \d+, class (late|broken), with .* Nothing was exported\.$"
    with pytest.raises(assemble.ExportRefused, match=said):
        train(path, Task("outcome", "off", text=("note",)))


def test_parquet_says_what_it_holds(tmp_path: Path) -> None:
    table = training_files.parcels(300)
    path = tmp_path / "parcels.parquet"
    kinds = {
        "code": pa.array([f"0{zone}" for zone in table["zone"]]),
        "zone": pa.array(table["zone"], pa.int32()),
        "weight": pa.array([float(weight) if weight else None for weight in table["weight"]]),
        "is_member": pa.array([flag == "True" for flag in table["is_member"]]),
        "depot": pa.array(table["depot"]).dictionary_encode(),
        "outcome": pa.array(table["outcome"]),
    }
    pq.write_table(pa.table(kinds), path)

    trained = train(path, Task("outcome", "typed"))

    found = {column.name: column.dtype for column in trained.manifest.columns}
    assert found == {
        "code": "category",
        "zone": "int",
        "weight": "float",
        "is_member": "bool",
        "depot": "category",
    }


def test_pictures_are_learnt_from_their_points(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    table = {f"p{place}": digits.data[:600, place].astype(int).tolist() for place in range(64)}
    path = training_files.write(tmp_path / "digits.csv", {**table, "digit": digits.target[:600].tolist()})

    trained = train(path, Task("digit", "digits", image=(8, 8)))

    assert trained.manifest.image == {"height": 8, "width": 8}
    assert len(trained.manifest.columns) == 64
    assert trained.manifest.columns[0].maximum == 16
    assert trained.manifest.metrics["accuracy"] > 0.85


def test_a_column_that_tells_the_answer_is_named(tmp_path: Path) -> None:
    table = training_files.parcels(400)
    table["refund"] = ["12.50" if outcome == "broken" else "0.00" for outcome in table["outcome"]]
    table["letter"] = [outcome[0] for outcome in table["outcome"]]
    kept = {name: table[name] for name in ("weight", "zone", "refund", "letter", "outcome")}

    trained = train(training_files.write(tmp_path / "a.csv", kept), Task("outcome", "leaky"))

    assert [warning.split("`")[1] for warning in trained.warnings] == ["refund", "letter"]


def test_a_model_that_has_learnt_nothing_says_so(tmp_path: Path, parcels: Trained) -> None:
    draw = np.random.default_rng(0)
    table = {"weight": draw.normal(size=200).tolist(), "outcome": draw.choice(["late", "lost"], 200).tolist()}

    found = train(training_files.write(tmp_path / "noise.csv", table), Task("outcome", "noise"))

    assert any("no more than how frequent each class is" in warning for warning in found.warnings)
    assert parcels.warnings == []


def test_the_files_hold_together(parcels: Trained) -> None:
    manifest = bundle.check(parcels.files)

    assert manifest.calibration["method"] == "beta"
    assert len(manifest.transformed) > len(manifest.columns)
