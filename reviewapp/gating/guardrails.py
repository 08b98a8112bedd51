"""Guardrails of a policy on one case: the reasons that send it to people whatever the model's confidence."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reviewapp.domain import guardrails
from reviewapp.domain.gate import Reason
from reviewapp.domain.guardrails import Learned
from reviewapp.domain.policy import Policy
from reviewapp.gating.rules import Looked, rule_set
from reviewapp.registry.rule_language import CONTEXT

# As long as a breaker's segment may be.
MAX_SEGMENT = 120


# Not frozen, like all that is made once per case: that triples the time.
@dataclass(slots=True)
class Subject:
    """A case's input, with what a model says of it.

    observed_at, received_at: of this input; they and `context` are read only where `looks_at_envelope`.
    """

    features: Mapping[str, Any]
    predicted: str
    confidence: float
    context: Mapping[str, Any]
    observed_at: datetime | None
    received_at: datetime | None


def raised(policy: Policy, subject: Subject, learned: Mapping[str, Learned] | None = None) -> tuple[Reason, ...]:
    """The reasons that the case's own values give; `learned` by the model that answered, where ranges are checked.

    Deterministic: the same case under the same policy and model version gives the same reasons at any time.
    """
    found: list[Reason | None] = []
    features = subject.features
    if policy.required_columns:
        found.append(guardrails.missing(policy.required_columns, features))
    if policy.stale_after is not None and subject.received_at is not None:
        found.append(
            guardrails.stale(policy.stale_after, observed_at=subject.observed_at, received_at=subject.received_at)
        )
    if policy.is_range_checked:
        found.append(guardrails.out_of_range(learned, features))
    if policy.rules:
        looked = Looked(features, subject.context, subject.predicted, subject.confidence)
        found.extend(rule_set(policy.rules).raised(looked))
    return tuple(reason for reason in found if reason is not None)


def looks_at_values(policy: Policy) -> bool:
    """Whether some guardrail needs a case's own values; without one nobody reads them."""
    return bool(policy.required_columns or policy.rules or policy.is_range_checked or policy.stale_after is not None)


def looks_at_envelope(policy: Policy) -> bool:
    """Whether some guardrail needs what came beside the features: context, or the times."""
    return policy.stale_after is not None or bool(policy.rules and CONTEXT in rule_set(policy.rules).given)


def segment_of(policy: Policy, features: Mapping[str, Any]) -> str:
    """The segment a case belongs to, by the policy's column; “” where there is none or the case does not say."""
    return "" if policy.segment is None else named(features.get(policy.segment))


def named(value: Any) -> str:
    """A value as the name of a segment; “” for what is not given."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        # 1 and 1.0 are one segment.
        return f"{value:.0f}"[:MAX_SEGMENT]
    return str(value)[:MAX_SEGMENT]


def value_of(policy: Policy, features: Mapping[str, Any]) -> float | None:
    """What a wrong decision on the case costs; None where the policy names no column of amounts."""
    return None if policy.value is None else costs(features.get(policy.value.column), cap=policy.value.cap)


def costs(amount: Any, *, cap: float) -> float:
    """What is lost by a wrong decision, 0 to the cap; an unknown amount counts as the cap."""
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        return cap
    # Held against the cap first: a whole number may be larger than any float.
    return float(min(max(amount, 0), cap))


def open_for(open_breakers: Iterable[tuple[str, str]], segment: str) -> frozenset[str]:
    """The classes whose breaker is open for a case of this segment: the whole class's, or the segment's own."""
    return frozenset(name for name, part in open_breakers if part in {"", segment})
