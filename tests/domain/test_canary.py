import json

import numpy as np
import pytest

from reviewapp.domain.canary import Guards, Sample, breaches, read_guards
from reviewapp.domain.errors import Invalid

CASES = 4000


def sample(seed: int = 0, cases: int = CASES, share: float = 0.5) -> Sample:
    """Two arms that behave alike."""
    draw = np.random.default_rng(seed)
    return Sample(
        is_canary=draw.random(cases) < share,
        is_failed=np.zeros(cases, dtype=bool),
        is_automated=draw.random(cases) < 0.7,
        confidence=draw.beta(8, 2, cases),
        latency=draw.gamma(2, 0.01, cases),
        is_wrong=np.where(draw.random(cases) < 0.2, draw.random(cases) < 0.1, -1).astype(np.int8),
    )


def names(found):
    return [breach.guard for breach in found]


def test_a_canary_like_its_primary_stays():
    assert breaches(sample(), Guards()) == []


def test_a_good_canary_is_seldom_rolled_back_however_often_one_looks():
    rolled_back = 0
    for seed in range(60):
        whole = sample(seed, cases=3000)
        # The thresholds that chance alone could cross; no allowance beyond the interval.
        guards = Guards(automated=0.0, error_rate=None, latency=None, confidence_psi=None, min_cases=100)
        rolled_back += any(breaches(whole.first(size), guards) for size in range(100, 3001, 100))

    # Four one-sided tests at 5 % together would be 20 %; each guard here spends its 5 % over all its looks.
    assert rolled_back <= 60 * 0.2


def test_failures_are_seen_long_before_the_other_guards_look():
    one = sample(cases=140)
    one.is_failed[one.is_canary] = np.arange(one.is_canary.sum()) % 4 == 0

    assert names(breaches(one, Guards())) == ["error_rate"]


def test_failures_are_seen_without_a_primary_beside():
    one = sample(cases=100, share=1.0)
    one.is_failed[::3] = True

    (breach,) = breaches(one, Guards())
    assert breach.sentence == "It could not score 33 of 98 cases."  # as many as its last look saw


@pytest.mark.parametrize("automated", [0.6, 0.8])
def test_acting_alone_more_or_less_often_is_seen(automated):
    one = sample()
    one.is_automated[one.is_canary] = np.random.default_rng(1).random(one.is_canary.sum()) < automated

    assert names(breaches(one, Guards())) == ["automated"]


def test_slow_batches_are_seen():
    one = sample()
    one.latency[one.is_canary] *= 3

    assert names(breaches(one, Guards())) == ["latency"]


def test_a_slowness_that_nobody_feels_is_none():
    one = sample()
    one.latency[:] /= 100
    one.latency[one.is_canary] *= 3

    assert breaches(one, Guards()) == []


def test_confidences_spread_otherwise_are_seen():
    one = sample()
    one.confidence[one.is_canary] = np.random.default_rng(1).beta(3, 3, one.is_canary.sum())

    assert names(breaches(one, Guards())) == ["confidence_psi"]


def test_people_who_answer_otherwise_more_often_are_seen():
    one = sample()
    settled = one.is_canary & (one.is_wrong >= 0)
    one.is_wrong[settled] = np.random.default_rng(1).random(settled.sum()) < 0.3

    assert names(breaches(one, Guards())) == ["disagreement"]


def test_with_too_few_cases_nothing_is_said():
    one = sample(cases=800)
    one.confidence[one.is_canary] = 0.1
    one.latency[one.is_canary] = 9.0

    assert one.is_canary.sum() < Guards().min_cases
    assert breaches(one, Guards()) == []


@pytest.mark.parametrize("guard", ["error_rate", "latency", "automated", "confidence_psi", "disagreement"])
def test_a_guard_can_be_switched_off(guard):
    one = sample()
    one.is_failed[one.is_canary] = np.arange(one.is_canary.sum()) % 2 == 0
    one.latency[one.is_canary] = 9.0
    one.is_automated[one.is_canary] = False
    one.confidence[one.is_canary] = 0.1
    one.is_wrong[one.is_canary & (one.is_wrong >= 0)] = 1

    everything = names(breaches(one, Guards()))
    assert guard in everything
    assert names(breaches(one, read_guards({guard: None}))) == [one for one in everything if one != guard]


def test_an_empty_stream_breaks_nothing():
    assert breaches(sample().first(0), Guards()) == []


def test_guards_survive_their_json():
    guards = read_guards({"level": 0.99, "min_cases": 100, "latency": None})

    assert read_guards(json.loads(json.dumps(guards.to_json()))) == guards


@pytest.mark.parametrize(
    "wrong",
    [
        {"speed": 1},
        {"level": 1.5},
        {"level": None},
        {"min_cases": 500.5},
        {"min_cases": 0},
        {"automated": "little"},
        {"automated": True},
        {"confidence_psi": float("nan")},
    ],
)
def test_wrong_guards_are_named(wrong):
    with pytest.raises(Invalid) as caught:
        read_guards(wrong)

    assert [fault["field"] for fault in caught.value.details["errors"]] == [f"guards.{next(iter(wrong))}"]
