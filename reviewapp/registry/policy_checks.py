"""The checks of a policy's body, key by key: what is wrong, at which field, and what to write instead."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from difflib import get_close_matches
from typing import Any

from reviewapp.domain.policy import AuditRule
from reviewapp.registry import rules
from reviewapp.registry.actions.streams import revision_in_force
from reviewapp.registry.models import Stream, StreamRevision

Fault = dict[str, str]
Body = Mapping[str, Any]

MAX_DAYS = 3_650
MAX_SECONDS = 366 * 24 * 3_600
MIN_TRIPS, MAX_TRIPS = 1e-6, 12
MAX_CAP = 2**31 - 1
MAX_LOSS = 1e15
# Beyond these no stream ever gathers the labels: one error in a million takes five million clean ones.
MIN_TARGET, MAX_CONFIDENCE = 1e-6, 1 - 1e-6
_PROMISE_KEYS = ("target_error", "confidence")


def fault(field: str, message: str, *, near: tuple[str, Collection[str]] | None = None, code: str = "invalid") -> Fault:
    """One fault; `near` is the name given and the known ones, of which the nearest is suggested."""
    if near is not None and (found := get_close_matches(near[0], list(near[1]), n=1)):
        message += f" Did you mean “{found[0]}”?"
    return {"field": field, "code": code, "message": message}


def of_classes(body: Body, stream: Stream) -> list[Fault]:
    """Thresholds, promises, and the classes that never act alone."""
    faults = list(_rates(body, "thresholds", stream, low_is_open=True))
    faults += _promises(body, stream)
    never = body.get("never_automate", [])
    if not isinstance(never, list) or not all(isinstance(name, str) for name in never):
        faults.append(fault("never_automate", "“never_automate” is a list of classes."))
    else:
        faults += [_no_class("never_automate", name, stream) for name in never if name not in stream.classes]
    return faults + _switch(body, "is_joint")


def _promises(body: Body, stream: Stream) -> Iterator[Fault]:
    promises = body.get("promises", {})
    if not isinstance(promises, dict):
        yield fault("promises", "“promises” is an object of class and promise.")
        return
    for name, promise in promises.items():
        field = f"promises.{name}"
        if name not in stream.classes:
            yield _no_class(field, name, stream)
        elif not isinstance(promise, dict) or promise.keys() != set(_PROMISE_KEYS):
            yield fault(
                field,
                f"The promise of “{name}” needs target_error and confidence, and nothing else; "
                'such as {"target_error": 0.02, "confidence": 0.95}.',
            )
        else:
            yield from _promise(field, name, promise)


def _promise(field: str, name: str, promise: Body) -> Iterator[Fault]:
    if not _is_number(promise["target_error"], 0, 1, open_low=True, open_high=True):
        yield fault(
            f"{field}.target_error",
            f"The target error of “{name}” must lie between 0 and 1, both excluded, such as 0.02 for 2%.",
        )
    elif promise["target_error"] < MIN_TARGET:
        yield fault(
            f"{field}.target_error",
            f"The target error of “{name}” is too small to be ever proven: 0.000001, one wrong decision in a million, "
            "takes more than five million clean audits already; promise that or more.",
        )
    if not _is_number(promise["confidence"], 0.5, 1, open_low=True, open_high=True):
        yield fault(
            f"{field}.confidence",
            f"The confidence of “{name}” must lie between 0.5 and 1, both excluded, such as 0.95 for 95%.",
        )
    elif promise["confidence"] > MAX_CONFIDENCE:
        yield fault(
            f"{field}.confidence", f"The confidence of “{name}” must be at most 0.999999, such as 0.95 for 95%."
        )


def of_audits(body: Body, stream: Stream) -> list[Fault]:
    """Audit rates by hand, and the rule for all others."""
    faults = list(_rates(body, "audit_rates", stream, low_is_open=False))
    promises, rates = body.get("promises"), body.get("audit_rates")
    if isinstance(promises, dict) and isinstance(rates, dict):
        faults += [
            fault(
                f"audit_rates.{name}",
                f"“{name}” has a promise, and without audits it can be neither proven nor checked: "
                "set a rate above 0, or leave it out for the audit rule.",
            )
            for name in promises
            if rates.get(name) == 0
        ]
    audit = body.get("audit", {})
    if not isinstance(audit, dict):
        return [*faults, fault("audit", "“audit” is an object of the audit rule's numbers.")]
    return faults + list(_audit_rule(audit))


def _audit_rule(audit: Body) -> Iterator[Fault]:
    known = asdict(AuditRule())
    for key in sorted(audit.keys() - known.keys(), key=str):
        yield fault(f"audit.{key}", f"“{key}” is not part of the audit rule.", near=(str(key), known.keys()))
    limits: dict[str, tuple[float, float, bool, str]] = {
        "expected_per_day": (0, 1e6, True, "above 0 and at most 1,000,000"),
        "floor": (0, 1, True, "above 0 and at most 1"),
        "ceiling": (0, 1, True, "above 0 and at most 1"),
        "amber_factor": (1, 1000, False, "from 1 to 1,000"),
        "overdue_days": (0, MAX_DAYS, True, f"above 0 and at most {MAX_DAYS:,}"),
        "second_read_share": (0, 1, False, "from 0 to 1"),
        "confirm_share": (0, 1, False, "from 0 to 1"),
    }
    wrong = set()
    for key, (low, high, is_open, words) in limits.items():
        if key in audit and not _is_number(audit[key], low, high, open_low=is_open):
            wrong.add(key)
            yield fault(f"audit.{key}", f"“{key}” of the audit rule must be a number {words}.")
    floor, ceiling = ({**known, **audit}[key] for key in ("floor", "ceiling"))
    if not wrong & {"floor", "ceiling"} and floor > ceiling:
        yield fault(
            "audit.floor",
            f"The least audit rate, {floor:g}, is above the greatest, {ceiling:g}: lower “floor” or raise “ceiling”.",
        )


def of_numbers(body: Body, stream: Stream) -> list[Fault]:  # noqa: ARG001 as the other checks
    """The numbers and switches that stand by themselves, and the cap."""
    faults = [
        *_number(body, "novelty_floor", 0, 1, "a share between 0 and 1, or null"),
        *_number(body, "stale_after", 0, MAX_SECONDS, "seconds above 0 and at most a year, or null", open_low=True),
        *_number(
            body,
            "wrong_per_thousand",
            0,
            1000,
            "cases of 1,000: above 0 and below 1,000, or null",
            open_low=True,
            open_high=True,
        ),
        *_number(
            body,
            "certificate_days",
            0,
            MAX_DAYS,
            f"days above 0 and at most {MAX_DAYS:,}",
            open_low=True,
            is_needed=True,
        ),
        *_number(
            body,
            "false_trips_per_year",
            MIN_TRIPS,
            MAX_TRIPS,
            f"from 0.000001 to {MAX_TRIPS}",
            is_needed=True,
        ),
        *_switch(body, "is_range_checked"),
    ]
    cap = body.get("cap")
    if cap is not None and not (
        isinstance(cap, dict)
        and cap.keys() == {"limit", "seconds"}
        and _is_whole(cap["limit"], 1, MAX_CAP)
        and _is_whole(cap["seconds"], 1, MAX_SECONDS)
    ):
        faults.append(
            fault(
                "cap",
                "“cap” needs limit and seconds, whole numbers of at least 1 (seconds at most a year), and nothing "
                'else; such as {"limit": 500, "seconds": 3600}; or null.',
            )
        )
    return faults


def of_columns(body: Body, stream: Stream) -> list[Fault]:
    """Columns that must be there, that segment, and that hold money: each a column of the stream's contract."""
    used = {"required_columns", "segment", "value"} & body.keys()
    columns = columns_of(stream) if used else None
    faults: list[Fault] = []
    required = body.get("required_columns", [])
    if not isinstance(required, list) or not all(isinstance(name, str) and name for name in required):
        faults.append(fault("required_columns", "“required_columns” is a list of column names."))
    else:
        faults += [one for name in required if (one := _no_column("required_columns", name, columns))]
    segment = body.get("segment")
    if segment is not None and not (isinstance(segment, str) and segment):
        faults.append(fault("segment", "“segment” is the name of a column, or null."))
    elif segment is not None and (one := _no_column("segment", segment, columns)):
        faults.append(one)
    return faults + list(_value(body.get("value"), columns))


