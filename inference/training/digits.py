"""A small neural net on pixels, scaled and calibrated inside its graph, as a bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from inference.decode import Decoder, Feeds
from inference.manifest import Column, GraphInput, Manifest
from inference.training import onnx_graph
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
            "permutations": 10,
            "output_space": "probability",
        },
        owner=about.owner,
        licence=about.licence,
        lineage=about.lineage,
        image=about.image,
    )
    feeds = Decoder(draft).feeds(rows)
    truth = np.array([draft.classes.index(label) for label in target])
    net, calibration, held_out = _fit(_scale(feeds[PIXELS], brightest), truth)

    def score(batch: Feeds) -> NDArray[np.float64]:
        return calibration.apply(_scores(net, _scale(batch[PIXELS], brightest)))

    graph = onnx_graph.build(
        about.name,
        [pixels],
        parts=[_net_nodes(net, brightest=brightest), calibration.nodes("scores", onnx_graph.PROBABILITIES)],
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


def _scores(net: Any, scaled: NDArray[np.float32]) -> NDArray[np.float64]:
    """The net's outputs before its softmax, which scikit-learn does not offer."""
    values = scaled.astype(np.float64)
    for layer, (weights, bias) in enumerate(zip(net.coefs_, net.intercepts_, strict=True)):
        values = values @ weights + bias
        if layer < len(net.coefs_) - 1:
            values = np.maximum(values, 0.0)
    return np.asarray(values)


def _net_nodes(net: Any, *, brightest: float) -> tuple[list[NodeProto], list[TensorProto]]:
    constants = [numpy_helper.from_array(np.array([brightest], dtype=np.float32), "brightest")]
    nodes = [helper.make_node("Div", [PIXELS, "brightest"], ["layer_0"])]
    last = len(net.coefs_) - 1
    for layer, (weights, bias) in enumerate(zip(net.coefs_, net.intercepts_, strict=True)):
        constants.append(numpy_helper.from_array(weights.astype(np.float32), f"weights_{layer}"))
        constants.append(numpy_helper.from_array(bias.astype(np.float32), f"bias_{layer}"))
        sums = "scores" if layer == last else f"sums_{layer}"
        nodes.append(helper.make_node("Gemm", [f"layer_{layer}", f"weights_{layer}", f"bias_{layer}"], [sums]))
        if layer < last:
            nodes.append(helper.make_node("Relu", [sums], [f"layer_{layer + 1}"]))
    return nodes, constants
