"""Native tree models turned into ONNX, and Shapley values counted out by hand."""

from collections.abc import Callable, Sequence
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper
from sklearn.datasets import load_breast_cancer, load_digits

from tests.inference import onnx_files

Matrix = NDArray[Any]


def binary_data(*, columns: int = 30) -> tuple[Matrix, Matrix]:
    """Values that float32 and short sums hold exactly, so that float64 libraries see the same splits."""
    source = load_breast_cancer()
    return _coarse(source.data[:, :columns]), source.target


def many_class_data() -> tuple[Matrix, Matrix]:
    source = load_digits(n_class=4)
    return source.data[:, 18:30].astype(np.float32), source.target


def _coarse(values: Matrix) -> Matrix:
    scaled = (values - values.min(axis=0)) / np.ptp(values, axis=0)
    return (np.round(scaled * 64) / 64).astype(np.float32)


def converted(native: Any, width: int, *, raw_scores: bool) -> ModelProto:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    options: dict[str, Any] = {"zipmap": False}
    if raw_scores:
        options["raw_scores"] = True
    return to_onnx(
        native,
        initial_types=[("numbers", FloatTensorType([None, width]))],
        options={id(native): options},
        target_opset={"": 17, "ai.onnx.ml": 3},
    )


def converted_lightgbm(native: Any, width: int) -> ModelProto:
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    return convert_lightgbm(
        native, initial_types=[("numbers", FloatTensorType([None, width]))], zipmap=False, target_opset=15
    )


def ensemble_of(model: ModelProto) -> NodeProto:
    (node,) = [node for node in model.graph.node if node.op_type.startswith("TreeEnsemble")]
    return node


def stump(*, mode: str, tracks_true: int = 0, threshold: float = 0.5) -> NodeProto:
    """One split on column 0: the true leaf answers 1, the false one 3; column 1 plays no part."""
    return helper.make_node(
        "TreeEnsembleRegressor",
        ["numbers"],
        ["score"],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[0, 0, 0],
        nodes_values=[threshold, 0.0, 0.0],
        nodes_modes=[mode, "LEAF", "LEAF"],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        nodes_missing_value_tracks_true=[tracks_true, 0, 0],
        nodes_hitrates=[1.0, 1.0, 1.0],
        target_treeids=[0, 0],
        target_nodeids=[1, 2],
        target_ids=[0, 0],
        target_weights=[1.0, 3.0],
        post_transform="NONE",
    )


def run(node: NodeProto, matrix: Matrix) -> Matrix:
    """What ONNX Runtime answers for a lone regressor node."""
    from inference.session import CPU, Session

    model = onnx_files.graph_of(
        [node], inputs=[onnx_files.value("numbers", matrix.shape[1])], outputs=[onnx_files.value("score", 1)]
    )
    (found,) = Session(model.SerializeToString(), providers=[CPU]).run({"numbers": matrix}, outputs=["score"])
    return found[:, 0]


def brute_force(
    function: Callable[[Matrix], Matrix],
    row: Matrix,
    background: Matrix,
    *,
    groups: Sequence[Sequence[int]] | None = None,
) -> Matrix:
    """Interventional Shapley values by their definition, over every coalition of columns."""
    groups = groups or [[column] for column in range(len(row))]
    count = len(groups)

    def worth(coalition: tuple[int, ...]) -> float:
        mixed = background.copy()
        for player in coalition:
            mixed[:, groups[player]] = row[groups[player]]
        return float(function(mixed).mean())

    found = np.zeros(count)
    for player in range(count):
        others = [other for other in range(count) if other != player]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for coalition in combinations(others, size):
                found[player] += weight * (worth((*coalition, player)) - worth(coalition))
    return found
