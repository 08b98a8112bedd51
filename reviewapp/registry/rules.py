"""Routing rules, checked before a policy may hold them: they can be read, name columns there are, and answer yes or no.

Columns are given as the properties of a stream's contract; None where a stream has none, so any name may be a column.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from reviewapp.domain.errors import Invalid
from reviewapp.registry import rule_language
from reviewapp.registry.rule_language import CONFIDENCE, CONTEXT, FEATURES, PREDICTED, Expression, NoAnswer, Variables

MAX_RULES = 50
MAX_NAME = 80
# Made-up cases on which a rule is tried: enough that most of its branches are taken.
TRIALS = 40

Columns = Mapping[str, Any]
Fault = dict[str, str]

_VALUES: dict[str, tuple[Any, ...]] = {
    "number": (0.5, -3.5, 1234567.5),
    "integer": (3, -2, 1234567),
    "boolean": (True, False),
    "string": ("text", "2026-01-31T12:00:00Z", "7"),
}
_KINDS = {bool: "yes or no", int: "a whole number", float: "a number", str: "a text", type(None): "nothing"}
_OPERANDS = re.compile(r"Unsupported operation: (.+?)\. ")


def check_rule(when: str, columns: Columns | None, *, name: str = "", classes: Sequence[str] = ()) -> None:
    """Refuse a rule that cannot be read, names an unknown column or class, or answers something else than yes or no."""
    try:
        expression = rule_language.read(when)
        _check_answers(expression, classes)
        if columns is not None:
            _check_columns(expression, columns)
            _try_out(expression, columns, classes)
    except Invalid as refusal:
        raise Invalid(f"{_called(name)}: {_with_spelling(str(refusal), when, columns)}", code=refusal.code) from None


def faults(rules: Any, columns: Columns | None, *, classes: Sequence[str] = ()) -> Iterator[Fault]:
    """What is wrong with a policy's rules, as one entry per fault."""
    if not isinstance(rules, list):
        yield _fault("rules", "“rules” is a list of objects with a name and a condition, “when”.")
        return
    if len(rules) > MAX_RULES:
        yield _fault("rules", f"A policy has at most {MAX_RULES} rules; this one has {len(rules)}.")
    names: set[str] = set()
    for place, rule in enumerate(rules[:MAX_RULES]):
        if not isinstance(rule, dict) or rule.keys() != {"name", "when"} or not all(map(_is_text, rule.values())):
            yield _fault(f"rules.{place}", f"Rule {place + 1} needs a “name” and a condition, “when”, both texts.")
            continue
        yield from _fault_of(place, rule, names, columns, classes)
        names.add(rule["name"].strip())


def near(name: str, known: Sequence[str]) -> str:
    """The hint that a misspelt column's refusal ends with."""
    alike = {one.casefold(): one for one in reversed(known)}
    found = [alike[one] for one in get_close_matches(name.casefold(), alike, n=1, cutoff=0.5)]
    if found:
        return f"did you mean “{found[0]}”?"
    shown = ", ".join(known[:8])
    return f"there are {shown}{' and others' if len(known) > 8 else ''}." if known else "the contract has no columns."


def _fault_of(
    place: int, rule: dict[str, str], names: set[str], columns: Columns | None, classes: Sequence[str]
) -> Iterator[Fault]:
    name = rule["name"].strip()
    if not name or len(rule["name"]) > MAX_NAME:
        yield _fault(f"rules.{place}.name", f"Rule {place + 1} needs a name of 1 to {MAX_NAME} characters.")
    elif name in names:
        yield _fault(f"rules.{place}.name", f"Two rules are called “{name}”; give each a name of its own.")
    try:
        check_rule(rule["when"], columns, name=name, classes=classes)
    except Invalid as refusal:
        yield {"field": f"rules.{place}.when", "code": refusal.code, "message": str(refusal)}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _called(name: str) -> str:
    return f"The rule “{name}”" if name else "The rule"


def _check_columns(expression: Expression, columns: Columns) -> None:
    for name in expression.names:
        if name not in columns:
            hint = near(name, [*columns, *sorted(rule_language.GIVEN)])
            raise Invalid(f"there is no column “{name}”; {hint}", code="rule_unknown_column")


def _check_answers(expression: Expression, classes: Sequence[str]) -> None:
    """A class that there is not would make a rule that never sends anything to people."""
    for name in expression.answers:
        if classes and name not in classes:
            raise Invalid(f"there is no class “{name}”; {near(name, classes)}", code="rule_unknown_class")


