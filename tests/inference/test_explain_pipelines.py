"""Pipelines of others: the score is found in the graph, and every attribution goes to a column people sent."""

import numpy as np
import pytest
import shap
from onnx import helper

from inference import explain, predict
from tests.inference import onnx_files, pipelines
from tests.inference.pipelines import Piped


def explained(piped: Piped):
    predicted = predict.predict(piped.loaded, piped.rows).predicted
    found = explain.explain(piped.loaded, piped.rows, classes=predicted)
    for one in found:
        assert one.additive
        assert one.residual <= 1e-5 * max(1.0, abs(one.output_value))
        assert [name for name, _, _ in one.attributions] == list(piped.loaded.manifest.column_names)
    return found


def parts(explanation):
    return np.array([part for _, _, part in explanation.attributions])


def owners(piped: Piped) -> np.ndarray:
    """Which column each prepared one comes from, by what scikit-learn calls them."""
    names = piped.native[0].get_feature_names_out()
    place = {f"x{index}": index for index in range(5)}
    found = [place[name.split("__")[1].split("_")[0]] for name in names]
    return np.eye(5)[found]


def signs(found) -> np.ndarray:
    return np.array([1.0 if one.explained_class == "yes" else -1.0 for one in found])


def test_linear_model_is_explained_as_its_coefficients_say():
    from sklearn.linear_model import LogisticRegression

    piped = pipelines.of_people(LogisticRegression())
    found = explained(piped)

    prepare, native = piped.native[0], piped.native[1]
    centre = prepare.transform(piped.background).mean(axis=0)
    expected = (prepare.transform(piped.table(piped.rows)) - centre) * native.coef_[0] @ owners(piped)
    log_odds = piped.native.decision_function(piped.table(piped.rows))
    for one, values, sign, score in zip(found, expected, signs(found), log_odds, strict=True):
        assert (one.method, one.output_space) == ("linear_shap", "log_odds")
        assert sign * parts(one) == pytest.approx(values, abs=1e-5)
        assert sign * one.output_value == pytest.approx(score, abs=1e-5)


def test_boosting_behind_preparation_equals_native_shap_summed_over_what_each_column_became():
    from sklearn.ensemble import GradientBoostingClassifier

    piped = pipelines.of_people(GradientBoostingClassifier(n_estimators=20, random_state=0))
    found = explained(piped)

    prepare = piped.native[0]
    background, rows = (
        prepare.transform(table).astype(np.float32).astype(np.float64)
        for table in (piped.background, piped.table(piped.rows))
    )
    masker = shap.maskers.Independent(background, max_samples=len(background))
    native = shap.TreeExplainer(piped.native[1], data=masker, feature_perturbation="interventional")
    expected = native.shap_values(rows, check_additivity=False) @ owners(piped)
    for one, values, sign in zip(found, expected, signs(found), strict=True):
        assert (one.method, one.output_space) == ("tree_shap_interventional", "log_odds")
        assert np.abs(sign * parts(one) - values).max() <= 1e-6 * np.abs(values).sum()


def test_average_of_forests_is_one_sum():
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, VotingClassifier

    forests = [
        ("random", RandomForestClassifier(n_estimators=6, max_depth=4, random_state=0)),
        ("extra", ExtraTreesClassifier(n_estimators=6, max_depth=4, random_state=0)),
    ]
    both = VotingClassifier(forests, voting="soft", weights=np.array([3, 1]), flatten_transform=False)
    piped = pipelines.of_people(both)
    found = explained(piped)

    confidence = predict.predict(piped.loaded, piped.rows).confidence
    for one, value in zip(found, confidence, strict=True):
        assert (one.method, one.output_space) == ("tree_shap_interventional", "probability")
        assert one.output_value == pytest.approx(value, abs=1e-5)


def test_layers_behind_mixed_columns_are_not_taken_for_columns():
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    piped = pipelines.of_people(make_pipeline(PCA(3), LogisticRegression()))

    assert {one.method for one in explained(piped)} == {"permutation_shap"}