def _value(value: Any, columns: Mapping[str, Any] | None) -> Iterator[Fault]:
    if value is None:
        return
    is_object = isinstance(value, dict)
    if not is_object or not {"column", "cap"} <= value.keys() <= {"column", "cap", "promised_loss"}:
        yield fault("value", "“value” needs column and cap, and may have promised_loss; nothing else; or null.")
        return
    column, cap, promised = value["column"], value["cap"], value.get("promised_loss")
    if not (isinstance(column, str) and column):
        yield fault("value.column", "“column” of “value” is the name of a column.")
    elif one := _no_column("value.column", column, columns):
        yield one
    elif columns is not None and column in columns and not _is_numeric(columns[column]):
        yield fault("value.column", f"“{column}” holds no numbers; “value” needs a column of amounts.")
    if not _is_number(cap, 0, MAX_LOSS, open_low=True):
        yield fault("value.cap", "“cap” of “value” must be a number above 0: the most that a wrong decision costs.")
    elif promised is not None and not _is_number(promised, 0, cap, open_low=True):
        yield fault("value.promised_loss", f"“promised_loss” must be above 0 and at most the cap of {cap:g}, or null.")


def of_rules(body: Body, stream: Stream) -> list[Fault]:
    """Routing rules."""
    given = body.get("rules", [])
    columns = columns_of(stream) if given else None
    return list(rules.faults(given, columns, classes=stream.classes))


