from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reviewapp.domain import exact, losses
from reviewapp.domain.errors import Invalid

amounts = st.lists(st.floats(0, 200), min_size=1, max_size=60)


@settings(max_examples=50, deadline=None)
@given(amounts, st.data())
def test_the_bound_lies_between_the_mean_seen_and_the_cap_and_grows_with_confidence(drawn, data):
    bound = losses.mean_loss_bound(drawn, cap=200, confidence=0.95)

    assert np.mean(drawn) <= bound + 1e-6
    assert bound <= 200
    surer = losses.mean_loss_bound(drawn, cap=200, confidence=data.draw(st.floats(0.95, 0.999)))
    assert surer >= bound - 1e-6


def test_clean_audits_lower_the_bound():
    bounds = [losses.mean_loss_bound([0.0] * count, cap=50, confidence=0.95) for count in (1, 30, 300, 3000)]

    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] == pytest.approx(50, rel=0.1)
    assert bounds[-1] < 50 * 0.004


def test_without_audits_the_bound_is_the_cap():
    assert losses.mean_loss_bound([], cap=80, confidence=0.95) == 80


@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_the_bound_misses_a_known_mean_seldom_enough(rate):
    """Every sequence of eight whole losses with its probability: the bound is below the mean at most in 20 %."""
    missed = 0.0
    for outcome in product((0, 1), repeat=8):
        chance = np.prod([rate if is_lost else 1 - rate for is_lost in outcome])
        if losses.mean_loss_bound(outcome, cap=1, confidence=0.8) < rate:
            missed += chance

    assert missed <= 0.2


def test_cases_read_more_often_count_less():
    often, seldom = [0.5] * 20 + [1.0] * 20, [1.0] * 20 + [0.5] * 20
    amounts_lost = [1.0] * 20 + [0.0] * 20

    heavy = losses.mean_loss_bound(amounts_lost, seldom, cap=1, confidence=0.95)
    light = losses.mean_loss_bound(amounts_lost, often, cap=1, confidence=0.95)

    assert light < heavy


def test_wrong_actions_of_a_period_are_bounded_exactly():
    found = losses.per_thousand_bound(wrong=1, audits=200, automatic=2000, arrivals=4000, confidence=0.95)

    most = exact.finite_upper_bound(wrong=1, audits=200, population=2000, confidence=0.95)
    assert found.bound == pytest.approx(most / 4)
    assert found.estimate == pytest.approx(2.5)


def test_wrong_actions_to_come_are_bounded_a_little_wider():
    values = {"wrong": 1, "audits": 200, "automatic": 2000, "arrivals": 4000, "confidence": 0.95}

    now = losses.per_thousand_bound(**values)
    ahead = losses.per_thousand_bound(**values, is_finite=False)

    assert ahead.bound > now.bound


def test_without_audits_every_automatic_decision_may_be_wrong():
    assert losses.per_thousand_bound(wrong=0, audits=0, automatic=50, arrivals=100, confidence=0.95).bound == 500
    assert losses.per_thousand_bound(wrong=0, audits=0, automatic=0, arrivals=100, confidence=0.95).bound == 0


def test_the_proposed_threshold_is_the_loosest_that_keeps_the_average():
    scores = np.linspace(0.991, 0.001, 199)
    is_wrong = np.zeros(199, dtype=bool)
    is_wrong[[50, 100, 120]] = True

    # 199 labels and 10 per 1,000: one error may lie at or above the threshold.
    assert losses.loosest_threshold(scores, is_wrong, per_thousand=10) == pytest.approx(scores[99])
    assert losses.loosest_threshold(scores, is_wrong, per_thousand=5) == pytest.approx(scores[49])


def test_ties_act_together():
    assert losses.loosest_threshold([0.9, 0.9, 0.8, 0.8], [0, 0, 0, 1], per_thousand=200) == pytest.approx(0.9)
    assert losses.loosest_threshold([0.9, 0.9, 0.9, 0.9], [0, 0, 0, 1], per_thousand=200) is None


@pytest.mark.parametrize("per_thousand", [0.7, 5, 10, 30])
def test_with_one_label_less_there_is_no_proposal(per_thousand):
    needed = losses.labels_for_threshold(per_thousand=per_thousand)

    assert losses.loosest_threshold([0.5] * needed, [False] * needed, per_thousand=per_thousand) == 0.5
    assert losses.loosest_threshold([0.5] * (needed - 1), [False] * (needed - 1), per_thousand=per_thousand) is None


@pytest.mark.parametrize(
    ("arguments", "options", "code"),
    [
        (([5.0],), {"cap": 0}, "cap_out_of_range"),
        (([5.0],), {"cap": 4}, "loss_out_of_range"),
        (([-1.0],), {"cap": 4}, "loss_out_of_range"),
        (([1.0], [2.0]), {"cap": 4}, "weight_out_of_range"),
        (([1.0], [1.0, 1.0]), {"cap": 4}, "lengths_differ"),
        (([1.0],), {"cap": 4, "confidence": 1.0}, "confidence_out_of_range"),
    ],
)
def test_losses_that_cannot_be_are_refused(arguments, options, code):
    with pytest.raises(Invalid) as refused:
        losses.mean_loss_bound(*arguments, **({"confidence": 0.95} | options))

    assert refused.value.code == code


def test_more_audits_than_automatic_decisions_are_refused():
    with pytest.raises(Invalid, match="cannot exceed"):
        losses.per_thousand_bound(wrong=0, audits=20, automatic=10, arrivals=100, confidence=0.95)
