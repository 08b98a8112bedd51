import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.domain import gate
from reviewapp.domain.gate import Facts, Reason, ReviewMode, Route
from reviewapp.domain.policy import Cap, Policy

POLICY = Policy(
    thresholds={"intact": 0.9, "damaged": 0.8, "lost": 0.5},
    audit_rates={"intact": 0.25, "damaged": 0.0},
    never_automate=frozenset({"lost"}),
    novelty_floor=0.01,
)

RULE = Reason("rule", "The rule “Large” sends it to people.")


def facts(**changes: object) -> Facts:
    return Facts(**{"coin": 0.5, "review_mode": ReviewMode.ASSISTED, "blind_share": 0.1, **changes})


def rule(policy: Policy | None = POLICY, **changes: object) -> gate.Ruling:
    asked = {"predicted": "intact", "confidence": 0.95, "novelty": 0.5, "facts": facts(), **changes}
    return gate.rule(policy=policy, **asked)


@pytest.mark.parametrize(
    ("changes", "route", "codes"),
    [
        ({}, Route.AUTO, ["above_threshold"]),
        ({"confidence": 0.9}, Route.AUTO, ["above_threshold"]),
        ({"confidence": 0.8999999}, Route.REVIEW, ["below_threshold"]),
        ({"predicted": "damaged", "confidence": 0.8}, Route.AUTO, ["above_threshold"]),
        ({"predicted": "dented"}, Route.REVIEW, ["no_threshold"]),
        ({"predicted": "lost", "confidence": 1.0}, Route.REVIEW, ["never_automate"]),
        ({"novelty": 0.0099}, Route.REVIEW, ["novel_input"]),
        ({"novelty": 0.01}, Route.AUTO, ["above_threshold"]),
        ({"novelty": None}, Route.AUTO, ["above_threshold"]),
        ({"facts": facts(is_held=True)}, Route.REVIEW, ["held"]),
        ({"facts": facts(raised=(RULE,))}, Route.REVIEW, ["rule"]),
        ({"facts": facts(open_breakers=frozenset({"intact"}))}, Route.REVIEW, ["breaker_open"]),
        ({"facts": facts(open_breakers=frozenset({"damaged"}))}, Route.AUTO, ["above_threshold"]),
        ({"policy": None}, Route.REVIEW, ["no_policy"]),
        (
            {"predicted": "lost", "novelty": 0.0, "facts": facts(is_held=True, raised=(RULE,))},
            Route.REVIEW,
            ["held", "never_automate", "novel_input", "rule"],
        ),
    ],
)
def test_the_gate_acts_alone_only_where_every_guardrail_is_silent(
    changes: dict[str, object], route: Route, codes: list[str]
) -> None:
    ruling = rule(**changes)

    assert ruling.route is route
    assert [reason.code for reason in ruling.reasons] == codes


@pytest.mark.parametrize(
    ("predicted", "coin", "is_audited", "probability"),
    [
        ("intact", 0.0, True, 0.25),
        ("intact", 0.2499, True, 0.25),
        ("intact", 0.25, False, 0.25),
        ("damaged", 0.0, False, 0.0),
    ],
)
def test_an_automatic_decision_is_audited_when_the_coin_falls_below_the_rate(
    predicted: str, coin: float, is_audited: bool, probability: float
) -> None:
    ruling = rule(predicted=predicted, facts=facts(coin=coin))

    assert ruling.is_audited is is_audited
    assert ruling.is_blind
    assert ruling.inclusion_probability == probability


@pytest.mark.parametrize(
    ("mode", "coin", "is_blind", "probability"),
    [
        (ReviewMode.ASSISTED, 0.0999, True, 0.1),
        (ReviewMode.ASSISTED, 0.1, False, 0.1),
        (ReviewMode.COMMIT_THEN_REVEAL, 0.0, False, 1.0),
        (ReviewMode.BLIND, 0.999, True, 1.0),
    ],
)
def test_a_review_is_blind_by_its_mode_or_by_the_coin(
    mode: ReviewMode, coin: float, is_blind: bool, probability: float
) -> None:
    ruling = rule(predicted="damaged", confidence=0.1, facts=facts(review_mode=mode, coin=coin))

    assert ruling.route is Route.REVIEW
    assert not ruling.is_audited
    assert (ruling.is_blind, ruling.inclusion_probability) == (is_blind, probability)


def test_every_reason_is_a_code_and_a_sentence() -> None:
    below = rule(confidence=0.5).reasons[0]

    assert below.as_dict() == {
        "code": "below_threshold",
        "sentence": "Confidence 50.0% is below the 90.0% that “intact” needs.",
    }


def test_the_blind_share_is_no_smaller_than_the_audit_rate() -> None:
    ruling = rule(predicted="intact", confidence=0.1, facts=facts(coin=0.2))

    assert (ruling.is_blind, ruling.inclusion_probability) == (True, 0.25)


@given(
    confidence=st.floats(0, 1),
    threshold=st.floats(0.01, 1),
    coin=st.floats(0, 1, exclude_max=True),
    rate=st.floats(0, 1),
    is_held=st.booleans(),
)
def test_no_case_below_its_threshold_or_under_a_hold_is_ever_automatic(
    confidence: float, threshold: float, coin: float, rate: float, is_held: bool
) -> None:
    policy = Policy(thresholds={"intact": threshold}, audit_rates={"intact": rate})

    ruling = rule(policy, confidence=confidence, facts=facts(coin=coin, is_held=is_held))

    assert (ruling.route is Route.AUTO) == (confidence >= threshold and not is_held)
    assert ruling.is_audited == (ruling.route is Route.AUTO and coin < rate)
    assert ruling.reasons


def test_a_case_without_a_prediction_goes_to_people_with_the_given_reason() -> None:
    reason = Reason("scoring_failed", "The case could not be scored.")

    ruling = gate.to_review((reason,), facts=facts(review_mode=ReviewMode.COMMIT_THEN_REVEAL))

    assert ruling.route is Route.REVIEW
    assert ruling.reasons == (reason,)
    assert ruling.threshold is None


def test_a_case_beyond_the_cap_goes_to_people_and_is_still_drawn_for_a_blind_reading() -> None:
    known = facts(coin=0.2)

    ruling = gate.capped(rule(facts=known), facts=known, cap=Cap(limit=1000, seconds=3600))

    assert (ruling.route, ruling.is_audited, ruling.is_blind) == (Route.REVIEW, False, True)
    assert (ruling.threshold, ruling.inclusion_probability) == (0.9, 0.25)
    assert ruling.reasons == (Reason("cap_reached", "The policy lets 1,000 cases act alone in 1 hour, and they have."),)
