import numpy as np
import pytest

from inference import bundle, explain, model, predict
from inference.manifest import Column
from inference.training import assemble
from inference.training.calibration import Beta, Temperature
from inference.training.demo import demo_bundle, demo_exam, demo_rows
from inference.training.tabular import Description, train_tabular

COLUMNS = (
    Column("age", "float", nullable=True, unit="years"),
    Column("visits", "int"),
    Column("kind", "category", nullable=True, values=("new", "known", "lost")),
    Column("member", "bool"),
)
SMALL = {"n_estimators": 30}


def frame(rows: int = 300) -> tuple[dict[str, list], list[str]]:
    draw = np.random.default_rng(0)
    age, visits = draw.normal(40, 12, rows), draw.integers(0, 9, rows)
    kind, member = draw.integers(0, 4, rows), draw.integers(0, 2, rows)
    score = (age - 40) / 10 + visits / 3 - 1.5 + (kind == 1) * 1.5 - member + draw.normal(0, 0.7, rows)
    names = ("new", "known", "lost", None)
    return {
        "age": [None if index % 11 == 0 else float(value) for index, value in enumerate(age)],
        "visits": visits.tolist(),
        "kind": [names[value] for value in kind],
        "member": [bool(value) for value in member],
    }, ["yes" if value > 0 else "no" for value in score]


@pytest.fixture(scope="module")
def mixed_files() -> dict[str, bytes]:
    columns, target = frame()
    about = Description(name="mixed", created="2026-01-01T00:00:00Z")
    return train_tabular(columns, target, columns=COLUMNS, classes=("no", "yes"), about=about, trees=SMALL)


def rows_of(columns: dict[str, list]) -> list[dict]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def test_table_with_gaps_and_categories_becomes_a_bundle_that_scores(mixed_files):
    loaded = model.load(mixed_files)
    columns, target = frame()

    found = predict.predict(loaded, rows_of(columns))

    assert np.mean([one == other for one, other in zip(found.predicted, target, strict=True)]) > 0.8
    assert found.embedding.shape == (300, 128)


def test_one_hot_columns_are_explained_as_the_column_they_came_from(mixed_files):
    loaded = model.load(mixed_files)
    row = {"age": None, "visits": 3, "kind": "known", "member": True}

    (found,) = explain.explain(loaded, [row], classes=["yes"])

    assert found.method == "tree_shap_interventional"
    assert found.additive
    parts = {name: part for name, _, part in found.attributions}
    assert set(parts) == {"age", "visits", "kind", "member"}
    assert parts["kind"] > 0 > parts["member"]


def test_absent_and_unheard_category_score_like_missing(mixed_files):
    loaded = model.load(mixed_files)
    row = {"age": 40.0, "visits": 3, "member": True}

    found = predict.predict(loaded, [row, {**row, "kind": None}, {**row, "kind": "unheard"}])

    assert (found.probabilities[0] == found.probabilities).all()


def test_training_twice_gives_the_same_bundle(mixed_files):
    columns, target = frame()
    about = Description(name="mixed", created="2026-01-01T00:00:00Z")

    again = train_tabular(columns, target, columns=COLUMNS, classes=("no", "yes"), about=about, trees=SMALL)

    assert bundle.digest(again) == bundle.digest(mixed_files)


def test_many_classes_are_calibrated_by_temperature():
    columns, target = frame()
    target = ["maybe" if index % 5 == 0 and label == "yes" else label for index, label in enumerate(target)]
    about = Description(name="three", created="2026-01-01T00:00:00Z")

    files = train_tabular(
        columns, target, columns=COLUMNS, classes=("maybe", "no", "yes"), about=about, trees={"n_estimators": 10}
    )
    loaded = model.load(files)

    assert loaded.manifest.calibration["method"] == "temperature"
    assert predict.predict(loaded, rows_of(columns)).probabilities.shape == (300, 3)
    (found,) = explain.explain(loaded, rows_of(columns)[:1], classes=["maybe"])
    assert found.output_space == "class_score"
    assert found.additive


