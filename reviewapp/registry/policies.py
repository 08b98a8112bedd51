"""What the body of a policy version says, checked and read."""

from collections.abc import Mapping
from typing import Any

from reviewapp.domain.errors import Invalid
from reviewapp.domain.gate import Policy
from reviewapp.registry.models import Stream

KEYS = {"thresholds", "audit_rates", "never_automate", "novelty_floor"}


def check_body(body: Any, stream: Stream) -> None:
    """Refuse a body that names unknown classes or holds a number out of range; every fault is named."""
    if not isinstance(body, dict):
        raise Invalid("A policy is an object with thresholds and audit_rates.", code="policy_malformed")
    errors = [_error(key, f"“{key}” is not part of a policy.") for key in sorted(body.keys() - KEYS)]
    for key, low_is_open in (("thresholds", True), ("audit_rates", False)):
        errors += _rate_errors(body.get(key, {}), key, stream, low_is_open=low_is_open)
    never = body.get("never_automate", [])
    if not isinstance(never, list) or not set(map(str, never)) <= set(stream.classes):
        errors.append(_error("never_automate", f"“never_automate” lists classes of {', '.join(stream.classes)}."))
    floor = body.get("novelty_floor")
    if floor is not None and not _is_number(floor, 0, 1):
        errors.append(_error("novelty_floor", "“novelty_floor” is a share between 0 and 1, or null."))
    if errors:
        raise Invalid(errors[0]["message"], code="policy_malformed", errors=errors)


def read_body(body: Mapping[str, Any]) -> Policy:
    """The gate's view of a checked body."""
    return Policy(
        thresholds=dict(body.get("thresholds", {})),
        audit_rates=dict(body.get("audit_rates", {})),
        never_automate=frozenset(body.get("never_automate", ())),
        novelty_floor=body.get("novelty_floor"),
    )


def _rate_errors(values: Any, key: str, stream: Stream, *, low_is_open: bool) -> list[dict[str, str]]:
    if not isinstance(values, dict):
        return [_error(key, f"“{key}” is an object of class and number.")]
    errors = []
    for name, value in values.items():
        if name not in stream.classes:
            errors.append(_error(f"{key}.{name}", f"“{name}” is no class of this stream."))
        elif not _is_number(value, 0, 1) or (low_is_open and value <= 0):
            bounds = "above 0 and at most 1" if low_is_open else "between 0 and 1"
            errors.append(_error(f"{key}.{name}", f"“{key}” of “{name}” must be a number {bounds}."))
    return errors


def _is_number(value: Any, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _error(field: str, message: str) -> dict[str, str]:
    return {"field": field, "code": "invalid", "message": message}
