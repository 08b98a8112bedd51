import pytest

from reviewapp.domain.intervals import rise_at_least, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_the_published_one(successes, trials, low, high):
    found = wilson(successes, trials)

    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_without_trials_nothing_is_known():
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)


def test_all_successes_reach_the_end():
    assert wilson(7, 7).high == 1.0


def test_the_rise_is_the_published_one():
    # Newcombe 1998, Statistics in Medicine 17:873, table II, method 10: 56/70 − 48/80, 95 % two-sided.
    assert rise_at_least((48, 80), (56, 70), level=0.975) == pytest.approx(0.0524, abs=5e-5)


def test_equal_shares_have_not_risen():
    assert rise_at_least((10, 100), (10, 100), level=0.95) < 0


def test_an_empty_sample_proves_nothing():
    assert rise_at_least((0, 0), (9, 9), level=0.95) == -1.0
