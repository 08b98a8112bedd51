"""What the body of a policy version says, checked and read."""

from collections.abc import Callable, Mapping
from typing import Any

from reviewapp.domain.errors import Invalid
from reviewapp.domain.policy import AuditRule, Cap, Policy, Promise, Rule, Value
from reviewapp.registry import policy_checks, training_values
from reviewapp.registry.models import Stream
from reviewapp.registry.policy_checks import Fault, fault

# Those that are read as they stand.
_PLAIN = (
    *("novelty_floor", "is_joint", "certificate_days", "false_trips_per_year", "stale_after", "is_range_checked"),
    *("segment", "wrong_per_thousand"),
)
_CHECKS: tuple[Callable[[Mapping[str, Any], Stream], list[Fault]], ...] = (
    policy_checks.of_classes,
    policy_checks.of_audits,
    policy_checks.of_numbers,
    policy_checks.of_columns,
    policy_checks.of_rules,
    training_values.faults,
)
KEYS = {
    *("thresholds", "audit_rates", "never_automate", "promises", "audit", "required_columns", "rules", "cap", "value"),
    *_PLAIN,
}


def check_body(body: Any, stream: Stream) -> None:
    """Refuse a body that names unknown classes or columns or holds a value out of range; every fault is named."""
    if not isinstance(body, dict):
        raise Invalid("A policy is an object with thresholds or promises.", code="policy_malformed")
    faults = [
        fault(str(key), f"“{key}” is not part of a policy.", near=(str(key), KEYS))
        for key in sorted(body.keys() - KEYS, key=str)
    ]
    for check in _CHECKS:
        faults += check(body, stream)
    if faults:
        raise Invalid(faults[0]["message"], code="policy_malformed", errors=faults)


def read_body(body: Mapping[str, Any]) -> Policy:
    """The gate's view of a checked body."""
    cap, value = body.get("cap"), body.get("value")
    plain = {key: body[key] for key in _PLAIN if key in body}
    return Policy(
        thresholds=dict(body.get("thresholds", {})),
        audit_rates=dict(body.get("audit_rates", {})),
        never_automate=frozenset(body.get("never_automate", ())),
        promises={name: Promise(**promise) for name, promise in body.get("promises", {}).items()},
        audit=AuditRule(**body.get("audit", {})),
        required_columns=tuple(body.get("required_columns", ())),
        rules=tuple(Rule(**rule) for rule in body.get("rules", ())),
        cap=Cap(**cap) if cap else None,
        value=Value(**value) if value else None,
        **plain,
    )
