from itertools import product
from math import sqrt

import numpy as np
import pytest

from reviewapp.domain import breaker
from reviewapp.domain.breaker import Zone
from reviewapp.domain.errors import Invalid


@pytest.mark.parametrize("target_error", [0.01, 0.3, 0.8])
@pytest.mark.parametrize("rate_of_target", [0.0, 0.5, 1.0])
def test_the_level_after_t_audits_expects_at_most_t(target_error, rate_of_target):
    rate, audits = target_error * rate_of_target, 5

    mean = 0.0
    for outcomes in product((False, True), repeat=audits):
        chance = np.prod([rate if is_wrong else 1 - rate for is_wrong in outcomes])
        mean += chance * breaker.level(breaker.run(breaker.START, outcomes, target_error=target_error))

    assert mean <= audits * (1 + 1e-12)
    if rate_of_target == 1.0:
        assert mean == pytest.approx(audits)


def test_the_limit_is_the_audits_of_a_year_over_the_allowed_false_trips():
    assert breaker.limit(audits_per_year=7300) == pytest.approx(146_000)
    assert breaker.limit(audits_per_year=1000, false_trips_per_year=0.1) == pytest.approx(10_000)


def test_a_year_without_an_error_ends_calm():
    calm = breaker.run(breaker.START, [False] * 7300, target_error=0.01)

    assert breaker.level(calm) == pytest.approx(breaker.calm_level(0.01))
    assert breaker.zone(breaker.level(calm), 146_000.0, target_error=0.01) is Zone.CLOSED


def test_amber_comes_before_red():
    limit = 146_000.0

    assert breaker.zone(sqrt(limit) / 4 - 0.1, limit) is Zone.CLOSED
    assert breaker.zone(sqrt(limit) / 4, limit) is Zone.AMBER
    assert breaker.zone(limit - 1, limit) is Zone.AMBER
    assert breaker.zone(limit, limit) is Zone.OPEN


def test_a_small_target_is_not_amber_without_an_error():
    detector = breaker.Detector(target_error=0.001, limit=146_000.0)

    calm = detector.run(breaker.START, [False] * 7300)

    assert detector.zone(calm) is Zone.CLOSED
    assert detector.zone(detector.run(calm, [True] * 3)) is not Zone.CLOSED


def test_errors_in_a_row_open_it():
    detector = breaker.Detector(target_error=0.01, limit=breaker.limit(audits_per_year=7300))

    assert detector.zone(detector.run(breaker.START, [True] * 6)) is Zone.OPEN


def test_audit_by_audit_comes_to_the_same_as_all_at_once():
    outcomes = [False, True, False, False, True]

    one_by_one = breaker.START
    for is_wrong in outcomes:
        one_by_one = breaker.step(one_by_one, is_wrong=is_wrong, target_error=0.02)

    assert one_by_one == breaker.run(breaker.START, outcomes, target_error=0.02)


def test_many_breakers_at_once_say_what_each_says_alone():
    outcomes = np.array([[False, True, False], [False, False, True]])

    sums = np.zeros((2, len(breaker.START.sums)))
    for column in outcomes.T:
        sums = breaker.step_many(sums, column, target_error=0.02)

    for row in (0, 1):
        alone = breaker.run(breaker.START, outcomes[row].tolist(), target_error=0.02)
        assert sums[row] == pytest.approx(alone.sums)


def test_it_never_overflows():
    flooded = breaker.run(breaker.START, [True] * 2000, target_error=0.01)

    assert np.isfinite(breaker.level(flooded))


@pytest.mark.parametrize("values", [{"audits_per_year": 0}, {"audits_per_year": 10, "false_trips_per_year": 0}])
def test_an_impossible_limit_is_refused(values):
    with pytest.raises(Invalid):
        breaker.limit(**values)


def test_running_until_the_limit_stops_at_the_audit_that_reaches_it() -> None:
    outcomes = [False, True, False, True, True, True, True, True, False, False]
    levels = [
        breaker.level(breaker.run(breaker.START, outcomes[: number + 1], target_error=0.05))
        for number in range(len(outcomes))
    ]
    limit = levels[6]

    evidence, taken, wrong = breaker.run_until(breaker.START, outcomes, target_error=0.05, limit=limit)

    assert (taken, wrong) == (7, 5)
    assert breaker.level(evidence) == limit
    assert breaker.run_until(breaker.START, outcomes, target_error=0.05, limit=1e12)[1:] == (10, 6)
