"""What a routing rule may say, and the sentence that refuses what it may not."""

import sys
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reviewapp.domain.errors import Invalid
from reviewapp.registry import rule_language, rules
from reviewapp.registry.rule_language import NoAnswer, Variables

COLUMNS = {
    "amount": {"type": "number", "minimum": 0},
    "age": {"type": ["integer", "null"]},
    "country": {"type": "string", "enum": ["DE", "FR"]},
    "note": {"type": "string"},
    "is_new": {"type": "boolean"},
    "mean radius": {"type": "number"},
    "größe": {"type": "number"},
}
CLASSES = ("approve", "refuse")


def refusal(when: str) -> Invalid:
    with pytest.raises(Invalid) as found:
        rules.check_rule(when, COLUMNS, name="Large", classes=CLASSES)
    return found.value


@pytest.mark.parametrize(
    "when",
    [
        "amount > 1000",
        "amount * 2.0 > 1000.0 && country in ['DE']",
        "age == null || age < 18",
        "!is_new",
        'features["mean radius"] > 2.5 && features["größe"] >= 0.0',
        'note.startsWith("Re:") || note.size() > 500 || size(note) > 600',
        r'note.matches(r"^[A-Z]{2}[0-9]+$")',
        'predicted == "approve" && confidence < 0.99',
        'context.tier == "gold"',
        'has(context.tier) && context.tier in ["gold", "silver"]',
        'timestamp(note) < timestamp("2026-01-01T00:00:00Z")',
        "1000 / age > 20",
        'note == "amount > 1 // and"',
    ],
)
def test_rules_on_columns_are_taken(when: str) -> None:
    rules.check_rule(when, COLUMNS, name="Large", classes=CLASSES)


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("", "it is empty"),
        ("amount >", "it ends too early, at character 9"),
        ("amount = 5.0", "“=” at character 8 does not belong there; write == for it"),
        ("is_new and amount > 1", "“and” at character 8 does not belong there; write && for it"),
        ("is_new\n  or is_new", "“or” at line 2, character 3 does not belong there; write || for it"),
        ("(" * 200 + "is_new", "it cannot be read at character"),
        ("amount > 1 // large", "comments"),
        ('note == """x"""', "three quotes"),
        ("lower(note) == 'x'", "there is no function “lower”"),
        ("note.startswith('x')", "did you mean “startsWith”?"),
        ("note.matches(country)", "“matches” needs its pattern in quotes"),
        ("note.matches('(')", "“(” is no regular expression"),
        ("note.matches('(?=x)y')", "do without look-arounds"),
        (r"note.matches(r'x{0}(\w{100}){3,30}')", "repetitions that multiply to 200 at most"),
        (f"note.matches('{'x' * 301}')", "300 characters at most"),
        ("[1, 2].all(one, one > 1)", "“all” goes through a list"),
        ("context.tags.map(tag, tag + tag).size() > 1", "“map” goes through a list"),
        ("has(features.note)", "a column that is missing is null"),
        ("features[country] > 1.0", "“features” needs the name of a column in quotes"),
        ('"note" in features', "“features” needs the name of a column in quotes"),
        ("mean radius > 1.0", 'Write the column “mean radius” as features["mean radius"].'),
        ("größe > 1.0", 'Write the column “größe” as features["größe"].'),
        ("note" + " + note" * 30 + " == ''", "it adds 30 times; 20 at most"),
        ("is_new" + " || is_new" * 300, "it has 3,006 characters; 2,000 at most"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place_and_the_remedy(when: str, told: str) -> None:
    error = refusal(when)

    assert str(error).startswith("The rule “Large”: ")
    assert told in str(error)
    assert error.code == "rule_malformed"


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("amout > 1.0", "there is no column “amout”; did you mean “amount”?"),
        ('features["mean radus"] > 1.0', "did you mean “mean radius”?"),
        ("predicte == 'approve'", "did you mean “predicted”?"),
        ("AMOUNT > 1.0", "there is no column “AMOUNT”; did you mean “amount”?"),
        ("xyzzy", "there are amount, age, country"),
    ],
)
def test_an_unknown_column_is_refused_with_the_nearest(when: str, told: str) -> None:
    error = refusal(when)

    assert told in str(error)
    assert error.code == "rule_unknown_column"


@pytest.mark.parametrize(
    "when",
    [
        "predicted == 'aprove'",
        "'aprove' != predicted",
        'predicted in ["refuse", "aprove"] && amount > 1.0',
    ],
)
def test_a_class_that_there_is_not_is_refused(when: str) -> None:
    found = refusal(when)

    assert found.code == "rule_unknown_class"
    assert "there is no class “aprove”; did you mean “approve”?" in str(found)


