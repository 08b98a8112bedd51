"""Dates, texts, trees and figures, each by itself."""

import re
from typing import Any

import lightgbm
import numpy as np
import pyarrow as pa
import pytest

from inference.session import CPU, Session
from inference.training import dates, measure, onnx_graph, trees, word_features
from inference.training.candidates import Labelled
from inference.training.features import WORDS, GraphInput
from inference.training.source import Field
from inference.training.text_features import TextFeatures


@pytest.mark.parametrize(
    "written",
    ["2024-03-31", "31.03.2024", "31/03/2024", "03/31/2024", "Mar 31, 2024", "2024-03-31T00:00:00+00:00", "20240331"],
)
def test_a_day_is_the_same_day_in_every_format(written: str) -> None:
    days = pa.array([written, written])

    found = dates.times(Field("day", days, is_typed=False), np.array([1, 2]))

    assert found.tolist() == [1711843200.0] * 2


def test_years_and_clocks_are_in_order() -> None:
    years = dates.times(Field("year", pa.array(["2013", "2009"]), is_typed=False), np.array([1, 2]))
    stamps = pa.array([1_000, 2_000], pa.timestamp("ms"))
    clock = dates.times(Field("at", stamps, is_typed=True), np.array([1, 2]))

    assert years.tolist() == [2013, 2009]
    assert clock.tolist() == [1.0, 2.0]


TEXTS = ["the cat", "The DOG's cat", "größe GRÖSSE", "", "…!?", "a\nb\tc", "Kelvin İ ǅ ß", "日本語 text", "x" * 5_000]


def test_words_are_the_same_in_python_and_in_the_graph() -> None:
    texts = np.array(TEXTS * 6, dtype=object)
    found = TextFeatures.fit("note", "text_0", texts, limit=500)
    assert found is not None
    parts = found.nodes()
    nodes, constants = parts[0]
    graph = onnx_graph.build(
        "texts",
        [GraphInput("text_0", "string", ("note",))],
        parts=[([*nodes, _renamed(parts[1][0])], constants)],
        classes=len(found.terms),
    )

    asked = np.array([*TEXTS, "cat cat the dog", "unheard of"], dtype=object)
    (answer,) = Session(graph, providers=[CPU]).run({"text_0": asked[:, None]}, outputs=["probabilities"])

    assert "the cat" in found.terms
    assert np.abs(answer - found.apply(asked).toarray()).max() < 1e-6


def _renamed(name: str) -> Any:
    from onnx import helper

    return helper.make_node("Identity", [name], ["probabilities"])


def test_a_category_whose_values_are_all_rare_is_no_obstacle() -> None:
    words = np.array([[f"level {place}"] for place in range(120)], dtype=object)
    truth = np.arange(120) % 2

    part, values = word_features.fit("level", 0, words[:, 0], truth, max_one_hot=12, scaled=False)

    (nodes, constants), (output,) = part.nodes()
    graph = onnx_graph.build(
        "rates",
        [GraphInput(WORDS, "string", ("level",))],
        parts=[([*nodes, _renamed(output)], constants)],
        classes=1,
    )
    (served,) = Session(graph, providers=[CPU]).run({WORDS: words}, outputs=["probabilities"])
    assert values.shape == (120, 1)
    np.testing.assert_allclose(served.reshape(-1, 1), part.apply(words), atol=1e-6)


def test_texts_without_a_common_word_give_nothing_to_learn() -> None:
    texts = np.array([f"word{number}" for number in range(40)], dtype=object)

    assert TextFeatures.fit("note", "text_0", texts, limit=500) is None


def test_thresholds_are_float32_and_nothing_passes_the_value_it_stood_below() -> None:
    draw = np.random.default_rng(0)
    # Neighbouring float32 numbers: a threshold between two of them has no float32 of its own.
    steps = np.float32(1.0) + np.arange(400, dtype=np.float32) * np.finfo(np.float32).eps
    matrix = np.stack([draw.choice(steps, 2_000), draw.normal(size=2_000).astype(np.float32)], axis=1)
    truth = (matrix[:, 0] > np.median(matrix[:, 0])).astype(np.intp)
    rows = Labelled(matrix, truth)

    fitted = trees.fit(rows, rows, 2)

    thresholds = re.findall(r"^threshold=(.*)$", fitted.booster.model_to_string(), flags=re.MULTILINE)
    values = np.array(" ".join(thresholds).split(), dtype=np.float64)
    assert (values == values.astype(np.float32)).all()
    assert ((fitted.scores(matrix)[:, 1] > 0) == truth).all()
    assert np.abs(_in_graph(fitted, matrix) - fitted.scores(matrix)).max() < 1e-5


def test_a_gap_where_training_saw_none_goes_the_same_way_on_both_sides() -> None:
    draw = np.random.default_rng(1)
    matrix = draw.normal(size=(600, 3)).astype(np.float32)
    rows = Labelled(matrix, (matrix[:, 0] + matrix[:, 1] > 0).astype(np.intp))
    fitted = trees.fit(rows, rows, 2)
    gaps = np.where(draw.random(matrix.shape) < 0.4, np.float32(np.nan), matrix)

    assert np.abs(_in_graph(fitted, gaps) - fitted.scores(gaps)).max() < 1e-5
    assert isinstance(fitted.booster, lightgbm.Booster)


def _in_graph(fitted: trees.Trees, matrix: np.ndarray) -> np.ndarray:
    names = tuple(f"c{place}" for place in range(matrix.shape[1]))
    graph = onnx_graph.build(
        "trees",
        [GraphInput("prepared", "float", names)],
        parts=[fitted.nodes("prepared", onnx_graph.PROBABILITIES)],
        classes=fitted.classes,
    )
    (found,) = Session(graph, providers=[CPU]).run({"prepared": matrix}, outputs=[onnx_graph.PROBABILITIES])
    return found


def test_figures_are_those_of_scikit_learn() -> None:
    from sklearn import metrics

    draw = np.random.default_rng(0)
    probabilities = draw.dirichlet([1, 1, 1], 500)
    truth = np.array([draw.choice(3, p=row) for row in probabilities])

    found = measure.measure(probabilities, truth, ("a", "b", "c"))

    assert found["auc"] == pytest.approx(metrics.roc_auc_score(truth, probabilities, multi_class="ovr"))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(truth, probabilities))
    assert found["accuracy"] == metrics.accuracy_score(truth, probabilities.argmax(axis=1))
    assert found["ece"] < 0.1
    assert found["levels"][0]["rows"] == (probabilities.max(axis=1) >= 0.9).sum()
    assert (
        measure.measure(probabilities**4 / (probabilities**4).sum(axis=1, keepdims=True), truth, ("a", "b", "c"))["ece"]
        > 0.15
    )
