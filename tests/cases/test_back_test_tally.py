"""What a back-test counts and what the counts say. No database."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from reviewapp.cases.back_test_reading import Row
from reviewapp.cases.back_test_replay import Acting, Change, Switch, replay
from reviewapp.cases.back_test_tally import Counts, Past, Side, estimate
from reviewapp.domain.exact import finite_upper_bound, lower_bound, upper_bound
from reviewapp.domain.policy import Cap, Policy
from reviewapp.registry.models import Stream

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
VERSION = UUID(int=7)
STREAM = Stream(classes=["intact", "damaged"], review_mode="assisted", blind_share=0.1)
SURE = Past("intact", was_automatic=True, is_automatic=True, coin=0.5, probability=0.1)


def counted(pasts: list[Past], *, least: float = 0.1) -> Counts:
    counts = Counts(least={"intact": least})
    for past in pasts:
        counts.add(past)
    return counts


def after(counts: Counts) -> Side:
    return counts.classes["intact"].after


class TestEstimating:
    def test_the_plain_random_sample_gives_exact_bounds(self) -> None:
        drawn = [replace(SURE, coin=0.05, is_wrong=number < 2) for number in range(40)]
        # Below the threshold of the time every case had a chance of 1; those coins are no part of the sample.
        others = [replace(SURE, coin=0.6, probability=1.0, is_wrong=True) for _ in range(30)]

        found = estimate([after(counted(drawn + others + [SURE] * 30))], least=0.1, is_pooled=False)

        assert (found.method, found.estimated, found.answers, found.wrong, found.rate) == ("sample", 100, 40, 2, 0.05)
        assert found.low == lower_bound(wrong=2, audits=40, confidence=0.975)
        assert found.high == upper_bound(wrong=2, audits=40, confidence=0.975)
        assert found.at_most_wrong == finite_upper_bound(wrong=2, audits=40, population=100, confidence=0.975)

    def test_what_is_in_doubt_widens_the_interval(self) -> None:
        drawn = [replace(SURE, coin=0.05, is_wrong=number < 2) for number in range(36)]
        doubted = [replace(SURE, coin=0.05, in_doubt=True)] * 4
        few = [replace(SURE, coin=0.05, in_doubt=True), *[replace(SURE, coin=0.6, is_wrong=False)] * 9]

        exact = estimate([after(counted(drawn + doubted + [SURE] * 60))], least=0.1, is_pooled=False)
        weighted = estimate([after(counted(few))], least=0.1, is_pooled=False)

        assert (exact.answers, exact.wrong, exact.in_doubt, exact.rate) == (40, 2, 4, 0.05)
        assert exact.low == lower_bound(wrong=2, audits=40, confidence=0.975)
        assert exact.high == upper_bound(wrong=6, audits=40, confidence=0.975)
        assert exact.at_most_wrong == finite_upper_bound(wrong=6, audits=40, population=100, confidence=0.975)
        assert (weighted.method, weighted.answers, weighted.wrong, weighted.in_doubt) == ("weighted", 10, 0, 1)
        assert (weighted.rate, weighted.low) == (0.0, 0.0)
        assert (
            weighted.high
            == estimate(
                [after(counted([replace(few[0], is_wrong=True, in_doubt=False), *few[1:]]))], least=0.1, is_pooled=False
            ).high
        )

    def test_with_few_of_them_all_honest_readings_are_weighed(self) -> None:
        drawn = [replace(SURE, coin=0.05, is_wrong=False) for _ in range(5)]
        others = [replace(SURE, coin=0.6, probability=1.0, is_wrong=number < 10) for number in range(50)]

        found = estimate([after(counted(drawn + others))], least=0.1, is_pooled=False)

        # Weights 1 and 0.1: (10 × 0.1) of (5 + 50 × 0.1).
        assert (found.method, found.answers, found.wrong) == ("weighted", 55, 10)
        assert found.rate == pytest.approx(0.1)
        assert found.rate < found.high < 1
        assert found.low == 0

    def test_without_a_reading_nothing_is_claimed(self) -> None:
        found = estimate([after(counted([SURE] * 10))], least=0.1, is_pooled=False)

        assert (found.method, found.rate, found.low, found.high) == ("none", None, 0.0, 1.0)

    def test_what_had_no_chance_or_is_no_evidence_is_left_out(self) -> None:
        pasts = [
            replace(SURE, coin=0.05, is_wrong=False),
            replace(SURE, probability=0.0),
            replace(SURE, coin=0.05, is_wrong=True, is_evidence=False),
        ]

        side = after(counted(pasts))

        assert (side.automatic, side.unreadable, side.mute, side.drawn, side.right, side.wrong) == (3, 1, 1, 1, 1, 0)
        assert estimate([side], least=0.1, is_pooled=False).estimated == 1

    def test_classes_are_pooled_at_the_least_probability_of_all(self) -> None:
        counts = Counts(least={"intact": 0.1, "damaged": 0.5})
        for coin in (0.05, 0.2):
            counts.add(replace(SURE, coin=coin, is_wrong=False))
            counts.add(replace(SURE, answer="damaged", coin=coin, probability=0.5, is_wrong=True))

        sides = [one.after for one in counts.classes.values()]

        assert [(side.drawn, side.pooled_drawn) for side in sides] == [(1, 1), (2, 1)]


def test_counts_survive_the_way_through_json() -> None:
    counts = counted([SURE, replace(SURE, is_automatic=False, truth="damaged"), replace(SURE, is_wrong=True)])

    assert Counts.from_dict(json.loads(json.dumps(counts.as_dict()))) == counts


def test_contradictions_and_audits_are_counted() -> None:
    pasts = [
        replace(SURE, truth="damaged"),
        replace(SURE, truth="intact", coin=0.01),
        replace(SURE, is_automatic=False, truth="damaged"),
        replace(SURE, was_automatic=False),
    ]

    counts = counted(pasts)

    one = counts.classes["intact"]
    assert (one.before.contradicted, one.after.contradicted, one.before.labelled) == (2, 1, 3)
    assert (one.to_automatic, one.to_automatic_unlabelled, one.to_people) == (1, 1, 1)
    assert counts.audits_before == 1


def row(**changes: Any) -> Row:
    """A case that the model called intact at 0.95 and that acted alone."""
    given: dict[str, Any] = {
        "case_id": uuid4(),
        "coin": 0.5,
        "half_coin": 0.7,
        "arrived_at": NOON,
        "version_id": VERSION,
        "role": "primary",
        "answer": "intact",
        "confidence": 0.95,
        "novelty": 0.5,
        "route": "auto",
        "probability": 0.1,
        "reasons": '[{"code": "above_threshold", "sentence": "…"}]',
        "truth": None,
        "is_wrong": None,
        "observed_at": None,
        "received_at": NOON,
    }
    return Row(**{**given, **changes})


def stopped(code: str, **changes: Any) -> Row:
    return row(route="review", reasons=json.dumps([{"code": code, "sentence": "…"}]), **changes)


def replayed(
    rows: list[Row], policy: Policy, *, switch: Switch | None = None, trained_until: datetime = NOON - timedelta(days=1)
) -> tuple[list[Change], Counts]:
    counts = Counts(least={"intact": 0.1})
    acting = {VERSION: Acting(policy, trained_until)}
    return replay(rows, acting=acting, stream=STREAM, counts=counts, switch=switch or Switch()), counts


class TestReplaying:
    def test_a_stricter_threshold_sends_cases_to_people(self) -> None:
        changes, counts = replayed([row(), row(confidence=0.99)], Policy(thresholds={"intact": 0.97}))

        assert [(one.route_before, one.route_after, one.reason) for one in changes] == [
            ("auto", "review", "below_threshold")
        ]
        assert (counts.classes["intact"].to_people, counts.classes["intact"].after.automatic) == (1, 1)

    def test_a_looser_one_lets_cases_act(self) -> None:
        changes, _ = replayed([stopped("below_threshold", truth="damaged")], Policy(thresholds={"intact": 0.9}))

        assert [(one.route_after, one.truth, one.reason) for one in changes] == [("auto", "damaged", "above_threshold")]

    @pytest.mark.parametrize("code", ["held", "breaker_open"])
    def test_what_stopped_automation_at_the_time_still_does(self, code: str) -> None:
        assert replayed([stopped(code)], Policy(thresholds={"intact": 0.5}))[0] == []

    def test_a_policys_own_guardrails_are_its_own(self) -> None:
        loose = Policy(thresholds={"intact": 0.5})

        assert replayed([stopped("novel_input", novelty=0.001)], loose)[0][0].route_after == "auto"
        assert replayed([row(novelty=0.001)], replace(loose, novelty_floor=0.01))[0][0].reason == "novel_input"
        needy = replace(loose, required_columns=("dent",))
        assert replayed([row(features='{"tear": 1.0}')], needy)[0][0].reason == "missing_feature"
        assert replayed([row(features='{"dent": 1.0}')], needy)[0] == []

    def test_other_versions_and_fallbacks_stay_with_people(self) -> None:
        rows = [stopped("model_unavailable", role="fallback"), stopped("below_threshold", version_id=UUID(int=8))]

        assert replayed(rows, Policy(thresholds={"intact": 0.5}))[0] == []

    def test_what_was_never_scored_is_counted_apart(self) -> None:
        _, counts = replayed([row(answer=None, route=None, version_id=None, role=None)], Policy(thresholds={}))

        assert (counts.unscored, counts.classes) == (1, {})

    def test_a_cap_lets_so_many_act_in_each_interval(self) -> None:
        moments = [NOON + timedelta(seconds=seconds) for seconds in (0, 10, 20, 61, 62, 63)]
        rows = [row(arrived_at=moment) for moment in moments]
        switch = Switch.of(Cap(limit=2, seconds=60))

        changes, _ = replayed(rows[:3], Policy(thresholds={"intact": 0.5}), switch=switch)
        kept = Switch.from_dict(json.loads(json.dumps(switch.as_dict())))
        later, _ = replayed(rows[3:], Policy(thresholds={"intact": 0.5}), switch=kept)

        assert [one.case_id for one in changes + later] == [rows[2].case_id, rows[5].case_id]
        assert {one.reason for one in changes + later} == {"cap_reached"}

    @pytest.mark.parametrize(
        ("changes", "is_evidence"),
        [
            ({}, True),
            ({"half_coin": 0.2}, True),
            ({"half_coin": 0.2, "observed_at": NOON - timedelta(days=2)}, False),
            ({"half_coin": 0.7, "observed_at": NOON - timedelta(days=2)}, True),
            ({"route": "review", "reasons": '[{"code": "novel_input", "sentence": ""}]'}, False),
        ],
    )
    def test_what_may_be_evidence_is_told_apart(self, changes: dict[str, Any], is_evidence: bool) -> None:
        _, counts = replayed([row(**changes)], Policy(thresholds={"intact": 0.5}))

        assert after(counts).mute == (0 if is_evidence else 1)
