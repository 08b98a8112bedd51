from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reviewapp.domain.gate import GUARDRAIL_CODES
from reviewapp.domain.guardrails import Learned
from reviewapp.domain.policy import Policy, Rule, Value
from reviewapp.gating import guardrails
from reviewapp.gating.guardrails import Subject

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def policy(**body: Any) -> Policy:
    return Policy(thresholds={"approve": 0.9}, **body)


def subject(**changes: Any) -> Subject:
    told = {
        "features": {"amount": 5.0},
        "predicted": "approve",
        "confidence": 0.97,
        "context": {},
        "observed_at": NOON,
        "received_at": NOON,
        **changes,
    }
    return Subject(**told)


def test_each_guardrail_gives_its_reason() -> None:
    strict = policy(
        required_columns=("income",),
        stale_after=60.0,
        is_range_checked=True,
        rules=(Rule("Always", "true"), Rule("Broken", "nothing > 1")),
    )

    found = guardrails.raised(
        strict, subject(observed_at=NOON - timedelta(hours=1)), {"amount": Learned(low=0.0, high=1.0)}
    )

    codes = [reason.code for reason in found]
    assert codes == ["missing_feature", "stale_features", "out_of_range", "rule", "rule_failed"]
    assert set(codes) | {"novel_input"} == GUARDRAIL_CODES


def test_a_policy_without_guardrails_raises_nothing_and_asks_for_nothing() -> None:
    bare = policy(novelty_floor=0.1, segment="amount", value=Value("amount", 10.0))

    assert guardrails.raised(bare, subject(features={})) == ()
    assert not guardrails.looks_at_values(bare)
    assert not guardrails.looks_at_envelope(bare)


@pytest.mark.parametrize(
    ("body", "envelope"),
    [
        ({"required_columns": ("income",)}, False),
        ({"is_range_checked": True}, False),
        ({"rules": (Rule("Large", "amount > 1.0"),)}, False),
        ({"rules": (Rule("Gold", "context.tier == 'gold'"),)}, True),
        ({"stale_after": 60.0}, True),
    ],
)
def test_what_came_beside_the_features_is_asked_for_only_where_it_is_looked_at(
    body: dict[str, Any], envelope: bool
) -> None:
    assert guardrails.looks_at_values(policy(**body))
    assert guardrails.looks_at_envelope(policy(**body)) == envelope


@pytest.mark.parametrize(
    ("value", "segment"),
    [("DE", "DE"), (1, "1"), (1.0, "1"), (1.5, "1.5"), (True, "true"), (None, ""), ("x" * 500, "x" * 120)],
)
def test_a_segment_is_a_columns_value_as_text(value: Any, segment: str) -> None:
    assert guardrails.segment_of(policy(segment="region"), {"region": value}) == segment


def test_without_a_segment_column_there_is_one_segment() -> None:
    assert guardrails.segment_of(policy(), {"region": "DE"}) == ""
    assert guardrails.segment_of(policy(segment="region"), {}) == ""


@pytest.mark.parametrize(
    ("amount", "value"),
    [
        *((5.0, 5.0), (7, 7.0), (500.0, 100.0), (-3.0, 0.0)),
        *((None, 100.0), ("x", 100.0), (True, 100.0), (10**400, 100.0)),
    ],
)
def test_a_wrong_decision_costs_its_amount_up_to_the_cap(amount: Any, value: float) -> None:
    assert guardrails.value_of(policy(value=Value("amount", 100.0)), {"amount": amount}) == value
    assert guardrails.value_of(policy(), {"amount": amount}) is None


def test_a_breaker_is_open_for_its_segment_and_for_every_one() -> None:
    breakers = {("approve", ""), ("refuse", "DE")}

    assert guardrails.open_for(breakers, "DE") == {"approve", "refuse"}
    assert guardrails.open_for(breakers, "FR") == {"approve"}
    assert guardrails.open_for(breakers, "") == {"approve"}