@pytest.mark.parametrize("kind", ["linear", "trees"])
def test_words_of_a_text_make_up_its_attribution(kind):
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    estimator = LogisticRegression(C=10) if kind == "linear" else GradientBoostingClassifier(n_estimators=20)
    piped = pipelines.of_texts(estimator)

    for row, one in zip(piped.rows, explained(piped), strict=True):
        told = one.words["text"]
        words = [word for word, _ in told.words]
        assert one.method == ("linear_shap" if kind == "linear" else "tree_shap_interventional")
        assert sum(part for _, part in told.words) + told.rest == pytest.approx(parts(one)[0], abs=1e-9)
        assert set(row["text"].split()) <= set(words)
        assert all(word in row["text"] for word in words)
        assert [abs(part) for _, part in told.words] == sorted((abs(part) for _, part in told.words), reverse=True)


def test_insults_speak_for_an_insult():
    from sklearn.linear_model import LogisticRegression

    piped = pipelines.of_texts(LogisticRegression(C=10))

    (found,) = explain.explain(piped.loaded, [{"text": "thanks liar because weather idiot"}], classes=["yes"])
    told = dict(found.words["text"].words)

    assert min(told["liar"], told["idiot"]) > max(0, told["thanks"], told["weather"])


def test_unseen_words_and_an_empty_text_are_explained():
    from sklearn.linear_model import LogisticRegression

    piped = pipelines.of_texts(LogisticRegression())

    found = explain.explain(piped.loaded, [{"text": ""}, {"text": 'new "words"\nonly'}], classes=["no", "no"])

    for one in found:
        assert one.additive
        assert one.words["text"].words == ()
        assert one.words["text"].rest == pytest.approx(parts(one)[0], abs=1e-12)


def test_a_layer_that_only_calibrates_is_looked_behind_and_counted_in():
    """Trees, then Platt's scaling by Gemm: the explained score is the calibrated log-odds."""
    from tests.inference import ensembles

    nodes = [
        ensembles.stump(mode="BRANCH_LEQ"),
        helper.make_node("Gemm", ["score", "slope", "offset"], ["calibrated"]),
        helper.make_node("Sigmoid", ["calibrated"], ["second"]),
        helper.make_node("Sub", ["one", "second"], ["first"]),
        helper.make_node("Concat", ["first", "second"], ["probabilities"], axis=1),
    ]
    constants = [
        helper.make_tensor("slope", 1, [1, 1], [0.5]),
        helper.make_tensor("offset", 1, [1], [-0.25]),
        helper.make_tensor("one", 1, [1], [1.0]),
    ]
    graph = onnx_files.graph_of(
        nodes,
        inputs=[onnx_files.value("numbers", 3)],
        outputs=[onnx_files.value("probabilities", 2)],
        initializers=constants,
    )
    manifest = onnx_files.linear_manifest()
    loaded = pipelines.load_onnx(graph, manifest.columns, manifest.inputs, rows=onnx_files.random_rows(60))

    (found,) = explain.explain(loaded, [{"age": 0.9, "income": 0.0, "debt": 0.0}], classes=["yes"])

    assert (found.method, found.output_space) == ("tree_shap_interventional", "log_odds")
    assert found.output_value == pytest.approx(0.5 * 3.0 - 0.25, abs=1e-6)
    assert found.additive
    assert parts(found)[1:].tolist() == [0.0, 0.0]


def test_trees_and_a_linear_layer_added_up_are_explained_together():
    from tests.inference import ensembles

    nodes = [
        ensembles.stump(mode="BRANCH_GT"),
        helper.make_node("MatMul", ["numbers", "weights"], ["linear"]),
        helper.make_node("Add", ["score", "linear"], ["both"]),
        helper.make_node("Neg", ["both"], ["minus"]),
        helper.make_node("Concat", ["minus", "both"], ["pair"], axis=1),
        helper.make_node("Sigmoid", ["pair"], ["probabilities"]),
    ]
    graph = onnx_files.graph_of(
        nodes,
        inputs=[onnx_files.value("numbers", 3)],
        outputs=[onnx_files.value("probabilities", 2)],
        initializers=[helper.make_tensor("weights", 1, [3, 1], [1.0, -2.0, 0.0])],
    )
    manifest = onnx_files.linear_manifest()
    rows = onnx_files.random_rows(60)
    loaded = pipelines.load_onnx(graph, manifest.columns, manifest.inputs, rows=rows)

    (found,) = explain.explain(loaded, [rows[7]], classes=["yes"])

    centre = np.mean([row["income"] for row in rows])
    assert (found.method, found.output_space) == ("additive_shap", "log_odds")
    assert found.additive
    assert parts(found)[1] == pytest.approx(-2.0 * (rows[7]["income"] - centre), abs=1e-5)
    assert parts(found)[2] == 0.0
