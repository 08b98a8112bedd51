"""What one policy body changes against another, in words and as values."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from reviewapp.domain.policy import AuditRule, Policy
from reviewapp.registry.policies import read_body

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs. `before` and `after` are values of the body; None where it says nothing of it."""

    field: str
    before: Any
    after: Any
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def diff(before: Body, after: Body) -> list[Change]:
    """The changes from one checked body to another, classes first."""
    return [
        *_of_classes(before, after),
        *_of_audits(before, after),
        *_of_rules(before, after),
        *_of_plain(before, after),
    ]


def share(value: float) -> str:
    """0.02 as “2%”."""
    return f"{100 * value:.6g}%"


def rule_of(policy: Policy, name: str) -> str:
    """What decides whether a class acts alone, in words."""
    if name in policy.never_automate:
        return "never automatic"
    if (threshold := policy.thresholds.get(name)) is not None:
        checked = f", checked against {share(policy.promises[name].target_error)}" if name in policy.promises else ""
        return f"{threshold:g} by hand{checked}"
    if (promise := policy.promises.get(name)) is not None:
        return f"by certificate for at most {share(promise.target_error)} with {share(promise.confidence)} confidence"
    return "people decide"


def _of_classes(before: Body, after: Body) -> Iterator[Change]:
    old, new = read_body(before), read_body(after)
    names = [*new.thresholds, *new.promises, *new.never_automate, *old.thresholds, *old.promises, *old.never_automate]
    for name in dict.fromkeys(names):
        was, now = _class_values(before, name), _class_values(after, name)
        if was != now:
            yield Change(
                f"classes.{name}", was, now, f"Threshold of “{name}”: {rule_of(old, name)} → {rule_of(new, name)}."
            )


def _class_values(body: Body, name: str) -> dict[str, Any]:
    return {
        "threshold": body.get("thresholds", {}).get(name),
        "promise": body.get("promises", {}).get(name),
        "is_never_automatic": name in body.get("never_automate", ()),
    }


def _of_audits(before: Body, after: Body) -> Iterator[Change]:
    old, new = before.get("audit_rates", {}), after.get("audit_rates", {})
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was != now:
            told = [share(rate) if rate is not None else "by the audit rule" for rate in (was, now)]
            yield Change(f"audit_rates.{name}", was, now, f"Audit rate of “{name}”: {told[0]} → {told[1]}.")
    was_rule, now_rule = asdict(AuditRule(**before.get("audit", {}))), asdict(AuditRule(**after.get("audit", {})))
    for key, words in _AUDIT_WORDS.items():
        if was_rule[key] != now_rule[key]:
            yield Change(
                f"audit.{key}", was_rule[key], now_rule[key], f"{words}: {was_rule[key]:g} → {now_rule[key]:g}."
            )


_AUDIT_WORDS = {
    "expected_per_day": "Audits a day and class",
    "floor": "Least audit rate",
    "ceiling": "Greatest audit rate",
    "amber_factor": "Audit rate while the breaker is amber, times",
    "overdue_days": "Days until an unanswered audit counts as wrong",
    "second_read_share": "Share of agreeing audits that a second person reads",
    "confirm_share": "Share of answers against the model in ordinary reviews that a second person confirms",
}


def _of_rules(before: Body, after: Body) -> Iterator[Change]:
    old, new = ({one["name"]: one["when"] for one in body.get("rules", ())} for body in (before, after))
    for name in dict.fromkeys([*new, *old]):
        was, now = old.get(name), new.get(name)
        if was != now:
            yield Change(f"rules.{name}", was, now, f"Rule “{name}”: {was or 'none'} → {now or 'none'}.")
    columns = [tuple(body.get("required_columns", ())) for body in (before, after)]
    if set(columns[0]) != set(columns[1]):
        listed = [", ".join(one) or "none" for one in columns]
        yield Change(
            "required_columns", list(columns[0]), list(columns[1]), f"Needed columns: {listed[0]} → {listed[1]}."
        )


def _of_plain(before: Body, after: Body) -> Iterator[Change]:
    old, new = read_body(before), read_body(after)
    for key, (words, told) in _PLAIN_WORDS.items():
        was, now = getattr(old, key), getattr(new, key)
        if was != now:
            values = (before.get(key), after.get(key)) if key in _STRUCTURED else (was, now)
            yield Change(key, *values, f"{words}: {told(was)} → {told(now)}.")


def _seconds(value: float | None) -> str:
    if value is None:
        return "no limit"
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        if value >= length and value % length == 0:
            number = value / length
            return f"{number:g} {name}{'' if number == 1 else 's'}"
    return f"{value:g} seconds"


def _or_none(told: Any) -> Any:
    return lambda value: "none" if value is None else told(value)


_STRUCTURED = {"cap", "value"}
_PLAIN_WORDS: dict[str, tuple[str, Any]] = {
    "is_joint": ("Promises hold", lambda value: "all together" if value else "each by itself"),
    "certificate_days": ("Days until a certificate expires", "{:g}".format),
    "false_trips_per_year": ("False trips of a breaker a year", "{:g}".format),
    "novelty_floor": ("Inputs go to people where fewer training rows are stranger than", _or_none(share)),
    "stale_after": ("Features are stale after", _seconds),
    "is_range_checked": ("Values are compared with the model's training data", lambda value: "yes" if value else "no"),
    "cap": (
        "Most automatic actions",
        _or_none(lambda cap: f"{cap.limit:,} in {_seconds(cap.seconds)}"),
    ),
    "segment": ("Segments by column", _or_none(str)),
    "value": (
        "What a wrong decision costs",
        _or_none(
            lambda value: (
                f"column “{value.column}”, at most {value.cap:g}"
                + (f", promised mean {value.promised_loss:g}" if value.promised_loss is not None else "")
            )
        ),
    ),
    "wrong_per_thousand": ("Wrong automatic actions in 1,000 arrivals, at most", _or_none("{:g}".format)),
}
