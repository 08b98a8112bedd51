"""Explanations of whole bundles: right class, right sign, right columns, and they add up."""

import numpy as np
import pytest
from onnx import helper

from inference import explain, model, predict
from inference.manifest import Column, GraphInput
from inference.model import Model
from tests.inference import ensembles, onnx_files

WIDTH = 6


def tree_bundle(onnx_model, *, classes=("no", "yes"), width: int = WIDTH, matrix=None, **changes) -> dict[str, bytes]:
    """A bundle around a converted model; the golden rows are what the runtime answers."""
    from inference.session import CPU, Session

    names = tuple(f"c{index}" for index in range(width))
    manifest = onnx_files.manifest_for(
        [Column(name, "float") for name in names],
        [GraphInput("numbers", "float", names)],
        classes=tuple(classes),
        **changes,
    )
    rows = [dict(zip(names, row, strict=True)) for row in matrix[:60].tolist()]
    session = Session(onnx_model.SerializeToString(), providers=[CPU])
    (found,) = session.run({"numbers": matrix[:60]}, outputs=["probabilities"])
    return onnx_files.bundle_of(onnx_model, manifest, rows=rows, probabilities=found.tolist())


def boosted(**changes) -> tuple[Model, np.ndarray]:
    from sklearn.ensemble import GradientBoostingClassifier

    matrix, truth = ensembles.binary_data(columns=WIDTH)
    native = GradientBoostingClassifier(n_estimators=15, max_depth=3, random_state=0).fit(matrix, truth)
    onnx_model = ensembles.converted(native, WIDTH, raw_scores=False)
    return model.load(tree_bundle(onnx_model, matrix=matrix, **changes)), matrix


def rows_of(loaded: Model, matrix) -> list[dict[str, float]]:
    return [dict(zip(loaded.manifest.column_names, row, strict=True)) for row in matrix.tolist()]


def parts(explanation) -> np.ndarray:
    return np.array([part for _, _, part in explanation.attributions])


def test_tree_values_equal_brute_force_over_the_runtime():
    loaded, matrix = boosted()
    (found,) = explain.explain(loaded, rows_of(loaded, matrix[200:201]), classes=["yes"])

    def log_odds(mixed):
        probabilities = loaded.probabilities({"numbers": mixed})
        return np.log(probabilities[:, 1] / probabilities[:, 0])

    background = loaded.decoder.feeds_from_table(loaded.background)["numbers"]
    expected = ensembles.brute_force(log_odds, matrix[200], background)

    assert found.method == "tree_shap_interventional"
    assert found.output_space == "log_odds"
    assert parts(found) == pytest.approx(expected, abs=2e-5)
    assert found.base_value == pytest.approx(log_odds(background).mean(), abs=2e-5)


def test_binary_score_stored_once_is_the_second_class_and_flips_for_the_first():
    loaded, matrix = boosted()
    rows = rows_of(loaded, matrix[100:110])

    for_yes = explain.explain(loaded, rows, classes=["yes"] * 10)
    for_no = explain.explain(loaded, rows, classes=["no"] * 10)
    probabilities = predict.predict(loaded, rows).probabilities

    for yes, no, (low, high) in zip(for_yes, for_no, probabilities, strict=True):
        assert yes.output_value == pytest.approx(np.log(high / low), abs=1e-4)
        assert no.output_value == -yes.output_value
        assert (parts(no) == -parts(yes)).all()


def test_every_explanation_adds_up_to_what_was_served(tumour_model, tumours):
    rows = tumours.stream_rows[:40]
    predicted = predict.predict(tumour_model, rows).predicted

    found = explain.explain(tumour_model, rows, classes=predicted)

    for explanation in found:
        total = explanation.base_value + parts(explanation).sum()
        assert explanation.additive
        assert abs(total - explanation.output_value) <= 1e-5 * max(1, abs(explanation.output_value))


