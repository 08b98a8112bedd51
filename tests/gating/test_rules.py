import pytest

from reviewapp.domain.policy import Rule
from reviewapp.gating.rules import Looked, RuleSet, rule_set

LARGE = Rule("Large", 'amount > 1000.0 || features["mean radius"] > 9.0')


def raised(*rules: Rule, **case: object) -> list[tuple[str, str]]:
    told = {"features": {}, "context": {}, "predicted": "approve", "confidence": 0.9, **case}
    return [(reason.code, reason.sentence) for reason in RuleSet(rules).raised(Looked(**told))]


def test_a_rule_that_is_true_sends_the_case_to_people_by_its_name() -> None:
    small, large = {"amount": 5.0, "mean radius": 1.0}, {"amount": 5.0, "mean radius": 9.5}

    assert raised(LARGE, features=small) == []
    assert raised(LARGE, features=large) == [("rule", "The rule “Large” sends it to people.")]


def test_every_rule_that_is_true_is_a_reason() -> None:
    found = raised(
        LARGE,
        Rule("Gold", 'context.tier == "gold"'),
        Rule("Refusals", 'predicted == "refuse"'),
        Rule("Doubtful", "confidence < 0.95"),
        features={"amount": 2000.0},
        context={"tier": "gold"},
    )

    assert [sentence.split("“")[1].split("”")[0] for _, sentence in found] == ["Large", "Gold", "Doubtful"]


@pytest.mark.parametrize("features", [{}, {"amount": None}])
def test_a_column_that_is_missing_is_null(features: dict[str, object]) -> None:
    assert raised(Rule("Unknown", "amount == null"), features=features)[0][0] == "rule"


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("amount > 1000.0", "“amount” is missing"),
        ("1 / zero > 1", "it divides by zero"),
        ("context.tier == 'gold'", "there is no tier"),
        ("text > 5", "its values are of another kind than the rule needs"),
        ("text", "its values are of another kind than the rule needs"),
        ("text ==", "it cannot be read any more"),
    ],
)
def test_a_rule_without_an_answer_sends_the_case_to_people_and_says_why(when: str, why: str) -> None:
    found = raised(Rule("Broken", when), features={"zero": 0, "text": "secret"})

    assert found == [("rule_failed", f"The rule “Broken” gives no answer here ({why}), so people decide.")]


def test_one_broken_rule_leaves_the_others_at_work() -> None:
    found = raised(Rule("Broken", "nothing > 1"), LARGE, features={"amount": 2000.0})

    assert [code for code, _ in found] == ["rule_failed", "rule"]


def test_rules_are_read_once_for_all_cases() -> None:
    assert rule_set((LARGE,)) is rule_set((Rule(LARGE.name, LARGE.when),))
