"""Trees read from ONNX answer as the runtime does, to the last bit, in every branch mode."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from inference import paths, trees
from inference.path_shap import PathShap
from inference.session import CPU, Session
from tests.inference import ensembles, onnx_files

EDGE = np.float32(0.1)
COLUMN = [
    np.nextafter(EDGE, np.float32(-1)),
    EDGE,
    np.nextafter(EDGE, np.float32(1)),
    -7.0,
    7.0,
    np.nan,
    np.inf,
    -np.inf,
]


def score_of(node, matrix, *, output: int = 0):
    ensemble = trees.parse(node)
    features = matrix.astype(np.float64)
    weights = np.eye(ensemble.num_outputs)[output]
    return ensemble.base @ weights + PathShap(paths.leaves(ensemble), features).score(features, weights)


@pytest.mark.parametrize("mode", ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"])
@pytest.mark.parametrize("tracks_true", [0, 1])
def test_every_branch_mode_follows_the_runtime_to_the_last_bit(mode, tracks_true):
    node = ensembles.stump(mode=mode, tracks_true=tracks_true, threshold=0.1)
    matrix = np.stack([np.array(COLUMN, dtype=np.float32), np.zeros(len(COLUMN), dtype=np.float32)], axis=1)

    assert score_of(node, matrix).tolist() == ensembles.run(node, matrix).tolist()


def by_position(mode: int, tracks: int, kind: type) -> tuple:
    """Opset 5: a split by `mode` and one by LEQ, a tree that asks for members, a lone leaf."""

    def tensor(values, dtype=kind):
        return numpy_helper.from_array(np.array(values, dtype=dtype))

    asked = [1.5, 2.0, np.nan] if mode == trees.MEMBER else []
    node = helper.make_node(
        "TreeEnsemble",
        ["numbers"],
        ["score"],
        domain="ai.onnx.ml",
        n_targets=2,
        aggregate_function=1,
        post_transform=0,
        tree_roots=[0, 2, 3],
        nodes_modes=tensor([mode, trees.LEQ, trees.MEMBER, trees.LEQ], np.uint8),
        nodes_featureids=[0, 1, 0, 0],
        nodes_splits=tensor([2.0, 0.5, 0.0, 0.0]),
        nodes_truenodeids=[1, 1, 3, 5],
        nodes_trueleafs=[0, 1, 1, 1],
        nodes_falsenodeids=[0, 2, 4, 5],
        nodes_falseleafs=[1, 1, 1, 1],
        nodes_missing_value_tracks_true=[tracks, 0, tracks, 0],
        membership_values=tensor([*asked, 1.0, 2.0, 7.0, np.nan]),
        leaf_targetids=[0, 0, 1, 1, 0, 1],
        leaf_weights=tensor([1, 2, 4, 8, 16, 32]),
    )
    element = TensorProto.FLOAT if kind is np.float32 else TensorProto.DOUBLE
    model = onnx_files.graph_of(
        [node],
        inputs=[onnx_files.value("numbers", 2, element)],
        outputs=[onnx_files.value("score", 2, element)],
        domains={"ai.onnx.ml": 5},
    )
    return node, Session(model.SerializeToString(), providers=[CPU])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("tracks", [0, 1])
@pytest.mark.parametrize("mode", range(7))
def test_trees_by_position_follow_the_runtime(mode, tracks, kind):
    node, session = by_position(mode, tracks, kind)
    first = [1, 1.5, 2, np.nextafter(kind(2), kind(3)), 7, 8, np.nan, np.inf, -np.inf]
    matrix = np.array([[one, other] for one in first for other in (0, 1, np.nan)], dtype=kind)

    (expected,) = session.run({"numbers": matrix}, outputs=["score"])

    for output in range(2):
        assert score_of(node, matrix, output=output).tolist() == expected[:, output].tolist()


def changed(node, **attributes):
    again = helper.make_node(node.op_type, node.input, node.output, domain=node.domain)
    again.attribute.extend(item for item in node.attribute if item.name not in attributes)
    again.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    return again


def test_average_divides_by_the_number_of_trees():
    twice = ensembles.stump(mode="BRANCH_LEQ")
    both = {
        item.name: helper.get_attribute_value(item)
        for item in twice.attribute
        if item.name.startswith(("nodes_", "target_"))
    }
    doubled = {name: [*values, *values] for name, values in both.items()}
    doubled["nodes_treeids"], doubled["target_treeids"] = [0, 0, 0, 1, 1, 1], [0, 0, 1, 1]
    node = changed(twice, **doubled, aggregate_function="AVERAGE", base_values=[10.0])
    matrix = np.array([[0.0, 0.0], [1.0, 0.0]], dtype=np.float32)

    assert score_of(node, matrix).tolist() == ensembles.run(node, matrix).tolist() == [11.0, 13.0]


def test_doubles_are_read_from_their_tensors():
    """The threshold lies between two doubles that are the same number in single precision."""
    edge = 0.1 + 1e-12
    plain = ensembles.stump(mode="BRANCH_LEQ")
    kept = [item for item in plain.attribute if item.name not in {"nodes_values", "target_weights", "nodes_hitrates"}]
    node = helper.make_node(plain.op_type, plain.input, plain.output, domain=plain.domain)
    node.attribute.extend(kept)
    doubles = {"nodes_values": [edge, 0.0, 0.0], "target_weights": [1.0, 3.0]}
    node.attribute.extend(
        helper.make_attribute(f"{name}_as_tensor", numpy_helper.from_array(np.array(values), name))
        for name, values in doubles.items()
    )
    matrix = np.array([[0.1, 0.0], [edge, 0.0], [edge + 1e-12, 0.0]])
    session = Session(
        onnx_files.graph_of(
            [node],
            inputs=[onnx_files.value("numbers", 2, TensorProto.DOUBLE)],
            outputs=[onnx_files.value("score", 1)],
        ).SerializeToString(),
        providers=[CPU],
    )

    (expected,) = session.run({"numbers": matrix}, outputs=["score"])

    assert score_of(node, matrix).tolist() == expected[:, 0].tolist() == [1.0, 1.0, 3.0]


@pytest.mark.parametrize(
    "attributes",
    [
        {"nodes_modes": ["BRANCH_MAYBE", "LEAF", "LEAF"]},
        {"aggregate_function": "MAX"},
        {"aggregate_function": "MIN"},
        {"base_values": [0.0, 1.0]},
    ],
)
def test_what_is_no_sum_of_leaves_is_not_guessed(attributes):
    with pytest.raises(trees.TreesUnsupported):
        trees.parse(changed(ensembles.stump(mode="BRANCH_LEQ"), **attributes))


def test_more_leaves_than_can_be_held_are_refused(monkeypatch):
    monkeypatch.setattr(paths, "MAX_LEAVES", 1)

    with pytest.raises(trees.TreesUnsupported, match="leaves"):
        paths.leaves(trees.parse(ensembles.stump(mode="BRANCH_LEQ")))
