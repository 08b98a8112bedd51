"""Trees read from ONNX give the same Shapley values as the library that grew them."""

import numpy as np
import pytest
import shap
from onnx import helper

from inference import trees
from tests.inference import ensembles

BACKGROUND, ROWS = slice(0, 60), slice(100, 140)


def values_from_onnx(ensemble: trees.Ensemble, matrix, *, output: int = 0):
    masker = shap.maskers.Independent(matrix[BACKGROUND].astype(np.float64), max_samples=60)
    explainer = shap.TreeExplainer(ensemble.for_shap(output), data=masker, feature_perturbation="interventional")
    return explainer.shap_values(matrix[ROWS].astype(np.float64), check_additivity=False).reshape(40, -1)


def values_from_native(native, matrix, *, output: int | None = None):
    masker = shap.maskers.Independent(matrix[BACKGROUND].astype(np.float64), max_samples=60)
    explainer = shap.TreeExplainer(native, data=masker, feature_perturbation="interventional")
    found = np.asarray(explainer.shap_values(matrix[ROWS].astype(np.float64), check_additivity=False))
    return found if output is None else found[..., output]


def assert_equal_values(found, expected):
    assert np.abs(expected).sum() > 0
    assert np.abs(found - expected).max() <= 1e-6 * np.abs(expected).sum(axis=1).max()


def test_gradient_boosting_equals_native_shap():
    from sklearn.ensemble import GradientBoostingClassifier

    matrix, truth = ensembles.binary_data()
    native = GradientBoostingClassifier(n_estimators=60, random_state=0).fit(matrix, truth)

    ensemble = trees.parse(ensembles.ensemble_of(ensembles.converted(native, 30, raw_scores=False)))

    assert ensemble.is_binary_margin
    assert_equal_values(values_from_onnx(ensemble, matrix), values_from_native(native, matrix))


@pytest.mark.parametrize("output", [0, 1, 3])
def test_random_forest_equals_native_shap(output):
    from sklearn.ensemble import RandomForestClassifier

    matrix, truth = ensembles.many_class_data()
    native = RandomForestClassifier(n_estimators=40, max_depth=6, random_state=0).fit(matrix, truth)

    ensemble = trees.parse(ensembles.ensemble_of(ensembles.converted(native, 12, raw_scores=False)))

    assert_equal_values(
        values_from_onnx(ensemble, matrix, output=output), values_from_native(native, matrix, output=output)
    )


def test_lightgbm_equals_native_shap():
    lightgbm = pytest.importorskip("lightgbm", exc_type=OSError, reason="LightGBM needs the system's libgomp")
    matrix, truth = ensembles.binary_data()
    native = lightgbm.LGBMClassifier(n_estimators=40, num_leaves=15, n_jobs=1, random_state=0, verbose=-1)
    native.fit(matrix, truth)

    ensemble = trees.parse(ensembles.ensemble_of(ensembles.converted_lightgbm(native, 30)))

    assert_equal_values(values_from_onnx(ensemble, matrix), values_from_native(native.booster_, matrix))


@pytest.mark.parametrize("mode", ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"])
@pytest.mark.parametrize("tracks_true", [0, 1])
def test_every_branch_mode_follows_the_runtime_to_the_last_bit(mode, tracks_true):
    node = ensembles.stump(mode=mode, tracks_true=tracks_true, threshold=0.1)
    edge = np.float32(0.1)
    column = [np.nextafter(edge, np.float32(-1)), edge, np.nextafter(edge, np.float32(1)), -7.0, 7.0, np.nan]
    matrix = np.stack([np.array(column, dtype=np.float32), np.zeros(6, dtype=np.float32)], axis=1)

    (tree,) = trees.parse(node).trees
    left = np.array([value <= tree.thresholds[0] for value in matrix[:, 0].astype(np.float64)])
    went = np.where(np.isnan(matrix[:, 0]), tree.missing[0], np.where(left, tree.left[0], tree.right[0]))

    assert tree.values[went, 0].tolist() == ensembles.run(node, matrix).tolist()


def test_missing_values_are_explained_along_the_branch_they_take():
    node = ensembles.stump(mode="BRANCH_LEQ", tracks_true=1)
    matrix = np.array([[np.nan, 0.0], [1.0, 0.0], [0.0, 0.0]], dtype=np.float32)
    background = np.array([[1.0, 0.0], [np.nan, 0.0], [0.0, 0.0], [1.0, 0.0]], dtype=np.float32)

    masker = shap.maskers.Independent(background.astype(np.float64), max_samples=4)
    explainer = shap.TreeExplainer(trees.parse(node).for_shap(0), data=masker, feature_perturbation="interventional")
    found = explainer.shap_values(matrix.astype(np.float64), check_additivity=False)

    for row, values in zip(matrix, found, strict=True):
        expected = ensembles.brute_force(lambda mixed: ensembles.run(node, mixed), row, background)
        assert values == pytest.approx(expected, abs=1e-9)


def changed(node, **attributes):
    again = helper.make_node(node.op_type, node.input, node.output, domain=node.domain)
    again.attribute.extend(item for item in node.attribute if item.name not in attributes)
    again.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    return again


def test_average_divides_by_the_number_of_trees():
    (tree,) = trees.parse(changed(ensembles.stump(mode="BRANCH_LEQ"), aggregate_function="AVERAGE")).trees

    assert sorted(tree.values[:, 0]) == [0, 1, 3]


@pytest.mark.parametrize(
    "attributes",
    [
        {"nodes_modes": ["BRANCH_EQ", "LEAF", "LEAF"]},
        {"nodes_modes": ["BRANCH_NEQ", "LEAF", "LEAF"]},
        {"aggregate_function": "MAX"},
        {"base_values": [0.0, 1.0]},
    ],
)
def test_what_shap_cannot_say_is_not_guessed(attributes):
    with pytest.raises(trees.TreesUnsupported):
        trees.parse(changed(ensembles.stump(mode="BRANCH_LEQ"), **attributes))
