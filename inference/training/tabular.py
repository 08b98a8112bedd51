"""Gradient-boosted trees on a table, calibrated on cross-validated scores, as a bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference.decode import Decoder, Feeds
from inference.manifest import Column, Manifest
from inference.training import onnx_graph
from inference.training.assemble import Fitted, assemble
from inference.training.calibration import Beta, Calibration, Temperature
from inference.training.preparation import Preparation

if TYPE_CHECKING:
    from onnx import NodeProto

FOLDS = 5
_TREES: dict[str, Any] = {
    "n_estimators": 200,
    "max_depth": 2,
    "learning_rate": 0.1,
    "subsample": 0.5,
    "max_features": "sqrt",
    "random_state": 0,
}


@dataclass(frozen=True)
class Description:
    """What people read about a model; nothing in it changes how it answers."""

    name: str
    created: str
    owner: str = ""
    licence: str = ""
    lineage: dict[str, Any] = field(default_factory=dict)
    image: dict[str, int] | None = None


def train_tabular(
    frame: Mapping[str, Sequence[Any]],
    target: Sequence[str],
    *,
    columns: Sequence[Column],
    classes: Sequence[str],
    about: Description,
    trees: Mapping[str, Any] | None = None,
) -> dict[str, bytes]:
    """Train on the columns of a frame and return a bundle's files; equal input gives equal files."""
    frame = {column.name: list(frame[column.name]) for column in columns}
    rows = [dict(zip(frame, values, strict=True)) for values in zip(*frame.values(), strict=True)]
    preparation = Preparation.fit(columns, frame)
    draft = Manifest(
        name=about.name,
        created=about.created,
        classes=tuple(classes),
        columns=tuple(columns),
        inputs=preparation.inputs,
        outputs={"probabilities": onnx_graph.PROBABILITIES},
        explainer={
            "method": "tree_shap_interventional",
            "background_rows": 100,
            "output_space": "log_odds" if len(classes) == 2 else "class_score",
        },
        transformed=preparation.transformed,
        owner=about.owner,
        licence=about.licence,
        lineage=about.lineage,
        image=about.image,
    )
    feeds = Decoder(draft).feeds(rows)
    truth = np.array([draft.classes.index(label) for label in target])
    fitted, calibration = _fit(preparation, feeds, truth, name=about.name, settings={**_TREES, **(trees or {})})
    draft = _with_calibration(draft, calibration)
    return assemble(fitted, draft, rows=rows, labels=target)


def _with_calibration(draft: Manifest, calibration: Calibration) -> Manifest:
    return replace(draft, calibration={**calibration.to_json(), "folds": FOLDS})


def _fit(
    preparation: Preparation, feeds: Feeds, truth: NDArray[np.intp], *, name: str, settings: Mapping[str, Any]
) -> tuple[Fitted, Calibration]:
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    matrix = preparation.apply(feeds)
    pipeline = GradientBoostingClassifier(**settings)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    held_out = _as_columns(cross_val_predict(pipeline, matrix, truth, cv=folds, method="decision_function"))
    calibration: Calibration = (
        Beta.fit(held_out[:, -1], truth == 1) if held_out.shape[1] == 1 else Temperature.fit(held_out, truth)
    )
    pipeline.fit(matrix, truth)
    num_classes = len(pipeline.classes_)
    graph = onnx_graph.build(
        name,
        preparation.inputs,
        parts=[
            preparation.nodes("prepared"),
            ([_ensemble_node(pipeline, matrix.shape[1])], []),
            calibration.nodes("scores", onnx_graph.PROBABILITIES),
        ],
        classes=num_classes,
    )

    def score(batch: Feeds) -> NDArray[np.float64]:
        return calibration.apply(_as_columns(pipeline.decision_function(preparation.apply(batch))))

    return Fitted(graph, score, calibration.apply(held_out)), calibration


def _as_columns(scores: Any) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    return values[:, None] if values.ndim == 1 else values


def _ensemble_node(pipeline: Any, width: int) -> "NodeProto":
    """The trees alone, from `prepared` to raw `scores`, as skl2onnx converts them."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    converted = to_onnx(
        pipeline,
        initial_types=[("prepared", FloatTensorType([None, width]))],
        options={id(pipeline): {"raw_scores": True, "zipmap": False}},
        target_opset=onnx_graph.OPSETS,
    )
    (node,) = [node for node in converted.graph.node if node.op_type == "TreeEnsembleClassifier"]
    node.input[:] = ["prepared"]
    node.output[:] = ["label", "scores"]
    found: NodeProto = node
    return found