def _with_spelling(refusal: str, when: str, columns: Columns | None) -> str:
    """The refusal, with how to write a column that was named as it stands though its name is no plain word."""
    for name in columns or ():
        if not rule_language.is_plain(name) and name in when and rule_language.spelt(name) not in when:
            quoted = {f'"{name}"', f"'{name}'"}
            if not any(text in when for text in quoted):
                return f"{refusal} Write the column “{name}” as {rule_language.spelt(name)}."
    return refusal


def _try_out(expression: Expression, columns: Columns, classes: Sequence[str]) -> None:
    """Work the rule out on made-up cases without gaps: kinds that do not go together show before a case meets them."""
    for trial in range(TRIALS):
        values = _made_up(expression, columns, classes, trial)
        try:
            expression.holds(Variables(values))
        except NoAnswer as fault:
            _refuse_unless_of_the_case(fault)


def _refuse_unless_of_the_case(fault: NoAnswer) -> None:
    """What depends on a case's values (no such key, a division by zero) may happen: such a case goes to people."""
    cause = fault.__cause__
    if isinstance(cause, TypeError):
        raise Invalid(_mismatch(str(cause)), code="rule_mistyped")
    if isinstance(cause, RuntimeError) and str(cause).startswith("Undefined variable or function"):
        raise Invalid(_misuse(str(cause)), code="rule_mistyped")
    if cause is None:
        kind = _KINDS.get(type(fault.args[0]), "something else")
        told = "it looks for a pattern in what is no text" if kind == "yes or no" else f"it gives {kind}"
        raise Invalid(f"{told} where it must say yes or no, as amount > 1000.0 does.", code="rule_not_boolean")


def _made_up(expression: Expression, columns: Columns, classes: Sequence[str], trial: int) -> dict[str, Any]:
    """Values of the right kinds; other ones in each trial, and in other combinations."""
    values = {
        name: _one_of(_values_of(columns[name]), trial, place) for place, name in enumerate(expression.columns, start=1)
    }
    if FEATURES in expression.given:
        values[FEATURES] = {
            name: _one_of(_values_of(columns[name]), trial, place)
            for place, name in enumerate(expression.keyed, start=len(values) + 1)
        }
    if CONTEXT in expression.given:
        values[CONTEXT] = {}
    if PREDICTED in expression.given:
        values[PREDICTED] = _one_of(tuple(classes) or ("text",), trial, 0)
    if CONFIDENCE in expression.given:
        values[CONFIDENCE] = _one_of((0.55, 0.97), trial, 0)
    return values


def _one_of(values: Sequence[Any], trial: int, place: int) -> Any:
    return values[(trial * place + trial // len(values)) % len(values)] if place else values[trial % len(values)]


def _values_of(column: Any) -> tuple[Any, ...]:
    """Some values that a column of the contract may hold; numbers lie in its range."""
    entry = column if isinstance(column, Mapping) else {}
    if entry.get("enum"):
        return tuple(value for value in entry["enum"] if value is not None)[:8] or ("text",)
    declared = entry.get("type", "string")
    kind = next((name for name in _listed(declared) if name in _VALUES), "string")
    if kind in {"number", "integer"}:
        number = float if kind == "number" else int
        ends = tuple(number(entry[end]) for end in ("minimum", "maximum") if end in entry)
        return ends + tuple(value for value in _VALUES[kind] if _fits(value, entry))
    return _VALUES[kind]


def _fits(value: float, entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("minimum", value) <= value <= entry.get("maximum", value))


def _listed(declared: Any) -> list[Any]:
    return declared if isinstance(declared, list) else [declared]


def _mismatch(message: str) -> str:
    found = _OPERANDS.search(message)
    what = f"({found[1]}) " if found else ""
    return (
        f"it puts kinds {what}together that do not go together; beside a column of numbers write 2.0 instead of 2, "
        "texts in quotes, and turn one kind into another by int(), double() or string()."
    )


def _misuse(message: str) -> str:
    found = re.search(r"'([^']*)'", message)
    name = f"“{found[1]}”" if found else "a function"
    return f"{name} cannot be used on what it is given here; look at the kinds of the columns beside it."


def _fault(field: str, message: str) -> Fault:
    return {"field": field, "code": "invalid", "message": message}