def columns_of(stream: Stream) -> Mapping[str, Any] | None:
    """The columns of the stream's contract with their schemas; None where it takes columns that it does not name."""
    revision = revision_in_force(stream, StreamRevision.Kind.CONTRACT)
    if revision is None or revision.body.get("additionalProperties", True) is not False:
        return None
    columns: Mapping[str, Any] = revision.body.get("properties", {})
    return columns


def _no_column(field: str, name: str, columns: Mapping[str, Any] | None) -> Fault | None:
    if columns is None or name in columns:
        return None
    message = f"“{name}” is no column of this stream's contract."
    return fault(field, message, near=(name, columns.keys()), code="unknown_column")


def _no_class(field: str, name: str, stream: Stream) -> Fault:
    message = f"“{name}” is no class of this stream; it has {', '.join(stream.classes)}."
    return fault(field, message, code="unknown_class")


def _rates(body: Body, key: str, stream: Stream, *, low_is_open: bool) -> Iterator[Fault]:
    values = body.get(key, {})
    if not isinstance(values, dict):
        yield fault(key, f"“{key}” is an object of class and number.")
        return
    for name, value in values.items():
        if name not in stream.classes:
            yield _no_class(f"{key}.{name}", name, stream)
        elif not _is_number(value, 0, 1, open_low=low_is_open):
            bounds = "above 0 and at most 1" if low_is_open else "between 0 and 1"
            yield fault(f"{key}.{name}", f"“{key}” of “{name}” must be a number {bounds}.")


def _number(
    body: Body,
    key: str,
    low: float,
    high: float,
    words: str,
    *,
    open_low: bool = False,
    open_high: bool = False,
    is_needed: bool = False,
) -> list[Fault]:
    """`is_needed`: null is no number either; without the key its default holds."""
    if key not in body or (body[key] is None and not is_needed):
        return []
    is_right = _is_number(body[key], low, high, open_low=open_low, open_high=open_high)
    return [] if is_right else [fault(key, f"“{key}” must be {words}.")]


def _switch(body: Body, key: str) -> list[Fault]:
    return [] if isinstance(body.get(key, False), bool) else [fault(key, f"“{key}” is true or false.")]


def _is_number(value: Any, low: float, high: float, *, open_low: bool = False, open_high: bool = False) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        return False
    return not (open_low and value == low) and not (open_high and value == high)


def _is_whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_numeric(schema: Any) -> bool:
    declared = schema.get("type") if isinstance(schema, dict) else None
    kinds = declared if isinstance(declared, list) else [declared]
    return bool({"number", "integer"} & set(kinds)) or declared is None