def test_graph_that_leaves_the_fitted_pipeline_is_not_exported(monkeypatch):
    columns, target = frame()
    right = Beta.nodes
    monkeypatch.setattr(Beta, "nodes", lambda self, *names: right(Beta(self.a, self.b, self.c + 0.01), *names))

    with pytest.raises(assemble.ExportRefused):
        train_tabular(
            columns,
            target,
            columns=COLUMNS,
            classes=("no", "yes"),
            about=Description(name="off", created="2026-01-01T00:00:00Z"),
            trees=SMALL,
        )


def test_beta_calibration_finds_the_truth_again_and_keeps_the_order():
    draw = np.random.default_rng(0)
    truth = Beta(0.5, 0.8, 0.3)
    margin = draw.normal(0, 4, 20_000)
    positive = draw.random(20_000) < truth.apply(margin[:, None])[:, 1]

    found = Beta.fit(margin, positive)

    assert (found.a, found.b, found.c) == pytest.approx((0.5, 0.8, 0.3), abs=0.06)
    rising = found.apply(np.linspace(-30, 30, 500)[:, None])[:, 1]
    assert (np.diff(rising) >= 0).all()


def test_temperature_softens_overconfident_scores():
    draw = np.random.default_rng(0)
    scores = draw.normal(0, 2, (20_000, 4))
    probabilities = Temperature(1.0).apply(scores)
    truth = (draw.random((20_000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)

    assert Temperature.fit(scores * 3, truth).temperature == pytest.approx(3.0, rel=0.05)


def test_every_beginning_of_the_order_is_stratified():
    labels = ["rare"] * 10 + ["common"] * 90

    order = assemble.stratified_order(labels)

    assert sorted(order) == list(range(100))
    for size in (20, 50):
        assert sum(labels[index] == "rare" for index in order[:size]) == size // 10


@pytest.mark.parametrize(("name", "at_least", "threshold"), [("tumour", 0.7, 0.97), ("digit", 0.75, 0.95)])
def test_demo_automates_most_of_what_it_never_saw_and_is_right(request, name, at_least, threshold):
    loaded, demo = request.getfixturevalue(f"{name}_model"), request.getfixturevalue(f"{name}s")
    found = predict.predict(loaded, demo.stream_rows)

    sure = found.confidence >= threshold
    right = np.array(found.predicted) == np.array(demo.true_labels)

    assert at_least < sure.mean() < 0.95
    assert right[sure].mean() > 0.98
    assert (~sure).sum() > 20


@pytest.mark.parametrize("name", ["tumours", "digits"])
def test_demo_rows_fit_the_columns_and_are_not_trained_on(request, name):
    demo = request.getfixturevalue(name)
    manifest = bundle.read_manifest(demo.files)

    assert len(demo.stream_rows) == len(demo.true_labels) == len(demo.ids) == len(set(demo.ids))
    assert not {f"{demo.ids[0].split('-')[0]}-{index:04d}" for index in demo.train_index} & set(demo.ids)
    assert set(demo.true_labels) == set(manifest.classes)
    for row in demo.stream_rows:
        assert tuple(row) == manifest.column_names
        for column in manifest.columns:
            assert column.minimum is None or row[column.name] >= column.minimum
            assert column.maximum is None or row[column.name] <= column.maximum


def test_demo_rows_are_sent_or_kept_for_the_exam_and_never_both(tumours, digits):
    exam, sent = demo_exam("tumour-triage").ids, demo_rows("tumour-triage").ids

    assert (len(exam), len(sent)) == (220, 149)
    assert sorted([*exam, *sent]) == sorted(tumours.ids)
    assert bundle.read_manifest(tumours.files).lineage["kept_for_exam"] == len(exam)
    assert demo_exam("digit-reading").ids == []
    assert demo_rows("digit-reading").ids == digits.ids


def test_demo_training_is_repeatable(tumours):
    assert bundle.digest(demo_bundle("tumour-triage").files) == bundle.digest(tumours.files)


def test_digits_say_they_are_pictures(digits):
    manifest = bundle.read_manifest(digits.files)

    assert manifest.image == {"height": 8, "width": 8}
    assert manifest.column_names[:2] == ("pixel_0_0", "pixel_0_1")
