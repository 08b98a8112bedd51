"""A policy's routing rules at work: a rule that is true of a case sends it to people, one that breaks does too."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from reviewapp.domain.errors import Invalid
from reviewapp.domain.gate import Reason
from reviewapp.domain.policy import Rule
from reviewapp.registry import rule_language
from reviewapp.registry.rule_language import CONFIDENCE, CONTEXT, FEATURES, PREDICTED, Expression, NoAnswer, Variables


# Not frozen, like all that is made once per case: that triples the time.
@dataclass(slots=True)
class Looked:
    """What rules look at of one case; `features` and `context` as upstream sent them."""

    features: Mapping[str, Any]
    context: Mapping[str, Any]
    predicted: str
    confidence: float


class RuleSet:
    """Rules, read once for all cases."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = [(rule, _read(rule)) for rule in rules]
        expressions = [expression for _, expression in self._rules if expression is not None]
        self._columns = sorted({name for one in expressions for name in one.columns})
        self._keyed = sorted({name for one in expressions for name in one.keyed})
        self.given = frozenset(name for one in expressions for name in one.given)

    def raised(self, case: Looked) -> Iterator[Reason]:
        """The reasons of the rules that are true of the case, and of those that give no answer on it."""
        for rule, why in self.at_work(case):
            if why:
                sentence = f"The rule “{rule.name}” gives no answer here ({why}), so people decide."
                yield Reason("rule_failed", sentence)
            else:
                yield Reason("rule", f"The rule “{rule.name}” sends it to people.")

    def at_work(self, case: Looked) -> Iterator[tuple[Rule, str]]:
        """The rules that are true of the case, and those without an answer on it, with why."""
        variables = self._variables(case)
        for rule, expression in self._rules:
            if expression is None:
                yield rule, "it cannot be read any more"
                continue
            try:
                if expression.holds(variables):
                    yield rule, ""
            except NoAnswer as error:
                yield rule, _why(error, expression, case)

    def _variables(self, case: Looked) -> Variables:
        """A column that upstream left out is null, as one that it sent as null."""
        get, given = case.features.get, self.given
        values: dict[str, Any] = {name: get(name) for name in self._columns}
        if FEATURES in given:
            values[FEATURES] = {name: get(name) for name in self._keyed}
        if CONTEXT in given:
            values[CONTEXT] = case.context
        if PREDICTED in given:
            values[PREDICTED] = case.predicted
        if CONFIDENCE in given:
            values[CONFIDENCE] = case.confidence
        return Variables(values)


@lru_cache(maxsize=128)
def rule_set(rules: tuple[Rule, ...]) -> RuleSet:
    """The rules of a policy, compiled once in this process."""
    return RuleSet(rules)


def _read(rule: Rule) -> Expression | None:
    """The rule's expression; none where a library of another version does not take it."""
    try:
        return rule_language.read(rule.when)
    except Invalid:
        return None


def _why(error: NoAnswer, expression: Expression, case: Looked) -> str:
    """In words, and without the case's values: reasons outlive erased inputs."""
    cause = error.__cause__
    if isinstance(cause, ZeroDivisionError):
        return "it divides by zero"
    if isinstance(cause, KeyError):
        return f"there is no {str(cause.args[0])[:80]}"
    absent = [name for name in expression.names if case.features.get(name) is None]
    if absent:
        return f"“{absent[0]}” is missing"
    return "its values are of another kind than the rule needs"