def test_margin_of_a_calibrated_ensemble_is_explained_and_said_so(tumour_model, tumours):
    (found,) = explain.explain(tumour_model, tumours.stream_rows[:1], classes=["malignant"])

    assert found.method == "tree_shap_interventional"
    assert found.output_space == "log_odds"
    assert found.background_digest == tumour_model.background_digest
    assert [name for name, _, _ in found.attributions] == list(tumour_model.manifest.column_names)
    assert [value for _, value, _ in found.attributions] == list(tumours.stream_rows[0].values())


def test_classes_of_one_batch_may_differ(tumour_model, tumours):
    rows = tumours.stream_rows[:6]
    classes = ["benign", "malignant"] * 3

    together = explain.explain(tumour_model, rows, classes=classes)
    alone = [explain.explain(tumour_model, [row], classes=[name])[0] for row, name in zip(rows, classes, strict=True)]

    for one, other in zip(together, alone, strict=True):
        assert one.explained_class == other.explained_class
        assert parts(one) == pytest.approx(parts(other), abs=1e-12)


def test_forest_is_explained_in_probabilities():
    from sklearn.ensemble import RandomForestClassifier

    matrix, truth = ensembles.many_class_data()
    native = RandomForestClassifier(n_estimators=20, max_depth=5, random_state=0).fit(matrix, truth)
    classes = ("0", "1", "2", "3")
    files = tree_bundle(ensembles.converted(native, 12, raw_scores=False), classes=classes, width=12, matrix=matrix)
    loaded = model.load(files)
    rows = rows_of(loaded, matrix[100:108])
    predictions = predict.predict(loaded, rows)

    found = explain.explain(loaded, rows, classes=predictions.predicted)

    for explanation, confidence in zip(found, predictions.confidence, strict=True):
        assert explanation.output_space == "probability"
        assert explanation.output_value == pytest.approx(confidence, abs=1e-5)
        assert explanation.additive


def test_a_forest_with_too_many_leaves_is_explained_all_the_same(monkeypatch):
    from inference import paths

    loaded, matrix = boosted()
    rows = rows_of(loaded, matrix[100:104])
    leafwise = explain.explain(loaded, rows, classes=["yes"] * 4)
    del loaded.explainer
    monkeypatch.setattr(paths, "MAX_LEAVES", 1)

    walked_down = explain.explain(loaded, rows, classes=["yes"] * 4)

    for one, other in zip(walked_down, leafwise, strict=True):
        assert one.method == "tree_shap_interventional"
        assert one.additive
        assert parts(one) == pytest.approx(parts(other), abs=1e-7)


def test_boosting_of_many_classes_is_explained_per_class():
    from sklearn.ensemble import GradientBoostingClassifier

    matrix, truth = ensembles.many_class_data()
    native = GradientBoostingClassifier(n_estimators=10, max_depth=3, random_state=0).fit(matrix, truth)
    classes = ("0", "1", "2", "3")
    files = tree_bundle(ensembles.converted(native, 12, raw_scores=False), classes=classes, width=12, matrix=matrix)
    loaded = model.load(files)

    found = explain.explain(loaded, rows_of(loaded, matrix[100:104]), classes=classes)

    scores = native.decision_function(matrix[100:104])
    for index, explanation in enumerate(found):
        assert explanation.method == "tree_shap_interventional"
        assert explanation.output_space == "class_score"
        assert explanation.output_value == pytest.approx(scores[index, index], abs=1e-4)
        assert explanation.additive


def upside_down() -> Model:
    """Trees whose score falls for the class it seems to stand for, because the graph negates it."""
    matrix, _ = ensembles.binary_data(columns=WIDTH)
    nodes = [
        ensembles.stump(mode="BRANCH_LEQ"),
        helper.make_node("Neg", ["score"], ["negated"]),
        helper.make_node("Sigmoid", ["negated"], ["second"]),
        helper.make_node("Sigmoid", ["score"], ["first"]),
        helper.make_node("Concat", ["first", "second"], ["probabilities"], axis=1),
    ]
    onnx_model = onnx_files.graph_of(
        nodes, inputs=[onnx_files.value("numbers", WIDTH)], outputs=[onnx_files.value("probabilities", 2)]
    )
    return model.load(tree_bundle(onnx_model, matrix=matrix))


