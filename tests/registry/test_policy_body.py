"""What a policy's body may say: every fault is named with its field and a remedy."""

from typing import Any

import pytest

from reviewapp.domain.errors import Invalid
from reviewapp.domain.policy import AuditRule, Cap, Promise, Rule, Value
from reviewapp.registry.actions import streams as actions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from reviewapp.registry.policies import check_body, read_body

PROMISE = {"target_error": 0.02, "confidence": 0.95}
CONTRACT = {
    "type": "object",
    "properties": {
        "weight": {"type": "number"},
        "country": {"type": "string"},
        "amount": {"type": ["integer", "null"]},
    },
    "additionalProperties": False,
}


@pytest.fixture
def with_columns(bare_stream: Stream) -> Stream:
    """A stream whose contract has the columns weight, country and amount."""
    actions.revise(stream=bare_stream, kind="contract", body=CONTRACT, by=SYSTEM)
    return bare_stream


def refused(body: Any, stream: Stream) -> list[tuple[str, str]]:
    """The faults of a body: field and sentence."""
    with pytest.raises(Invalid) as refusal:
        check_body(body, stream)
    return [(error["field"], error["message"]) for error in refusal.value.details["errors"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"colour": 1}, "colour"),
        ({"thresholds": []}, "thresholds"),
        ({"thresholds": {"lost": 0.9}}, "thresholds.lost"),
        ({"thresholds": {"intact": 0}}, "thresholds.intact"),
        ({"thresholds": {"intact": 1.01}}, "thresholds.intact"),
        ({"thresholds": {"intact": True}}, "thresholds.intact"),
        ({"thresholds": {"intact": "0.9"}}, "thresholds.intact"),
        ({"thresholds": {"intact": float("nan")}}, "thresholds.intact"),
        ({"audit_rates": {"intact": -0.1}}, "audit_rates.intact"),
        ({"audit_rates": {"intact": 0}, "promises": {"intact": PROMISE}}, "audit_rates.intact"),
        ({"never_automate": "intact"}, "never_automate"),
        ({"never_automate": [["intact"]]}, "never_automate"),
        ({"never_automate": ["lost"]}, "never_automate"),
        ({"novelty_floor": 2}, "novelty_floor"),
        ({"promises": ["intact"]}, "promises"),
        ({"promises": {"lost": PROMISE}}, "promises.lost"),
        ({"promises": {"intact": 0.02}}, "promises.intact"),
        ({"promises": {"intact": {"target_error": 0.02}}}, "promises.intact"),
        ({"promises": {"intact": {**PROMISE, "ladder": []}}}, "promises.intact"),
        ({"promises": {"intact": {**PROMISE, "target_error": 0}}}, "promises.intact.target_error"),
        ({"promises": {"intact": {**PROMISE, "target_error": 1}}}, "promises.intact.target_error"),
        ({"promises": {"intact": {**PROMISE, "target_error": 1e-300}}}, "promises.intact.target_error"),
        ({"promises": {"intact": {**PROMISE, "confidence": 0.5}}}, "promises.intact.confidence"),
        ({"promises": {"intact": {**PROMISE, "confidence": 1 - 1e-16}}}, "promises.intact.confidence"),
        ({"promises": {"intact": {**PROMISE, "confidence": "high"}}}, "promises.intact.confidence"),
        ({"is_joint": 1}, "is_joint"),
        ({"audit": []}, "audit"),
        ({"audit": {"per_day": 3}}, "audit.per_day"),
        ({"audit": {"expected_per_day": 0}}, "audit.expected_per_day"),
        ({"audit": {"floor": 0}}, "audit.floor"),
        ({"audit": {"floor": 0.5, "ceiling": 0.4}}, "audit.floor"),
        ({"audit": {"ceiling": 0.01}}, "audit.floor"),
        ({"audit": {"ceiling": 1.1}}, "audit.ceiling"),
        ({"audit": {"amber_factor": 0.5}}, "audit.amber_factor"),
        ({"audit": {"overdue_days": float("inf")}}, "audit.overdue_days"),
        ({"audit": {"second_read_share": -1}}, "audit.second_read_share"),
        ({"audit": {"confirm_share": 1.5}}, "audit.confirm_share"),
        ({"certificate_days": 0}, "certificate_days"),
        ({"certificate_days": None}, "certificate_days"),
        ({"false_trips_per_year": 100}, "false_trips_per_year"),
        ({"false_trips_per_year": 1e-300}, "false_trips_per_year"),
        ({"stale_after": 0}, "stale_after"),
        ({"is_range_checked": "yes"}, "is_range_checked"),
        ({"wrong_per_thousand": 1000}, "wrong_per_thousand"),
        ({"cap": {"limit": 10}}, "cap"),
        ({"cap": {"limit": 0, "seconds": 60}}, "cap"),
        ({"cap": {"limit": 1.5, "seconds": 60}}, "cap"),
        ({"required_columns": "weight"}, "required_columns"),
        ({"segment": 7}, "segment"),
        ({"value": {"column": "amount"}}, "value"),
        ({"value": {"column": "amount", "cap": 0}}, "value.cap"),
        ({"value": {"column": "amount", "cap": 10, "promised_loss": 11}}, "value.promised_loss"),
        ({"rules": {"name": "heavy"}}, "rules"),
        ({"rules": [{"name": "heavy"}]}, "rules.0"),
    ],
)
def test_a_malformed_body_is_refused_by_field(bare_stream: Stream, body: Any, field: str) -> None:
    assert [fault[0] for fault in refused(body, bare_stream)] == [field]


