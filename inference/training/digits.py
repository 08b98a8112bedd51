"""A small neural net on pixels, scaled and calibrated inside its graph, as a bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from inference.decode import Decoder, Feeds
from inference.manifest import Column, GraphInput, Manifest
from inference.training import net, onnx_graph
from inference.training.assemble import Fitted, assemble
from inference.training.calibration import Temperature
from inference.training.tabular import Description

FOLDS = 3
PIXELS = "pixels"
_NET: dict[str, Any] = {
    "hidden_layer_sizes": (64,),
    "alpha": 0.1,
    "learning_rate_init": 0.005,
    "batch_size": 64,
    "max_iter": 200,
    "random_state": 0,
}


def train_pixels(
    rows: Sequence[Mapping[str, float]],
    target: Sequence[str],
    *,
    columns: Sequence[Column],
    classes: Sequence[str],
    about: Description,
) -> dict[str, bytes]:
    """Train on pixel rows and return the files of a bundle; every column needs the same range from 0."""
    brightest = float(columns[0].maximum or 1.0)
    pixels = GraphInput(PIXELS, "float", tuple(column.name for column in columns))
    draft = Manifest(
        name=about.name,
        created=about.created,
        classes=tuple(classes),
        columns=tuple(columns),
        inputs=(pixels,),
        outputs={"probabilities": onnx_graph.PROBABILITIES},
        explainer={
            "method": "permutation_shap",
            "background_rows": 100,
            "output_space": "probability",
        },
        owner=about.owner,
        licence=about.licence,
        lineage=about.lineage,
        image=about.image,
    )
    feeds = Decoder(draft).feeds(rows)
    truth = np.array([draft.classes.index(label) for label in target])
    model, calibration, held_out = _fit(_scale(feeds[PIXELS], brightest), truth)

    def score(batch: Feeds) -> NDArray[np.float64]:
        return calibration.apply(_scores(model, _scale(batch[PIXELS], brightest)))

    graph = onnx_graph.build(
        about.name,
        [pixels],
        parts=[_net_nodes(model, brightest=brightest), calibration.nodes("scores", onnx_graph.PROBABILITIES)],
        classes=len(classes),
    )
    draft = replace(draft, calibration={**calibration.to_json(), "folds": FOLDS})
    return assemble(Fitted(graph, score, calibration.apply(held_out)), draft, rows=rows, labels=target)


def _fit(scaled: NDArray[np.float32], truth: NDArray[np.intp]) -> tuple[Any, Temperature, NDArray[np.float64]]:
    from sklearn.model_selection import StratifiedKFold
    from sklearn.neural_network import MLPClassifier

    held_out = np.empty((len(truth), len(np.unique(truth))))
    for seen, unseen in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(scaled, truth):
        part = MLPClassifier(**_NET).fit(scaled[seen], truth[seen])
        held_out[unseen] = _scores(part, scaled[unseen])
    return MLPClassifier(**_NET).fit(scaled, truth), Temperature.fit(held_out, truth), held_out


def _scale(pixels: NDArray[Any], brightest: float) -> NDArray[np.float32]:
    return np.asarray(pixels / np.float32(brightest), dtype=np.float32)


def _scores(model: Any, scaled: NDArray[np.float32]) -> NDArray[np.float64]:
    return net.scores(model.coefs_, model.intercepts_, scaled)


def _net_nodes(model: Any, *, brightest: float) -> tuple[list[NodeProto], list[TensorProto]]:
    nodes, constants = net.nodes(model.coefs_, model.intercepts_, given="scaled", output="scores")
    divisor = numpy_helper.from_array(np.array([brightest], dtype=np.float32), "brightest")
    return [helper.make_node("Div", [PIXELS, "brightest"], ["scaled"]), *nodes], [divisor, *constants]