def test_score_that_the_graph_turns_round_is_not_explained_as_trees():
    loaded = upside_down()

    (found,) = explain.explain(loaded, rows_of(loaded, np.full((1, WIDTH), 0.9)), classes=["yes"])

    assert found.method == "permutation_shap"
    assert found.additive


def test_inputs_that_pass_by_the_trees_are_not_left_out():
    matrix, _ = ensembles.binary_data(columns=WIDTH)
    nodes = [
        ensembles.stump(mode="BRANCH_LEQ"),
        helper.make_node("ReduceSum", ["numbers", "axes"], ["sum"], keepdims=1),
        helper.make_node("Add", ["score", "sum"], ["both"]),
        helper.make_node("Neg", ["both"], ["minus"]),
        helper.make_node("Sigmoid", ["minus"], ["first"]),
        helper.make_node("Sigmoid", ["both"], ["second"]),
        helper.make_node("Concat", ["first", "second"], ["probabilities"], axis=1),
    ]
    onnx_model = onnx_files.graph_of(
        nodes,
        inputs=[onnx_files.value("numbers", WIDTH)],
        outputs=[onnx_files.value("probabilities", 2)],
        initializers=[helper.make_tensor("axes", 7, [1], [1])],
    )
    loaded = model.load(tree_bundle(onnx_model, matrix=matrix))

    (found,) = explain.explain(loaded, rows_of(loaded, matrix[10:11]), classes=["yes"])

    assert found.method == "permutation_shap"
    assert parts(found)[1] != 0


def test_permutation_adds_up_and_repeats(digit_model, digits):
    rows = digits.stream_rows[:3]
    predictions = predict.predict(digit_model, rows)

    found = explain.explain(digit_model, rows, classes=predictions.predicted)
    again = explain.explain(digit_model, rows, classes=predictions.predicted)

    assert found == again
    for explanation, confidence in zip(found, predictions.confidence, strict=True):
        assert explanation.method == "permutation_shap"
        assert explanation.output_space == "probability"
        assert explanation.output_value == pytest.approx(confidence, abs=1e-12)
        assert explanation.residual <= 1e-9


def test_linear_scores_are_explained_as_the_log_odds_between_the_classes():
    """Softmax of two linear scores: the log-odds are the difference of the two, and linear again."""
    rows = onnx_files.random_rows(40)
    loaded = model.load(onnx_files.linear_bundle())

    (found,) = explain.explain(loaded, rows[5:6], classes=["yes"])

    matrix = np.array([list(row.values()) for row in rows])
    expected = (matrix[5] - matrix.mean(axis=0)) * np.array([-1.0, 2.0, 0.5])
    assert (found.method, found.output_space) == ("linear_shap", "log_odds")
    assert parts(found) == pytest.approx(expected, abs=1e-6)
    (low, high) = loaded.probabilities(loaded.decoder.feeds(rows[5:6]))[0]
    assert found.output_value == pytest.approx(np.log(high / low), abs=1e-5)
    assert found.largest_error is None


def interacting(**changes) -> Model:
    """The sigmoid of a product of two columns plus a third: no sum of anything."""
    nodes = [
        helper.make_node("Gather", ["numbers", "one"], ["a"], axis=1),
        helper.make_node("Gather", ["numbers", "two"], ["b"], axis=1),
        helper.make_node("Mul", ["a", "b"], ["product"]),
        helper.make_node("Sigmoid", ["product"], ["second"]),
        helper.make_node("Neg", ["product"], ["minus"]),
        helper.make_node("Sigmoid", ["minus"], ["first"]),
        helper.make_node("Concat", ["first", "second"], ["probabilities"], axis=1),
    ]
    constants = [helper.make_tensor(name, 7, [1], [place]) for place, name in enumerate(("one", "two"))]
    onnx_model = onnx_files.graph_of(
        nodes,
        inputs=[onnx_files.value("numbers", WIDTH)],
        outputs=[onnx_files.value("probabilities", 2)],
        initializers=constants,
    )
    matrix, _ = ensembles.binary_data(columns=WIDTH)
    return model.load(tree_bundle(onnx_model, matrix=matrix, **changes))


