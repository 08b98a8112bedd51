"""From counts to a look: pure."""

import pytest

from reviewapp.domain.errors import Invalid
from reviewapp.gating import proof
from reviewapp.gating.proof import Count, Outcome, State, Terms

SCORES = [0.5 + number / 2000 for number in range(1000)]
LADDER = (0.9, 0.8, 0.7, 0.6)


def terms(**changes: object) -> Terms:
    values = {
        "target_error": 0.05,
        "delta": 0.05,
        "live_delta": 0.05,
        "ladder": LADDER,
        "starts": (0, 2),
        "shares": (0.25, 0.5, 0.75, 1.0),
        **changes,
    }
    return Terms(**values)


def counts(*, right: tuple[int, ...] = (), wrong: tuple[int, ...] = (), overdue: tuple[int, ...] = ()) -> list[Count]:
    """Labels of weight 1 per rung, strict → loose."""
    kinds = ((Outcome.RIGHT, right), (Outcome.WRONG, wrong), (Outcome.OVERDUE, overdue))
    return [Count(rung, 1.0, kind, number) for kind, each in kinds for rung, number in enumerate(each) if number]


@pytest.mark.parametrize(("confidence", "rung"), [(0.95, 0), (0.9, 0), (0.85, 1), (0.6, 3), (0.59999, None), (1.0, 0)])
def test_a_confidence_belongs_to_the_strictest_rung_it_reaches(confidence: float, rung: int | None) -> None:
    assert proof.rung_of(LADDER, confidence) == rung


def test_without_labels_nothing_is_proven_and_what_is_missing_is_a_number() -> None:
    look = proof.look(terms(), [])

    assert (look.state, look.threshold, look.audits, look.bound) == (State.UNPROVEN, None, 0, 1.0)
    assert 60 < look.more_needed < 120


def test_exactly_the_missing_audits_certify() -> None:
    missing = proof.look(terms(), []).more_needed

    almost = proof.look(terms(), counts(right=(0, 0, missing - 1)))
    there = proof.look(terms(), counts(right=(0, 0, missing)))

    assert (almost.state, almost.more_needed) == (State.UNPROVEN, 1)
    assert (there.state, there.threshold, there.more_needed) == (State.CERTIFIED, 0.6, 0)
    assert there.bound <= 0.05


def test_a_later_look_never_falls_back_to_a_stricter_threshold() -> None:
    look = proof.look(terms(), counts(right=(200,), wrong=(0, 0, 3)), held=0.6)

    assert (look.state, look.threshold) == (State.CERTIFIED, 0.6)


def test_what_an_exam_certified_holds_beside_the_live_looks() -> None:
    assert proof.look(terms(live_delta=0.025), [], examined=0.8).threshold == 0.8


def test_the_promise_is_violated_where_its_failure_is_as_sure_as_its_keeping_would_have_to_be() -> None:
    doubtful = proof.look(terms(), counts(right=(80,), wrong=(8,)))
    broken = proof.look(terms(), counts(right=(80,), wrong=(20,)))

    assert doubtful.state is State.UNPROVEN
    assert (broken.state, broken.threshold, broken.at) == (State.VIOLATED, None, 0.9)


def test_a_held_threshold_is_given_up_when_its_audits_refute_it() -> None:
    assert proof.look(terms(), counts(right=(80,), wrong=(20,)), held=0.9).state is State.VIOLATED


def test_overdue_audits_count_as_wrong_against_a_certificate_and_prove_no_violation() -> None:
    look = proof.look(terms(), counts(right=(80,), overdue=(20,)))

    assert (look.state, look.wrong) == (State.UNPROVEN, 20)


def test_a_light_label_proves_less_than_a_heavy_one() -> None:
    heavy = proof.look(terms(), [Count(2, 1.0, Outcome.RIGHT, 60)])
    light = proof.look(terms(), [Count(2, 0.1, Outcome.RIGHT, 60)])

    assert light.more_needed > heavy.more_needed


def test_the_ladder_takes_each_class_in_equal_shares_and_starts_where_a_proof_is_in_reach() -> None:
    planned = proof.plan(SCORES, expected_labels=2_000, target_error=0.02, delta=0.05)

    assert len(planned.ladder) == proof.NUM_RUNGS
    assert (planned.shares[0], planned.shares[-1]) == (pytest.approx(1 / 32, abs=0.001), 1.0)
    assert 1 < len(planned.starts) <= proof.NUM_STARTS


@pytest.mark.parametrize("expected", [0.0, 10.0, 1e9])
def test_a_first_day_that_says_little_of_the_volume_still_leaves_several_starts(expected: float) -> None:
    planned = proof.plan(SCORES, expected_labels=expected, target_error=0.02, delta=0.05)

    assert len(planned.starts) > 1


def test_tied_scores_make_fewer_rungs() -> None:
    planned = proof.plan([0.9] * 300 + [0.8] * 100, expected_labels=100, target_error=0.02, delta=0.05)

    assert planned.ladder == (0.9, 0.8)
    assert planned.shares == (0.75, 1.0)


@pytest.mark.parametrize("promise", [{"target_error": 0.0}, {"target_error": 1.0}, {"delta": 0.0}, {"delta": 1.0}])
def test_a_promise_out_of_range_is_refused(promise: dict[str, float]) -> None:
    with pytest.raises(Invalid):
        proof.plan(SCORES, expected_labels=100, **{"target_error": 0.02, "delta": 0.05, **promise})


def test_an_exam_spends_what_the_live_looks_leave() -> None:
    rows = [(0.95, False)] * 200 + [(0.65, True)] * 40 + [(0.65, False)] * 100
    walked, counted = proof.examine(terms(live_delta=0.025), rows)

    assert counted == ((0, 200), (0, 200), (0, 200), (40, 340))
    assert walked.index == 2
    assert sum(walked.budgets) > 0
    assert max(walked.budgets) <= 0.025


def test_counting_entries_keeps_weights_apart() -> None:
    entry = {"confidence": 0.85, "least_probability": 0.1, "inclusion_probability": 1.0, "is_wrong": False}
    entries = [
        {**entry, "is_overdue": False},
        {**entry, "is_overdue": False, "inclusion_probability": 0.1},
        {**entry, "is_overdue": True, "is_wrong": True},
        {**entry, "is_overdue": False, "confidence": 0.1},
    ]

    assert proof.counted(LADDER, entries) == [
        Count(1, 0.1, Outcome.OVERDUE, 1),
        Count(1, 0.1, Outcome.RIGHT, 1),
        Count(1, 1.0, Outcome.RIGHT, 1),
    ]
