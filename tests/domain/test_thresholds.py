from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reviewapp.domain import thresholds
from reviewapp.domain.errors import Invalid
from reviewapp.domain.evidence import Tally

LADDER = (0.9, 0.8, 0.7, 0.6)

walks = st.integers(1, 12).flatmap(
    lambda rungs: st.tuples(
        st.lists(st.floats(0, 0.1), min_size=rungs, max_size=rungs),
        st.sets(st.integers(0, rungs - 1), min_size=1, max_size=4).map(lambda starts: tuple(sorted(starts))),
    )
)


def test_rungs_are_quantiles_and_the_last_takes_every_case():
    ladder = thresholds.make_ladder(np.linspace(0.01, 1, 100), num_rungs=4)

    assert ladder == pytest.approx((0.76, 0.51, 0.26, 0.01))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from((0.5, 0.75, 0.9, 0.99)) | st.floats(0, 1), min_size=1), st.integers(1, 40))
def test_a_ladder_is_distinct_falling_and_made_of_scores(scores, num_rungs):
    ladder = thresholds.make_ladder(scores, num_rungs=num_rungs)

    thresholds.check_ladder(ladder)
    assert len(ladder) <= num_rungs
    assert set(ladder) <= set(scores)
    assert ladder[-1] == min(scores)


def test_scores_that_all_tie_make_one_rung():
    assert thresholds.make_ladder([0.8] * 50) == (0.8,)


@pytest.mark.parametrize(
    ("ladder", "code"), [((), "ladder_empty"), ((0.9, 0.9), "ladder_tied"), ((0.8, 0.9), "ladder_unsorted")]
)
def test_a_ladder_given_by_hand_is_checked(ladder, code):
    with pytest.raises(Invalid) as refused:
        thresholds.exam(ladder, (0,), [(0, 1)] * len(ladder), target_error=0.01, delta=0.05)

    assert refused.value.code == code


@pytest.mark.parametrize("scores", [[], [0.5, float("nan")]])
def test_a_ladder_needs_scores(scores):
    with pytest.raises(Invalid):
        thresholds.make_ladder(scores)


def test_starts_are_spread_from_where_clean_labels_could_pass():
    ladder = tuple(np.linspace(0.99, 0.5, 32))
    expected = [300 * (rung + 1) for rung in range(32)]

    starts = thresholds.start_rungs(ladder, expected, target_error=0.01, confidence=0.95)

    # 436 clean audits pass at 0.05/4; 1.3 times as many are expected from the second rung on.
    assert starts[0] == 1
    assert len(starts) == 4
    assert list(starts) == sorted(set(starts))


def test_too_few_expected_labels_leave_the_loosest_rung_as_the_only_start():
    assert thresholds.start_rungs(LADDER, [1, 2, 3, 4], target_error=0.01, confidence=0.95) == (3,)


def test_a_pass_hands_its_budget_on_and_a_failure_loses_it():
    found = thresholds.walk([0.01, 0.02, 0.5, 0.02, 0.04], starts=(0, 1, 3), delta=0.06)

    assert found.passed == (True, True, False, True, False)
    assert found.budgets == pytest.approx((0.02, 0.04, 0.04, 0.02, 0.02))
    assert found.index == 3


def test_a_bad_strict_end_does_not_stop_the_walk():
    assert thresholds.walk([0.9, 0.9, 0.001, 0.001], starts=(0, 2), delta=0.05).index == 3


@settings(max_examples=50, deadline=None)
@given(walks)
def test_no_rung_is_certified_beyond_a_failure_without_a_fresh_start(drawn):
    p_values, starts = drawn

    found = thresholds.walk(p_values, starts=starts, delta=0.05)

    assert sum(
        found.budgets[start] - (found.budgets[start - 1] if start and found.passed[start - 1] else 0)
        for start in starts
    ) == pytest.approx(0.05)
    for rung, (p_value, has_passed, budget) in enumerate(zip(p_values, found.passed, found.budgets, strict=True)):
        assert has_passed == (budget > 0 and p_value <= budget)
        if rung not in starts and (rung == 0 or not found.passed[rung - 1]):
            assert budget == 0
    assert found.index == max((rung for rung, has_passed in enumerate(found.passed) if has_passed), default=None)


@settings(max_examples=50, deadline=None)
@given(walks, st.data())
def test_stronger_evidence_never_certifies_less(drawn, data):
    p_values, starts = drawn
    better = [value * data.draw(st.floats(0, 1)) for value in p_values]

    before = thresholds.walk(p_values, starts=starts, delta=0.05).index
    after = thresholds.walk(better, starts=starts, delta=0.05).index

    assert before is None or (after is not None and after >= before)


@pytest.mark.parametrize("starts", [(), (4,), (-1,), (1, 1)])
def test_impossible_starts_are_refused(starts):
    with pytest.raises(Invalid, match="Start rungs"):
        thresholds.walk([0.1] * 4, starts=starts, delta=0.05)


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1])
def test_an_impossible_delta_is_refused(delta):
    with pytest.raises(Invalid) as refused:
        thresholds.walk([0.1], starts=(0,), delta=delta)

    assert refused.value.code == "delta_out_of_range"


def test_an_exam_certifies_from_counts():
    found = thresholds.exam(LADDER, (0, 2), [(0, 400), (1, 700), (30, 1000), (40, 1300)], target_error=0.01, delta=0.05)

    assert found.index == 1
    assert found.p_values[0] == pytest.approx(0.99**400)


def test_a_live_look_needs_more_than_an_exam_and_keeps_what_it_once_had():
    clean = [[Tally(1.0, 367, 0)]] * 4
    later = [[Tally(1.0, 367, 3)]] * 4

    first = thresholds.live(LADDER, (0,), clean, target_error=0.01, delta=0.05)
    forgotten = thresholds.live(LADDER, (0,), later, target_error=0.01, delta=0.05)
    kept = thresholds.live(LADDER, (0,), later, target_error=0.01, delta=0.05, best_log_e=[log(20.1)] * 4)

    assert first.index == 3
    assert forgotten.index is None
    assert kept.index == 3


def test_counts_must_match_the_ladder():
    with pytest.raises(Invalid) as refused:
        thresholds.exam(LADDER, (0,), [(0, 10)], target_error=0.01, delta=0.05)

    assert refused.value.code == "counts_mismatch"
