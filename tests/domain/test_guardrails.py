from datetime import UTC, datetime, timedelta

import pytest

from reviewapp.domain import guardrails
from reviewapp.domain.durations import in_words
from reviewapp.domain.gate import Reason
from reviewapp.domain.guardrails import Learned

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = 3600.0


def sentence(reason: Reason | None) -> str:
    assert reason is not None
    return reason.sentence


@pytest.mark.parametrize(
    ("features", "told"),
    [
        ({"income": 1.0, "age": 3}, None),
        ({"income": 0.0, "age": False}, None),
        ({"income": None, "age": 3}, "“income” is missing; the policy lets no case act without it."),
        ({"age": 3}, "“income” is missing; the policy lets no case act without it."),
        ({}, "“income” and “age” are missing; the policy lets no case act without them."),
    ],
)
def test_required_columns_must_hold_something(features: dict[str, object], told: str | None) -> None:
    reason = guardrails.missing(("income", "age"), features)

    assert (reason and reason.sentence) == told
    assert reason is None or reason.code == "missing_feature"


def test_many_missing_columns_are_counted() -> None:
    told = sentence(guardrails.missing([f"column {n}" for n in range(9)], {}))

    assert "“column 0”, “column 1”, “column 2” and 6 more are missing" in told


@pytest.mark.parametrize(
    ("age", "told"),
    [
        (timedelta(0), None),
        (timedelta(hours=1), None),
        (timedelta(hours=1, seconds=1), "The case was 1 hour old when it arrived; the policy allows 1 hour."),
        (timedelta(days=3), "The case was 3 days old when it arrived; the policy allows 1 hour."),
        (timedelta(minutes=-4), None),
        (timedelta(minutes=-90), "The case is dated 1.5 hours after its arrival, so its age cannot be known."),
    ],
)
def test_features_may_be_as_old_as_the_policy_allows(age: timedelta, told: str | None) -> None:
    reason = guardrails.stale(HOUR, observed_at=NOON - age, received_at=NOON)

    assert (reason and reason.sentence) == told
    assert reason is None or reason.code == "stale_features"


def test_features_of_an_unknown_age_are_stale() -> None:
    told = sentence(guardrails.stale(HOUR, observed_at=None, received_at=NOON))

    assert told == "It is not known when the case was observed; the policy allows an age of 1 hour."


LEARNED = {
    "income": Learned(low=0.0, high=250_000.0, is_missing_known=False),
    "country": Learned(values=frozenset({"DE", "FR"})),
    "note": Learned(),
}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, None),
        ({"income": 0.0}, None),
        ({"income": 250_000.0}, None),
        ({"country": None, "note": None}, None),
        ({"income": 250_000.5}, "“income” is above 250,000, the most that the model learned from."),
        ({"income": -1}, "“income” is below 0, the least that the model learned from."),
        ({"income": None}, "“income” is missing, as in no case the model learned from."),
        ({"country": "IT"}, "“country” has a value that the model never met."),
    ],
)
def test_values_that_no_training_row_had_are_told(changes: dict[str, object], told: str | None) -> None:
    features = {"income": 40_000.0, "country": "DE", "note": "anything", **changes}

    reason = guardrails.out_of_range(LEARNED, features)

    assert (reason and reason.sentence) == told
    assert reason is None or reason.code == "out_of_range"


def test_several_unlike_values_are_one_reason_without_the_values() -> None:
    learned = {f"column {n}": Learned(low=0.0, high=1.0) for n in range(5)}

    told = sentence(guardrails.out_of_range(learned, dict.fromkeys(learned, 4711.0)))

    assert told.count("is above 1") == 3
    assert told.endswith("; and 2 more.")
    assert "4711" not in told.replace(",", "")


def test_a_model_without_a_record_of_its_rows_compares_with_nothing() -> None:
    assert "no record" in sentence(guardrails.out_of_range(None, {"income": 1.0}))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.5, "0.5 seconds"),
        (1, "1 second"),
        (60, "1 minute"),
        (5400, "1.5 hours"),
        (86400, "1 day"),
        (864e5, "1,000 days"),
    ],
)
def test_durations_are_told_in_their_largest_unit(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
