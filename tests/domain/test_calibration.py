import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reviewapp.domain import calibration
from reviewapp.domain.calibration import Beta
from reviewapp.domain.errors import Invalid

labelled = st.lists(
    st.tuples(st.sampled_from((0.0, 0.3, 0.5, 0.8, 0.95, 1.0)), st.integers(0, 1), st.floats(0.1, 20)), min_size=1
)


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@settings(max_examples=40, deadline=None)
@given(labelled)
def test_the_score_is_the_sum_of_its_parts(cases):
    scores, hits, shares = zip(*cases, strict=True)

    found = calibration.corp(scores, hits, shares)

    assert found.brier == pytest.approx(found.mcb - found.dsc + found.unc)
    assert found.brier == pytest.approx(np.average((np.array(scores) - hits) ** 2, weights=shares))
    assert found.mcb >= -1e-12
    assert found.dsc >= -1e-12
    assert (np.diff(found.y) >= 0).all()
    assert (np.diff(found.x) > 0).all()


def test_the_curve_is_the_one_of_scikit_learn(rng):
    from sklearn.isotonic import IsotonicRegression

    scores = rng.integers(1, 60, 800) / 60
    hits = (rng.random(800) < scores**2).astype(float)
    shares = rng.choice([1.0, 10.0], 800)

    found = calibration.corp(scores, hits, shares)

    oracle = IsotonicRegression().fit(scores, hits, shares)
    assert found.y == pytest.approx(oracle.predict(found.x))
    assert np.interp(scores, found.x, found.y) == pytest.approx(oracle.predict(scores))


def test_a_weight_counts_like_as_many_cases():
    once = calibration.corp([0.4, 0.6, 0.9], [1, 0, 1], [1, 3, 2])
    repeated = calibration.corp([0.4, 0.6, 0.6, 0.6, 0.9, 0.9], [1, 0, 0, 0, 1, 1])

    assert (once.mcb, once.dsc, once.unc) == pytest.approx((repeated.mcb, repeated.dsc, repeated.unc))
    assert once.y == pytest.approx(repeated.y)


def test_the_band_holds_a_calibrated_curve_and_not_an_overconfident_one(rng):
    scores = rng.uniform(0.5, 1, 600)
    band = calibration.consistency_band(scores, draws=200, level=0.95, rng=rng)

    calibrated = calibration.corp(scores, rng.random(600) < scores)
    overconfident = calibration.corp(scores, rng.random(600) < scores - 0.15)

    def share_inside(curve):
        heights = np.interp(band.x, curve.x, curve.y)
        return ((heights >= band.low) & (heights <= band.high)).mean()

    assert share_inside(calibrated) > 0.85
    assert share_inside(overconfident) < 0.5
    assert band.p_value(calibrated.mcb) > 0.05
    assert band.p_value(overconfident.mcb) == pytest.approx(1 / 201)


def test_the_band_is_the_same_for_the_same_draws():
    first, second = (
        calibration.consistency_band([0.6, 0.7, 0.9] * 20, draws=50, level=0.9, rng=np.random.default_rng(3))
        for _ in range(2)
    )

    assert (first.low == second.low).all()
    assert (first.high == second.high).all()


def test_the_beta_curve_is_found_again(rng):
    scores = rng.uniform(0.02, 0.98, 10_000)
    truth = Beta(0.7, 1.4, 0.3)
    hits = rng.random(scores.size) < calibration.beta_apply(truth, scores)

    found = calibration.beta_fit(scores, hits)

    assert (found.a, found.b, found.c) == pytest.approx((truth.a, truth.b, truth.c), abs=0.12)
    assert calibration.beta_apply(found, scores) == pytest.approx(calibration.beta_apply(truth, scores), abs=0.02)


def test_the_beta_curve_is_the_logistic_regression_of_scikit_learn(rng):
    from sklearn.linear_model import LogisticRegression

    scores = rng.uniform(0.05, 0.95, 3000)
    hits = (rng.random(3000) < scores**1.5).astype(int)
    terms = np.column_stack([np.log(scores), -np.log1p(-scores)])
    oracle = LogisticRegression(C=np.inf, tol=1e-8).fit(terms, hits)

    found = calibration.beta_apply(calibration.beta_fit(scores, hits), scores)

    assert found == pytest.approx(oracle.predict_proba(terms)[:, 1], abs=2e-3)


def test_weights_undo_selective_labels(rng):
    """Confident cases are read with π = 0.05, and whether they are right depends on more than the confidence."""
    scores = rng.uniform(0.5, 0.999, 40_000)
    is_easy = rng.random(scores.size) < 0.5
    truth = np.clip(scores + np.where(is_easy, 0.001, -0.1), 0, 1)
    hits = rng.random(scores.size) < truth
    pi = np.where(is_easy & (scores > 0.8), 0.05, 1.0)
    is_read = rng.random(scores.size) < pi

    weighted = calibration.beta_fit(scores[is_read], hits[is_read], 1 / pi[is_read])
    plain = calibration.beta_fit(scores[is_read], hits[is_read])

    grid = np.linspace(0.85, 0.98, 20)
    share_right = (np.clip(grid + 0.001, 0, 1) + grid - 0.1) / 2
    assert np.abs(calibration.beta_apply(weighted, grid) - share_right).mean() < 0.015
    assert np.abs(calibration.beta_apply(plain, grid) - share_right).mean() > 0.03


@settings(max_examples=12, deadline=None)
@given(labelled)
def test_a_fitted_curve_never_reranks(cases):
    scores, hits, shares = zip(*cases, strict=True)

    found = calibration.beta_fit(scores, hits, shares)

    assert found.a >= 0
    assert found.b >= 0
    assert (np.diff(calibration.beta_apply(found, np.linspace(0, 1, 50))) >= -1e-12).all()


def test_few_labels_change_little():
    found = calibration.beta_fit([0.9], [1])

    assert calibration.beta_apply(found, [0.9]) == pytest.approx([0.9], abs=0.1)
    assert calibration.beta_apply(calibration.UNCHANGED, [0.2, 0.9]) == pytest.approx([0.2, 0.9])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (([], []), "no_labels"),
        (([0.5], [1, 0]), "lengths_differ"),
        (([1.5], [1]), "confidence_out_of_range"),
        (([float("nan")], [1]), "confidence_out_of_range"),
        (([0.5], [2]), "outcome_out_of_range"),
        (([0.5], [1], [0.0]), "weight_out_of_range"),
    ],
)
def test_labels_that_cannot_be_are_refused(arguments, code):
    with pytest.raises(Invalid) as refused:
        calibration.corp(*arguments)

    assert refused.value.code == code


def test_a_web_process_may_import_the_statistics_of_the_gate():
    modules = "exact, evidence, thresholds, breaker, calibration, losses"
    script = f"from reviewapp.domain import {modules}; import sys; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert not {"scipy.stats", "scipy.optimize", "sklearn", "django"} & set(done.stdout.split())
