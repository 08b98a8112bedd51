"""Leaf-wise Shapley values: the same as by definition, and the same as SHAP's own on the native models."""

import numpy as np
import pytest
import shap
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import forest_shap, path_shap, paths, trees
from inference.forest_shap import ForestShap
from inference.path_shap import PathShap
from tests.inference import ensembles

BACKGROUND, ROWS = slice(0, 60), slice(100, 140)
TOLERANCE = 1e-6


def tree_of(draw, *, columns: int, depth: int) -> trees.Tree:
    """A random tree with every mode, missing values either way and two outputs."""
    modes, features, thresholds, true, false, missing, values, members = [], [], [], [], [], [], [], {}
    waiting = [depth]
    for place, left in enumerate(waiting):
        is_leaf = left == 0 or draw.random() < 0.15
        modes.append(trees.LEAF if is_leaf else int(draw.integers(0, 7)))
        features.append(int(draw.integers(0, columns)))
        thresholds.append(float(draw.integers(-2, 3)))
        missing.append(bool(draw.integers(0, 2)))
        values.append(draw.normal(size=2) if is_leaf else np.zeros(2))
        true.append(-1 if is_leaf else len(waiting))
        false.append(-1 if is_leaf else len(waiting) + 1)
        if not is_leaf:
            waiting += [left - 1, left - 1]
            if modes[-1] == trees.MEMBER:
                members[place] = draw.integers(-2, 3, size=2).astype(float)
    return trees.Tree(
        modes=np.array(modes, dtype=np.uint8),
        features=np.array(features),
        thresholds=np.array(thresholds),
        when_true=np.array(true),
        when_false=np.array(false),
        missing_is_true=np.array(missing) | (np.array(modes) == trees.NEQ),
        values=np.array(values),
        members=members,
    )


def walked(tree: trees.Tree, row) -> np.ndarray:
    """The tree's answer by going down it."""
    node = 0
    asks = {
        trees.LEQ: np.less_equal,
        trees.LT: np.less,
        trees.GTE: np.greater_equal,
        trees.GT: np.greater,
        trees.EQ: np.equal,
        trees.NEQ: np.not_equal,
    }
    while tree.modes[node] != trees.LEAF:
        value = row[tree.features[node]]
        if np.isnan(value):
            goes = tree.missing_is_true[node]
        elif tree.modes[node] == trees.MEMBER:
            goes = value in tree.members[node]
        else:
            goes = asks[tree.modes[node]](value, tree.thresholds[node])
        node = tree.when_true[node] if goes else tree.when_false[node]
    return tree.values[node]


