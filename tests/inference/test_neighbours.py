import numpy as np
import pytest

from inference import neighbours, novelty
from inference.decode import Decoder
from inference.manifest import Column, GraphInput
from inference.neighbours import Space
from tests.inference import onnx_files


def manifest_with(columns, table, importance, **changes):
    from dataclasses import replace

    numbers = tuple(column.name for column in columns if column.is_numeric)
    words = tuple(column.name for column in columns if not column.is_numeric)
    inputs = [GraphInput("numbers", "float", numbers)] if numbers else []
    inputs += [GraphInput("words", "string", words)] if words else []
    manifest = onnx_files.manifest_for(columns, inputs, **changes)
    return replace(manifest, neighbours=neighbours.fit(table, manifest, importance=importance))


NUMBERS = [Column("age", "float", nullable=True), Column("income", "float")]
TABLE = {"age": [10.0, 30.0], "income": [1000.0, 3000.0]}


def test_numbers_are_centred_scaled_and_weighted():
    manifest = manifest_with(NUMBERS, TABLE, {"age": 3.0, "income": 1.0})

    (vector,) = neighbours.embed(manifest, [{"age": 40.0, "income": 1000.0}])

    assert vector.dtype == np.float32
    assert vector[:2].tolist() == pytest.approx([2 * 0.75**0.5, -(0.25**0.5)])
    assert vector.shape == (128,)
    assert not vector[2:].any()


def test_missing_number_sits_at_the_centre():
    manifest = manifest_with(NUMBERS, TABLE, {"age": 3.0, "income": 1.0})

    (vector,) = neighbours.embed(manifest, [{"age": None, "income": 2000.0}])

    assert not vector.any()


def test_absurd_numbers_stay_finite():
    manifest = manifest_with(NUMBERS, TABLE, {"age": 3.0, "income": 1.0})

    vectors = neighbours.embed(manifest, [{"age": 1e300, "income": -1e300}, {"age": -1e38, "income": 1e38}])

    assert np.isfinite(vectors).all()


def test_column_that_never_varies_is_harmless():
    manifest = manifest_with(NUMBERS, {"age": [5.0, 5.0], "income": [1.0, 3.0]}, {"age": 0.0, "income": 1.0})

    (vector,) = neighbours.embed(manifest, [{"age": 5.0, "income": 3.0}])

    assert vector[:2].tolist() == pytest.approx([0.0, 1.0])


def test_two_values_of_a_category_are_apart_by_its_weight_and_unknown_ones_in_between():
    columns = [Column("kind", "category", nullable=True, values=("a", "b", "c"))]
    manifest = manifest_with(columns, {"kind": ["a", "b"]}, {"kind": 1.0})

    a, b, unknown, missing = neighbours.embed(manifest, [{"kind": "a"}, {"kind": "b"}, {"kind": "z"}, {"kind": None}])

    assert np.linalg.norm(a - b) == pytest.approx(2**0.5)
    assert np.linalg.norm(a - unknown) == pytest.approx(1.0)
    assert (unknown == missing).all()


def wide_manifest(count=400):
    columns = [Column(f"c{index}", "float") for index in range(count)]
    table = {column.name: [-1.0, 1.0] for column in columns}
    return manifest_with(columns, table, {column.name: 1.0 for column in columns})


def test_wide_inputs_are_projected_and_keep_their_distances():
    manifest = wide_manifest()
    draw = np.random.default_rng(3).normal(size=(30, 400))
    rows = [dict(zip(manifest.column_names, row, strict=True)) for row in draw.tolist()]

    vectors = neighbours.embed(manifest, rows)

    assert vectors.shape == (30, 128)
    true = np.linalg.norm(draw[:, None] - draw[None], axis=2) / 20
    found = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    others = ~np.eye(30, dtype=bool)
    assert np.abs(found[others] / true[others] - 1).max() < 0.35


def test_projection_depends_on_nothing_but_the_seed():
    manifest = wide_manifest()
    row = dict.fromkeys(manifest.column_names, 1.0)

    first, second = (Space(manifest).embed(Decoder(manifest).feeds([row])) for _ in range(2))

    assert (first == second).all()
    # Fixed for ever: vectors stored by one release are compared with those of the next.
    assert first[0, :4].tolist() == pytest.approx(FIRST_COORDINATES, abs=1e-6)


FIRST_COORDINATES = [-0.1149049, -0.0176777, 0.0441942, -0.1060660]


def test_distance_in_words_gets_weaker_with_distance(tumour_model):
    quantiles = tumour_model.manifest.novelty["quantiles"]

    words = [
        neighbours.describe(distance, tumour_model.manifest) for distance in (0, quantiles[250], quantiles[-1] * 2)
    ]

    assert words == ["nearly the same", "very similar", "not very similar"]


def test_nearest_training_row_of_a_case_mostly_has_its_label(tumour_model, tumours):
    """The space carries meaning: neighbours among held-out cases share the label far beyond chance."""
    vectors = neighbours.embed(tumour_model.manifest, tumours.stream_rows)
    distances = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    labels = np.array(tumours.true_labels)

    assert (labels[distances.argmin(axis=1)] == labels).mean() > 0.88


def reference(count=200):
    return np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)


def guard(vectors):
    from dataclasses import replace

    manifest = onnx_files.linear_manifest()
    fitted = novelty.fit(vectors, vectors, own=np.arange(len(vectors)))
    return novelty.Novelty(replace(manifest, novelty=fitted), vectors)


def test_typical_is_high_and_strange_is_zero():
    typical, edge, strange = guard(reference()).share_stranger(
        np.array([[0, 0, 0, 0], [2, 2, 0, 0], [9, 9, 9, 9]], dtype=np.float32)
    )

    assert typical > 0.7
    assert typical > edge > strange
    assert strange == 0.0


def test_novelty_of_cases_like_the_training_rows_is_spread_evenly():
    draw = np.random.default_rng(1).normal(size=(2_000, 4)).astype(np.float32)

    shares = guard(reference(500)).share_stranger(draw)

    for level in (0.02, 0.05, 0.5):
        assert (shares <= level).mean() == pytest.approx(level, abs=0.05)


def test_training_row_is_not_its_own_neighbour():
    vectors = reference()

    fitted = novelty.fit(vectors, vectors, own=np.arange(200))

    apart = np.sort(((vectors[:, None] - vectors[None]) ** 2).sum(axis=2), axis=1)[:, novelty.NEIGHBOUR] ** 0.5
    assert fitted["quantiles"][0] == pytest.approx(apart.min(), rel=1e-3)
    assert fitted["quantiles"][-1] == pytest.approx(apart.max(), rel=1e-3)


def test_digit_that_is_noise_is_stranger_than_digits(digit_model, digits):
    from inference import predict

    noise = np.random.default_rng(0).integers(0, 17, size=(50, 64)).tolist()
    rows = [dict(zip(digit_model.manifest.column_names, row, strict=True)) for row in noise]

    assert predict.predict(digit_model, rows).novelty.max() < 0.02
    assert np.median(predict.predict(digit_model, digits.stream_rows[:100]).novelty) > 0.2