def test_texts_that_are_not_held_against_the_answer_are_no_classes() -> None:
    rules.check_rule(
        "predicted == 'approve' && country == 'DE' || context.predicted == 'x' || predicted.startsWith('ap')",
        COLUMNS,
        classes=CLASSES,
    )


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("amount * 2 > 10.0", "kinds (float * int)"),
        ("country > 5", "it puts kinds together"),
        ("is_new && amount", "it puts kinds together"),
        ('country == "FR" && age > "x"', "it puts kinds together"),
        ("amount.startsWith('1')", "“startsWith” cannot be used"),
    ],
)
def test_kinds_that_do_not_go_together_are_refused(when: str, told: str) -> None:
    error = refusal(when)

    assert told in str(error)
    assert error.code == "rule_mistyped"


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("amount", "it gives a number"),
        ("note", "it gives a text"),
        ("is_new ? true : 5", "it gives a whole number"),
        ("amount.matches('1')", "a pattern in what is no text"),
    ],
)
def test_what_is_no_condition_is_refused(when: str, told: str) -> None:
    error = refusal(when)

    assert told in str(error)
    assert error.code == "rule_not_boolean"


def test_without_a_contract_any_name_may_be_a_column() -> None:
    rules.check_rule("anything > 5 && features['what ever'] == null", None)


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ([], []),
        ([{"name": "Large", "when": "amount > 1.0"}], []),
        ("amount > 1.0", ["rules"]),
        ([{"name": "Large"}], ["rules.0"]),
        ([{"name": "Large", "when": 5}], ["rules.0"]),
        ([{"name": "Large", "when": "amount > 1.0", "then": "auto"}], ["rules.0"]),
        ([{"name": " ", "when": "amount > 1.0"}], ["rules.0.name"]),
        ([{"name": "Large", "when": "is_new"}, {"name": "Large ", "when": "is_new"}], ["rules.1.name"]),
        ([{"name": "Large", "when": "amount >"}], ["rules.0.when"]),
        ([{"name": f"Rule {n}", "when": "is_new"} for n in range(51)], ["rules"]),
    ],
)
def test_each_fault_of_a_policys_rules_is_named(given: object, fields: list[str]) -> None:
    assert [fault["field"] for fault in rules.faults(given, COLUMNS, classes=CLASSES)] == fields


def test_an_expression_knows_what_it_looks_at() -> None:
    expression = rule_language.read("amount > 1.0 && features['mean radius'] > 2.0 && context.tier == predicted")

    assert expression.columns == ("amount",)
    assert expression.keyed == ("mean radius",)
    assert expression.given == {"features", "context", "predicted"}


def test_a_quoted_name_is_the_column_of_that_name_however_it_is_spelt() -> None:
    for name in ("amount", "mean radius", 'a "quoted" one', "it's", "back\\slash", "in", "features", "größe"):
        expression = rule_language.read(f"{rule_language.spelt(name)} == 1.0")

        values = {name: 1.0} if expression.columns else {"features": {name: 1.0}}
        assert expression.names == (name,)
        assert expression.holds(Variables(values))


@pytest.mark.parametrize("when", ["note.matches('x') == false", "note.matches('x') || true", "!note.matches('x')"])
def test_a_pattern_on_what_is_no_text_gives_no_answer(when: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NoAnswer):
        rule_language.read(when).holds(Variables({"note": None}))

    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("note", ["a text", None])
def test_a_case_is_forgotten_when_its_rules_are_worked_out(note: str | None) -> None:
    """A worker sees millions of cases, and what the library holds on to is never collected."""
    case = Variables({"note": note})
    misused = case.misused
    with suppress(NoAnswer):
        rule_language.read("note.matches('x')").holds(case)

    del case

    assert sys.getrefcount(misused) == 2, "this name and the argument"


def test_patterns_match_anywhere_and_in_linear_time() -> None:
    expression = rule_language.read(r'note.matches(r"(a+)+b") || note.matches("needle")')

    assert expression.holds(Variables({"note": "hay needle hay"}))
    assert not expression.holds(Variables({"note": "a" * 50_000}))


_PIECES = (
    *("amount", "note", "features", "context", "predicted", ".size()", '["amount"]', ".note", ".matches('a+')", "[0]"),
    *("(", ")", "[", "]", "{", "}", "&&", "||", "!", "==", "<", "in", "?", ":", "+", "-", "*", "/", "%", ","),
    *("1", "2.5", "1u", "null", "true", "'x'", 'r"y"', "'", '"', "int(", "timestamp(", "\n", "\\", "é"),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.sampled_from(_PIECES), max_size=9).map(" ".join), st.sampled_from([None, 1, 2.5, "x", [1], True]))
def test_whatever_is_written_is_refused_or_gives_an_answer_or_none(when: str, value: object) -> None:
    try:
        expression = rule_language.read(when)
    except Invalid:
        return
    given_values = {"features": {"amount": value, "note": value}, "context": {}, "predicted": "approve"}
    try:
        answer = expression.holds(Variables(given_values | dict.fromkeys(expression.columns, value)))
    except NoAnswer:
        return
    assert isinstance(answer, bool)
