from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reviewapp.domain import exact
from reviewapp.domain.errors import Invalid

targets = st.floats(1e-4, 0.9)
confidences = st.floats(0.5, 0.999)
counts = st.integers(0, 400).flatmap(lambda audits: st.tuples(st.integers(0, audits), st.just(audits)))


@pytest.mark.parametrize(
    ("target_error", "needed"),
    [
        (0.001, (2995, 4742, 6294, 7752, 10511, 16959)),
        (0.005, (598, 947, 1258, 1549, 2100, 3389)),
        (0.01, (299, 473, 628, 773, 1049, 1693)),
        (0.02, (149, 236, 313, 386, 523, 845)),
        (0.05, (59, 93, 124, 153, 208, 336)),
    ],
)
def test_so_many_audits_are_needed_at_95_percent(target_error, needed):
    found = tuple(
        exact.audits_needed(target_error=target_error, confidence=0.95, wrong=wrong) for wrong in (0, 1, 2, 3, 5, 10)
    )

    assert found == needed


def test_298_clean_audits_do_not_prove_one_percent_and_299_do():
    assert exact.p_value(wrong=0, audits=298, target_error=0.01) == pytest.approx(0.05003, abs=1e-5)
    assert exact.p_value(wrong=0, audits=299, target_error=0.01) < 0.05
    assert exact.more_clean_audits(wrong=0, audits=298, target_error=0.01, confidence=0.95) == 1
    assert exact.more_clean_audits(wrong=0, audits=299, target_error=0.01, confidence=0.95) == 0


@pytest.mark.parametrize(("classes", "needed"), [(2, 368), (5, 459), (10, 528), (20, 597), (50, 688)])
def test_a_joint_promise_over_many_classes_costs_little(classes, needed):
    assert exact.audits_needed(target_error=0.01, confidence=1 - 0.05 / classes) == needed


@settings(max_examples=50, deadline=None)
@given(counts, targets)
def test_the_p_value_is_the_binomial_one(count, target_error):
    wrong, audits = count

    found = exact.p_value(wrong=wrong, audits=audits, target_error=target_error)

    assert found == pytest.approx(stats.binom.cdf(wrong, audits, target_error), rel=1e-9, abs=1e-300)


def test_many_p_values_at_once_are_those_of_each():
    wrong, audits = [0, 0, 3, 5, 300], [0, 299, 200, 5, 20_000]

    found = exact.p_values(wrong, audits, target_error=0.01)

    alone = [exact.p_value(wrong=k, audits=n, target_error=0.01) for k, n in zip(wrong, audits, strict=True)]
    assert found.tolist() == pytest.approx(alone)


@settings(max_examples=50, deadline=None)
@given(counts, confidences)
def test_the_bounds_are_the_published_ones(count, confidence):
    wrong, audits = count
    if not audits:
        return
    sides = {
        side: stats.binomtest(wrong, audits, alternative=side).proportion_ci(confidence, "exact")
        for side in ("less", "greater")
    }

    upper = exact.upper_bound(wrong=wrong, audits=audits, confidence=confidence)
    lower = exact.lower_bound(wrong=wrong, audits=audits, confidence=confidence)

    assert upper == pytest.approx(sides["less"].high, rel=1e-7)
    assert lower == pytest.approx(sides["greater"].low, rel=1e-7)


@settings(max_examples=50, deadline=None)
@given(counts, confidences)
def test_an_error_more_raises_the_bound_and_a_right_answer_more_lowers_it(count, confidence):
    wrong, audits = count
    bound = exact.upper_bound(wrong=wrong, audits=audits, confidence=confidence)

    assert exact.upper_bound(wrong=wrong, audits=audits + 1, confidence=confidence) <= bound
    assert exact.upper_bound(wrong=wrong + 1, audits=audits + 1, confidence=confidence) >= bound