def test_every_fault_is_named_at_once(bare_stream: Stream) -> None:
    faults = refused({"promise": {}, "is_joint": None, "audit": {"flor": 0.1}}, bare_stream)

    assert [field for field, _ in faults] == ["promise", "is_joint", "audit.flor"]
    assert dict(faults)["promise"].endswith("Did you mean “promises”?")
    assert dict(faults)["audit.flor"].endswith("Did you mean “floor”?")


@pytest.mark.parametrize(
    ("body", "field", "remedy"),
    [
        ({"required_columns": ["weight", "wieght"]}, "required_columns", "Did you mean “weight”?"),
        ({"segment": "contry"}, "segment", "Did you mean “country”?"),
        ({"value": {"column": "amuont", "cap": 10}}, "value.column", "Did you mean “amount”?"),
        ({"value": {"column": "country", "cap": 10}}, "value.column", "holds no numbers"),
        ({"rules": [{"name": "heavy", "when": "wieght > 3.0"}]}, "rules.0.when", "weight"),
        ({"rules": [{"name": "heavy", "when": "weight >"}]}, "rules.0.when", "heavy"),
    ],
)
def test_an_unknown_column_is_refused_with_the_nearest(
    with_columns: Stream, body: Any, field: str, remedy: str
) -> None:
    ((found, sentence),) = refused(body, with_columns)

    assert found == field
    assert remedy in sentence


def test_a_contract_that_takes_any_column_refuses_none(bare_stream: Stream) -> None:
    actions.revise(stream=bare_stream, kind="contract", body={**CONTRACT, "additionalProperties": True}, by=SYSTEM)

    check_body({"required_columns": ["anything"], "segment": "else"}, bare_stream)


def test_a_body_is_an_object(bare_stream: Stream) -> None:
    with pytest.raises(Invalid, match="is an object"):
        check_body([], bare_stream)


def test_a_body_that_says_nothing_sends_everything_to_people(bare_stream: Stream) -> None:
    check_body({}, bare_stream)

    policy = read_body({})
    assert (policy.thresholds, policy.promises, policy.audit) == ({}, {}, AuditRule())


def test_a_whole_body_passes_and_is_read(with_columns: Stream) -> None:
    body = {
        "thresholds": {"damaged": 1},
        "promises": {"intact": PROMISE, "damaged": PROMISE},
        "is_joint": True,
        "audit_rates": {"damaged": 0.5},
        "audit": {"expected_per_day": 5, "overdue_days": 3},
        "never_automate": [],
        "novelty_floor": None,
        "certificate_days": 30,
        "false_trips_per_year": 0.1,
        "required_columns": ["weight"],
        "stale_after": 3600,
        "is_range_checked": True,
        "rules": [{"name": "heavy", "when": "weight > 30.0"}],
        "cap": {"limit": 100, "seconds": 60},
        "segment": "country",
        "value": {"column": "amount", "cap": 500, "promised_loss": 2.5},
        "wrong_per_thousand": 5,
    }

    check_body(body, with_columns)

    policy = read_body(body)
    assert policy.promises["intact"] == Promise(0.02, 0.95)
    assert policy.audit == AuditRule(expected_per_day=5, overdue_days=3)
    assert (policy.cap, policy.value) == (Cap(100, 60), Value("amount", 500, 2.5))
    assert policy.rules == (Rule("heavy", "weight > 30.0"),)
    assert (policy.is_joint, policy.stale_after, policy.segment) == (True, 3600, "country")
