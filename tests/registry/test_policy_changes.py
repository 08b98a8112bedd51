"""What one body changes against another, in words and as values. No database."""

from typing import Any

import pytest

from reviewapp.registry.policy_changes import diff

PROMISE = {"target_error": 0.02, "confidence": 0.95}


@pytest.mark.parametrize(
    ("before", "after", "field", "sentence"),
    [
        (
            {"thresholds": {"approve": 0.97}},
            {"promises": {"approve": PROMISE}},
            "classes.approve",
            "Threshold of “approve”: 0.97 by hand → by certificate for at most 2% with 95% confidence.",
        ),
        (
            {"promises": {"approve": PROMISE}},
            {"promises": {"approve": PROMISE}, "thresholds": {"approve": 0.9}},
            "classes.approve",
            (
                "Threshold of “approve”: by certificate for at most 2% with 95% confidence → "
                "0.9 by hand, checked against 2%."
            ),
        ),
        ({}, {"never_automate": ["approve"]}, "classes.approve", "people decide → never automatic"),
        ({"audit_rates": {"approve": 0.1}}, {}, "audit_rates.approve", "10% → by the audit rule"),
        ({}, {"audit": {"floor": 0.1}}, "audit.floor", "Least audit rate: 0.03 → 0.1."),
        ({}, {"novelty_floor": 0.01}, "novelty_floor", "none → 1%"),
        ({"stale_after": 7200}, {"stale_after": 86_400}, "stale_after", "2 hours → 1 day"),
        ({}, {"is_joint": True}, "is_joint", "each by itself → all together"),
        ({}, {"cap": {"limit": 1500, "seconds": 60}}, "cap", "none → 1,500 in 1 minute"),
        ({"stale_after": 1}, {"stale_after": 90}, "stale_after", "1 second → 90 seconds"),
        ({}, {"value": {"column": "amount", "cap": 9, "promised_loss": 1}}, "value", "column “amount”, at most 9"),
        ({}, {"rules": [{"name": "far", "when": "km > 9"}]}, "rules.far", "Rule “far”: none → km > 9."),
        ({"required_columns": ["a"]}, {"required_columns": ["a", "b"]}, "required_columns", "a → a, b"),
        ({}, {"wrong_per_thousand": 2}, "wrong_per_thousand", "none → 2"),
        ({"segment": "sex"}, {}, "segment", "sex → none"),
        ({}, {"certificate_days": 30}, "certificate_days", "90 → 30"),
        ({}, {"false_trips_per_year": 1}, "false_trips_per_year", "0.05 → 1"),
        ({}, {"is_range_checked": True}, "is_range_checked", "no → yes"),
    ],
)
def test_a_change_is_told_in_words(before: Any, after: Any, field: str, sentence: str) -> None:
    (change,) = diff(before, after)

    assert change.field == field
    assert sentence in change.sentence


def test_values_stand_beside_the_words() -> None:
    (change,) = diff({"thresholds": {"approve": 0.97}}, {"promises": {"approve": PROMISE}})

    assert change.before == {"threshold": 0.97, "promise": None, "is_never_automatic": False}
    assert change.after == {"threshold": None, "promise": PROMISE, "is_never_automatic": False}


def test_bodies_that_say_the_same_differ_in_nothing() -> None:
    written_out = {"audit": {"floor": 0.03}, "is_joint": False, "never_automate": [], "cap": None, "thresholds": {}}

    assert diff({}, written_out) == []
    assert diff({"required_columns": ["a", "b"]}, {"required_columns": ["b", "a"]}) == []
