"""Isotonic calibration: only where it wins, rising everywhere, and the same in the graph."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inference import explain, model
from inference.manifest import GraphInput
from inference.session import CPU, Session
from inference.training import candidates, isotonic, onnx_graph, run
from inference.training.calibration import Beta
from inference.training.isotonic import Isotonic, refined
from tests.factories import training_files


def drawn(rows: int, *, bent: bool) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Margins and answers; bent: what the margin means has two steps, which no beta curve has."""
    draw = np.random.default_rng(0)
    margin = draw.normal(0, 2, rows)
    logit = 1.2 * np.tanh(4 * (margin + 1.5)) + 1.8 * np.tanh(4 * (margin - 1.5)) if bent else 0.8 * margin - 0.3
    return margin, draw.random(rows) < 1 / (1 + np.exp(-logit))


@pytest.fixture(scope="module")
def found() -> Isotonic:
    margin, positive = drawn(20_000, bent=True)
    calibration = refined(Beta.fit(margin, positive), margin, positive)
    assert isinstance(calibration, Isotonic)
    return calibration


def test_it_is_taken_only_where_it_tells_unseen_rows_better() -> None:
    for rows, bent in ((isotonic.MIN_ROWS - 1, True), (20_000, False)):
        margin, positive = drawn(rows, bent=bent)

        assert isinstance(refined(Beta.fit(margin, positive), margin, positive), Beta)


def test_it_rises_everywhere_and_beyond_its_ends(found: Isotonic) -> None:
    margin = np.linspace(-30, 30, 4_001)

    logit = found.logit(margin)

    assert (np.diff(logit) > 0).all()
    assert logit[0] < found.logits[0]
    assert logit[-1] > found.logits[-1]
    assert found.to_json()["method"] == "isotonic over beta"


def test_the_graph_says_the_same(found: Isotonic) -> None:
    margin = np.concatenate([np.linspace(-12, 12, 2_001), [-80.0, 80.0]]).astype(np.float32)
    scores = np.stack([-margin, margin], axis=1)
    graph = onnx_graph.build(
        "isotonic",
        [GraphInput("scores", "float", ("no", "yes"))],
        parts=[found.nodes("scores", onnx_graph.PROBABILITIES)],
        classes=2,
    )

    (served,) = Session(graph, providers=[CPU]).run({"scores": scores}, outputs=[onnx_graph.PROBABILITIES])

    assert np.abs(served - found.apply(scores.astype(np.float64))).max() < 1e-5


def test_scores_behind_it_are_still_explained_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isotonic, "MIN_IN_BIN", 20)
    monkeypatch.setattr(run, "refined", Isotonic.fit)
    monkeypatch.setattr(candidates, "kinds", lambda *_, **__: (candidates.TREES,))
    path = training_files.write(tmp_path / "parcels.csv", training_files.parcels(600))

    trained = run.train(path, run.Task("outcome", "bent", id="parcel", exclude=("day", "note")))

    loaded = model.load(trained.files)
    found = explain.explain(loaded, trained.rows[:5], classes=["late"] * 5)
    assert trained.manifest.calibration["method"] == "isotonic over beta"
    assert {one.method for one in found} == {"tree_shap_interventional"}
    assert all(one.additive for one in found)