def test_permutation_is_exact_where_two_columns_interact():
    loaded = interacting()
    case = np.array([[0.9, -0.7, 0.1, 0.2, 0.3, 0.4]], dtype=np.float32)

    (found,) = explain.explain(loaded, rows_of(loaded, case), classes=["yes"])

    background = loaded.decoder.feeds_from_table(loaded.background)["numbers"]
    expected = ensembles.brute_force(lambda mixed: loaded.probabilities({"numbers": mixed})[:, 1], case[0], background)
    assert found.method == "permutation_shap"
    assert parts(found) == pytest.approx(expected, abs=1e-7)
    assert parts(found)[2:].tolist() == [0.0] * 4
    assert found.largest_error == pytest.approx(0.0, abs=1e-7)
    assert found.evaluations > 0


def test_sampled_attributions_are_as_wrong_as_they_say(digit_model, digits):
    """Three times the walks are nearer to the truth; on the whole they differ by what the errors announced."""
    from dataclasses import replace

    from inference.permutation_explainer import PermutationExplainer

    row = digits.stream_rows[:1]
    feeds = digit_model.decoder.feeds(row)
    table = {name: values[:40] for name, values in digit_model.background.items()}
    background = digit_model.decoder.feeds_from_table(table)

    def sampled(evaluations: int):
        settings = {**digit_model.manifest.explainer, "evaluations": evaluations}
        patched = model.load(digits.files)
        patched.manifest = replace(patched.manifest, explainer=settings)
        return PermutationExplainer(patched, background).explain(feeds, [3])

    few, many = sampled(10_240), sampled(40_000)

    assert few.error.max() > many.error.max() > 0
    announced = np.sqrt((few.error**2).mean() + (many.error**2).mean())
    assert 0.3 * announced < np.sqrt(((few.phi - many.phi) ** 2).mean()) < 2 * announced
    assert few.evaluations < many.evaluations


@pytest.mark.parametrize("is_picture", [True, False])
def test_where_columns_are_many_they_are_grouped_and_still_add_up(is_picture, digits):
    """Room for 20 steps and 64 columns: squares of the picture, or columns that move together."""
    from dataclasses import replace

    loaded = model.load(digits.files)
    image = loaded.manifest.image if is_picture else None
    loaded.manifest = replace(loaded.manifest, image=image, explainer={"evaluations": 8_000})
    rows = digits.stream_rows[:2]
    predicted = predict.predict(loaded, rows).predicted

    found = explain.explain(loaded, rows, classes=predicted)
    again = explain.explain(loaded, rows, classes=predicted)

    assert found == again
    for one in found:
        assert one.method == "partition_shap"
        assert one.residual <= 1e-9
        assert one.evaluations <= 8_000
        assert one.largest_error > 0
        assert len(set(parts(one).tolist())) < 64


def test_residual_beyond_the_tolerance_is_not_additive():
    from dataclasses import replace

    loaded, matrix = boosted()
    (found,) = explain.explain(loaded, rows_of(loaded, matrix[:1]), classes=["yes"])

    assert found.additive
    assert not replace(found, residual=2e-4 * max(1.0, abs(found.output_value))).additive


def test_nothing_to_explain_gives_nothing(tumour_model):
    assert explain.explain(tumour_model, [], classes=[]) == []


def test_unknown_class_is_an_error(tumour_model, tumours):
    with pytest.raises(ValueError, match="grey"):
        explain.explain(tumour_model, tumours.stream_rows[:1], classes=["grey"])
