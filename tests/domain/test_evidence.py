from itertools import product
from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reviewapp.domain import evidence, exact
from reviewapp.domain.errors import Invalid
from reviewapp.domain.evidence import Tally

weights = st.floats(0.01, 1.0)
tallies = st.lists(st.builds(Tally, weights, st.integers(0, 300), st.integers(0, 20)), max_size=4)


@pytest.mark.parametrize(("wrong", "needed"), [(0, 367), (1, 651), (2, 869), (3, 1067), (5, 1422), (10, 2211)])
def test_looking_at_any_time_needs_so_many_audits(wrong, needed):
    more = evidence.more_clean_audits_live([Tally(1.0, 0, wrong)], target_error=0.01, confidence=0.95)

    assert wrong + more == needed


@settings(max_examples=40, deadline=None)
@given(tallies, st.floats(0.001, 0.5), st.floats(0.5, 0.999))
def test_the_missing_audits_bring_the_evidence_and_one_less_does_not(held, target_error, confidence):
    more = evidence.more_clean_audits_live(held, target_error=target_error, confidence=confidence)

    def log_e_after(count):
        return evidence.log_e_value([*held, Tally(1.0, count, 0)], target_error=target_error)

    assert log_e_after(more) >= -log(1 - confidence) - 1e-9
    assert more == 0 or log_e_after(more - 1) < -log(1 - confidence) + 1e-9


@pytest.mark.parametrize("target_error", [0.01, 0.2, 0.7])
@pytest.mark.parametrize("case_weights", [(1.0, 1.0, 1.0, 1.0), (1.0, 0.1, 0.5, 0.1)])
def test_the_evidence_expects_one_where_the_rate_is_the_target(target_error, case_weights):
    """Every sequence of outcomes at the error rate itself, with its probability: the mean is 1, below and above."""
    below = above = 0.0
    for outcome in product((False, True), repeat=len(case_weights)):
        chance = np.prod([target_error if is_wrong else 1 - target_error for is_wrong in outcome])
        seen = [Tally(weight, int(not wrong), int(wrong)) for weight, wrong in zip(case_weights, outcome, strict=True)]
        below += chance * exp(evidence.log_e_value(seen, target_error=target_error))
        above += chance * exp(evidence.log_e_above(seen, target_error=target_error))

    assert below == pytest.approx(1.0)
    assert above == pytest.approx(1.0)


def test_selective_labelling_keeps_the_expectation():
    """Easy cases are read with π = 0.2, hard ones always; their rates mix to the target; unread cases bet nothing."""
    easy, hard, rate = 0.005, 0.035, 0.01
    share = (rate - easy) / (hard - easy)
    outcomes = [
        ((1 - share) * 0.8, None),
        ((1 - share) * 0.2 * easy, (1.0, True)),
        ((1 - share) * 0.2 * (1 - easy), (1.0, False)),
        (share * hard, (0.2, True)),
        (share * (1 - hard), (0.2, False)),
    ]

    mean = 0.0
    for cases in product(outcomes, repeat=4):
        chance = np.prod([probability for probability, _ in cases])
        seen = [Tally(label[0], int(not label[1]), int(label[1])) for _, label in cases if label]
        mean += chance * exp(evidence.log_e_value(seen, target_error=rate))

    assert sum(probability for probability, _ in outcomes) == pytest.approx(1.0)
    assert mean == pytest.approx(1.0)


@settings(max_examples=40, deadline=None)
@given(tallies, weights, st.floats(0.001, 0.5))
def test_an_error_weakens_the_evidence_and_a_right_answer_strengthens_it(held, weight, target_error):
    now = evidence.log_e_value(held, target_error=target_error)

    assert evidence.log_e_value([*held, Tally(weight, 0, 1)], target_error=target_error) <= now + 1e-9
    assert evidence.log_e_value([*held, Tally(weight, 1, 0)], target_error=target_error) >= now - 1e-9


@settings(max_examples=40, deadline=None)
@given(tallies, st.floats(0.5, 0.99))
def test_the_bound_is_the_least_rate_that_is_refuted(held, confidence):
    bound = evidence.e_upper_bound(held, confidence=confidence)

    if bound == 1.0:
        assert evidence.log_e_value(held, target_error=1 - 1e-6) < -log(1 - confidence)
        return
    assert evidence.log_e_value(held, target_error=min(bound * 1.001, 1 - 1e-12)) >= -log(1 - confidence)
    assert evidence.log_e_value(held, target_error=bound * 0.999) < -log(1 - confidence)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 8), st.integers(50, 2000))
def test_a_bound_for_every_look_is_wider_than_one_for_a_single_look(wrong, right):
    live = evidence.e_upper_bound([Tally(1.0, right, wrong)], confidence=0.95)

    assert live > exact.upper_bound(wrong=wrong, audits=right + wrong, confidence=0.95)


def test_many_rungs_at_once_say_what_each_says_alone():
    shares, right, wrong = [1.0, 0.1], [[100, 20], [300, 40]], [[0, 0], [2, 5]]

    found = evidence.log_e_values(shares, right, wrong, target_error=0.02)

    for row in (0, 1):
        held = [Tally(shares[place], right[row][place], wrong[row][place]) for place in (0, 1)]
        assert found[row] == pytest.approx(evidence.log_e_value(held, target_error=0.02))
        bounds = evidence.e_upper_bounds(shares, right, wrong, confidence=0.95)
        assert bounds[row] == pytest.approx(evidence.e_upper_bound(held, confidence=0.95))


def test_without_audits_nothing_is_known():
    assert evidence.log_e_value([], target_error=0.01) == pytest.approx(0.0)
    assert evidence.log_e_above([], target_error=0.01) == pytest.approx(0.0)
    assert evidence.e_upper_bound([], confidence=0.95) == 1.0
    assert evidence.e_upper_bound([Tally(1.0, 0, 3)], confidence=0.95) == 1.0


def test_many_errors_are_evidence_of_a_broken_promise():
    assert evidence.log_e_above([Tally(1.0, 900, 60)], target_error=0.01) > log(20)
    assert evidence.log_e_above([Tally(1.0, 990, 10)], target_error=0.01) < log(20)


@pytest.mark.parametrize(
    ("weight", "right", "wrong", "code"),
    [
        (0.0, 1, 1, "weight_out_of_range"),
        (1.5, 1, 1, "weight_out_of_range"),
        (1.0, -1, 1, "right_out_of_range"),
        (1.0, 1, -1, "wrong_out_of_range"),
    ],
)
def test_a_tally_that_cannot_be_is_refused(weight, right, wrong, code):
    with pytest.raises(Invalid) as refused:
        Tally(weight, right, wrong)

    assert refused.value.code == code