@given(seed=st.integers(0, 2**32 - 1), depth=st.integers(0, 5), few=st.sampled_from([0, 2, 10]))
@settings(max_examples=25, deadline=None)
def test_values_are_shapleys_whatever_the_trees(seed, depth, few):
    draw = np.random.default_rng(seed)
    grown = tuple(tree_of(draw, columns=4, depth=depth) for _ in range(3))
    table = draw.integers(-3, 4, size=(12, 4)).astype(float)
    table[draw.random(table.shape) < 0.1] = np.nan
    background, rows = table[:8], table[8:]
    weights = draw.normal(size=2)
    ensemble = trees.Ensemble(grown, np.zeros(2), is_binary_margin=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(path_shap, "TABLE_FEATURES", few)  # leaves that ask more are worked out pair by pair
        found = PathShap(paths.leaves(ensemble), background)
    values, base, score = found.values(rows, weights), found.base(weights), found.score(rows, weights)

    def answer(matrix):
        return np.array([sum(walked(tree, row) for tree in grown) @ weights for row in matrix])

    assert score == pytest.approx(answer(rows), abs=1e-9)
    assert base == pytest.approx(answer(background).mean(), abs=1e-9)
    assert base + values.sum(axis=1) == pytest.approx(score, abs=1e-9)
    for row, parts in zip(rows, values, strict=True):
        assert parts == pytest.approx(ensembles.brute_force(answer, row, background), abs=1e-9)


def from_onnx(node, matrix, *, output: int = 0):
    ensemble = trees.parse(node)
    found = PathShap(paths.leaves(ensemble), matrix[BACKGROUND].astype(np.float64))
    return found.values(matrix[ROWS].astype(np.float64), np.eye(ensemble.num_outputs)[output])


def from_native(native, matrix, *, output: int | None = None):
    masker = shap.maskers.Independent(matrix[BACKGROUND].astype(np.float64), max_samples=60)
    explainer = shap.TreeExplainer(native, data=masker, feature_perturbation="interventional")
    found = np.asarray(explainer.shap_values(matrix[ROWS].astype(np.float64), check_additivity=False))
    return found if output is None else found[..., output]


def assert_equal_values(found, expected):
    assert np.abs(expected).sum() > 0
    assert (np.abs(found - expected).max(axis=1) <= TOLERANCE * np.abs(expected).sum(axis=1)).all()


def test_gradient_boosting_equals_native_shap():
    from sklearn.ensemble import GradientBoostingClassifier

    matrix, truth = ensembles.binary_data()
    native = GradientBoostingClassifier(n_estimators=60, random_state=0).fit(matrix, truth)

    node = ensembles.ensemble_of(ensembles.converted(native, 30, raw_scores=False))

    assert trees.parse(node).is_binary_margin
    assert_equal_values(from_onnx(node, matrix), from_native(native, matrix))


@pytest.mark.parametrize("kind", ["RandomForestClassifier", "ExtraTreesClassifier"])
@pytest.mark.parametrize("output", [1])
def test_forests_equal_native_shap(kind, output):
    from sklearn import ensemble

    matrix, truth = ensembles.many_class_data()
    native = getattr(ensemble, kind)(n_estimators=8, random_state=0).fit(matrix, truth)

    node = ensembles.ensemble_of(ensembles.converted(native, 12, raw_scores=False))

    assert_equal_values(from_onnx(node, matrix, output=output), from_native(native, matrix, output=output))


def test_lightgbm_equals_native_shap():
    lightgbm = pytest.importorskip("lightgbm", exc_type=OSError, reason="LightGBM needs the system's libgomp")
    matrix, truth = ensembles.binary_data()
    native = lightgbm.LGBMClassifier(n_estimators=40, num_leaves=31, n_jobs=1, random_state=0, verbose=-1)
    native.fit(matrix, truth)

    node = ensembles.ensemble_of(ensembles.converted_lightgbm(native, 30))

    assert_equal_values(from_onnx(node, matrix), from_native(native.booster_, matrix))


@pytest.mark.parametrize("classes", [2, 3])
def test_xgboost_equals_native_shap(classes):
    xgboost = pytest.importorskip("xgboost", reason="xgboost-cpu has wheels for Linux on x86-64 only")
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    matrix, truth = ensembles.binary_data() if classes == 2 else ensembles.many_class_data()
    kept = truth < classes
    matrix, truth = matrix[kept], truth[kept]
    native = xgboost.XGBClassifier(n_estimators=20, max_depth=4, n_jobs=1, random_state=0).fit(matrix, truth)
    width = matrix.shape[1]
    node = ensembles.ensemble_of(
        convert_xgboost(native, initial_types=[("numbers", FloatTensorType([None, width]))], target_opset=15)
    )

    output = None if classes == 2 else 2
    assert_equal_values(from_onnx(node, matrix, output=output or 0), from_native(native, matrix, output=output))


@pytest.mark.parametrize("mode", ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"])
@pytest.mark.parametrize("tracks_true", [0, 1])
def test_forests_too_large_for_leaves_are_walked_and_give_the_same(mode, tracks_true):
    node = ensembles.stump(mode=mode, tracks_true=tracks_true)
    ensemble = trees.parse(node)
    rows = np.array(
        [[np.nan, 0.0], [0.5, 0.0], [0.0, 0.0], [1.0, 1.0], [np.nextafter(np.float32(0.5), np.float32(1)), 0.0]]
    )
    weights = np.array([-2.0])

    leafwise, walked_down = PathShap(paths.leaves(ensemble), rows), ForestShap(ensemble, rows)

    assert walked_down.score(rows, weights) == pytest.approx(leafwise.score(rows, weights), abs=1e-9)
    assert walked_down.base(weights) == pytest.approx(leafwise.base(weights), abs=1e-9)
    assert walked_down.values(rows, weights) == pytest.approx(leafwise.values(rows, weights), abs=1e-9)


def test_a_large_forest_that_asks_for_single_values_is_left_to_sampling():
    ensemble = trees.parse(ensembles.stump(mode="BRANCH_EQ"))

    with pytest.raises(trees.TreesUnsupported, match="sampling"):
        ForestShap(ensemble, np.zeros((3, 2)))


def test_a_large_forest_that_shap_would_read_wrongly_is_left_to_sampling(monkeypatch):
    ensemble = trees.parse(ensembles.stump(mode="BRANCH_LEQ"))

    with pytest.raises(trees.TreesUnsupported, match="double precision"):
        ForestShap(ensemble, np.full((3, 2), 0.1))
    monkeypatch.setattr(forest_shap, "MAX_NODES", 2)
    with pytest.raises(trees.TreesUnsupported, match="nodes"):
        ForestShap(ensemble, np.zeros((3, 2)))
