import numpy as np
import pytest

from reviewapp.domain.drift import chance_index, stability_index

DRAW = np.random.default_rng(0)


def test_two_samples_of_the_same_are_stable():
    assert stability_index(DRAW.random(5000), DRAW.random(5000)) < 0.02


def test_a_shift_is_seen():
    assert stability_index(DRAW.random(5000), DRAW.random(5000) * 0.5) > 0.5


def test_it_is_the_formula():
    expected, actual = [0.0] * 50 + [1.0] * 50, [0.0] * 25 + [1.0] * 75

    # Two bins with half a count added to each: 50.5/101 against 25.5/101 and 75.5/101.
    shares = [(50.5 / 101, 25.5 / 101), (50.5 / 101, 75.5 / 101)]
    by_hand = sum((new - old) * np.log(new / old) for old, new in shares)
    assert stability_index(expected, actual, bins=2) == pytest.approx(by_hand)


def test_confidences_that_are_all_one_are_stable():
    assert stability_index(np.ones(1000), np.ones(600)) < 1e-3


def test_an_empty_sample_has_no_index():
    assert stability_index([], [0.5]) == 0.0


def test_chance_alone_stays_below_its_bound():
    draw = np.random.default_rng(7)
    bound = chance_index(300, 200, level=0.95)

    below = [stability_index(draw.random(300), draw.random(200)) < bound for _ in range(400)]

    # Three standard errors are 0.033; half a count per bin pulls the index down a little.
    assert 0.92 <= np.mean(below) <= 0.99


def test_the_bound_is_the_quantile():
    # χ² with 9 degrees of freedom: 16.919 at 95 %, 21.666 at 99 %.
    assert chance_index(2, 2, level=0.95) == pytest.approx(16.919, rel=2e-3)
    assert chance_index(2, 2, level=0.99) == pytest.approx(21.666, rel=2e-3)