@settings(max_examples=50, deadline=None)
@given(counts, targets, confidences)
def test_the_missing_audits_prove_the_promise_and_one_less_does_not(count, target_error, confidence):
    wrong, audits = count
    missing = exact.more_clean_audits(wrong=wrong, audits=audits, target_error=target_error, confidence=confidence)

    def p_after(more):
        return exact.p_value(wrong=wrong, audits=audits + more, target_error=target_error)

    assert p_after(missing) <= 1 - confidence
    assert missing == 0 or p_after(missing - 1) > 1 - confidence


@pytest.mark.parametrize(
    ("population", "needed"), [(100, 78), (200, 126), (500, 196), (1000, 238), (5000, 284), (10**9, 299)]
)
def test_a_small_population_needs_fewer_audits(population, needed):
    assert exact.finite_audits_needed(population=population, target_error=0.01, confidence=0.95) == needed


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.data())
def test_the_finite_p_value_is_the_hypergeometric_one(population, data):
    audits = data.draw(st.integers(0, population))
    wrong = data.draw(st.integers(0, audits))
    percent = data.draw(st.integers(1, 99))
    bad = percent * population // 100 + 1
    ways = sum(
        comb(bad, found) * comb(population - bad, audits - found) for found in range(wrong + 1) if audits >= found
    )

    found = exact.finite_p_value(wrong=wrong, audits=audits, population=population, target_error=percent / 100)

    assert found == pytest.approx(ways / comb(population, audits), rel=1e-9, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.data())
def test_the_finite_bound_is_the_most_that_is_still_believed(population, data):
    audits = data.draw(st.integers(0, population))
    wrong = data.draw(st.integers(0, audits))
    believed = [
        bad
        for bad in range(wrong, population - (audits - wrong) + 1)
        if stats.hypergeom.cdf(wrong, population, bad, audits) > 0.1
    ]

    found = exact.finite_upper_bound(wrong=wrong, audits=audits, population=population, confidence=0.9)

    assert found == max(believed)


def test_more_errors_than_a_population_may_have_prove_nothing():
    assert exact.finite_audits_needed(population=100, target_error=0.01, confidence=0.95, wrong=2) is None
    assert exact.finite_audits_needed(population=100, target_error=0.01, confidence=0.95, wrong=1) == 98


@pytest.mark.parametrize("target_error", [1e-9, 1e-6, 0.5, 0.999, 1 - 1e-9])
def test_there_is_an_answer_for_every_target(target_error):
    needed = exact.audits_needed(target_error=target_error, confidence=0.95, wrong=3)

    assert exact.p_value(wrong=3, audits=needed, target_error=target_error) <= 1 - 0.95


def test_without_audits_everything_is_possible():
    assert exact.upper_bound(wrong=0, audits=0, confidence=0.95) == 1.0
    assert exact.lower_bound(wrong=0, audits=0, confidence=0.95) == 0.0
    assert exact.p_value(wrong=0, audits=0, target_error=0.01) == 1.0


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("target_error_out_of_range", {"target_error": 0.0}),
        ("target_error_out_of_range", {"target_error": 1.0}),
        ("target_error_out_of_range", {"target_error": float("nan")}),
        ("confidence_out_of_range", {"confidence": 1.0}),
        ("confidence_out_of_range", {"confidence": 0.0}),
        ("wrong_out_of_range", {"wrong": 11}),
        ("wrong_out_of_range", {"wrong": -1}),
        ("audits_out_of_range", {"audits": -1}),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(code, values):
    usual = {"wrong": 1, "audits": 10, "target_error": 0.01, "confidence": 0.95}

    with pytest.raises(Invalid) as refused:
        exact.more_clean_audits(**(usual | values))

    assert refused.value.code == code
    assert str(refused.value).endswith(".")
    assert refused.value.details["errors"][0]["message"] == str(refused.value)


def test_a_sample_cannot_exceed_its_population():
    with pytest.raises(Invalid, match="population of at least 11"):
        exact.finite_p_value(wrong=0, audits=11, population=10, target_error=0.01)
