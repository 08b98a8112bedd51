"""What upstream sends, checked and brought into one form before anything is written."""

import hashlib
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive

from reviewapp.domain.errors import Invalid
from reviewapp.registry.contracts import Contract
from reviewapp.registry.models import Stream

KEYS = {"external_id", "features", "context", "observed_at", "prediction"}
MAX_EXTERNAL_ID = 200
# Beyond these a zone's offset can carry a time out of the years that Python and PostgreSQL share.
_EARLIEST = datetime(1, 1, 3, tzinfo=UTC)
_LATEST = datetime(9999, 12, 29, tzinfo=UTC)

_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(slots=True)
class Submission:
    """One case as upstream sent it, coerced. `probabilities` are in the order of the stream's classes."""

    external_id: str
    features_json: str
    context_json: str
    observed_at: datetime | None
    fingerprint: bytes
    model: str | None = None
    probabilities: tuple[float, ...] | None = None


def parse(body: Any, *, stream: Stream, contract: Contract | None) -> Submission:
    """Check one submitted case. Raises Invalid, naming each wrong field and what was expected."""
    if not isinstance(body, dict):
        raise _invalid("", "not_an_object", "A case is a JSON object with external_id and features.")
    unknown = sorted(body.keys() - KEYS)
    if unknown:
        raise _invalid(
            unknown[0],
            "unknown_field",
            f"“{unknown[0]}” is no field of a case; use {', '.join(sorted(KEYS))}.",
        )
    external_id = _external_id(body.get("external_id"))
    features = parse_features(body.get("features"), contract)
    context = body.get("context") if body.get("context") is not None else {}
    if not isinstance(context, dict):
        raise _invalid("context", "wrong_type", "“context” must be an object.")
    observed_at = parse_moment(body.get("observed_at"))
    model, probabilities = _prediction(body.get("prediction"), stream)
    content = {
        "external_id": external_id,
        "features": features,
        "context": context,
        "observed_at": observed_at.isoformat() if observed_at else None,
        "model": model,
        "probabilities": probabilities,
    }
    return Submission(
        external_id=external_id,
        features_json=msgspec.json.encode(features).decode(),
        context_json=msgspec.json.encode(context).decode() if context else "{}",
        observed_at=observed_at,
        fingerprint=hashlib.sha256(_encode(content)).digest(),
        model=model,
        probabilities=probabilities,
    )


def parse_features(features: Any, contract: Contract | None) -> dict[str, Any]:
    """The features, checked and coerced by the contract in force."""
    if not isinstance(features, dict):
        problem = "is missing" if features is None else "must be an object"
        raise _invalid("features", "missing" if features is None else "wrong_type", f"“features” {problem}.")
    return contract.coerce(features) if contract else features


def _external_id(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _invalid("external_id", "missing", "“external_id” must be a non-empty string: upstream's own id.")
    text = unicodedata.normalize("NFC", value)
    if len(text) > MAX_EXTERNAL_ID:
        raise _invalid(
            "external_id", "too_long", f"“external_id” has {len(text)} characters; {MAX_EXTERNAL_ID} at most."
        )
    return text


def parse_moment(value: Any) -> datetime | None:
    """When the input was observed, with its zone; None where upstream does not say."""
    if value is None:
        return None
    try:
        moment = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or is_naive(moment) or not _EARLIEST <= moment <= _LATEST:
        raise _invalid(
            "observed_at",
            "wrong_type",
            "“observed_at” must be a time with its zone, like 2026-01-31T12:00:00Z.",
        )
    return moment


def _prediction(value: Any, stream: Stream) -> tuple[str | None, tuple[float, ...] | None]:
    if value is None:
        return None, None
    if not isinstance(value, dict) or not isinstance(value.get("model"), str):
        raise _invalid("prediction", "wrong_type", "“prediction” is an object with model and probabilities.")
    given = value.get("probabilities")
    if not isinstance(given, dict) or set(given) != set(stream.classes):
        names = ", ".join(stream.classes)
        raise _invalid("prediction.probabilities", "wrong_classes", f"Give one probability per class: {names}.")
    probabilities = tuple(_probability(given, name) for name in stream.classes)
    if not math.isclose(sum(probabilities), 1.0, abs_tol=1e-3):
        raise _invalid("prediction.probabilities", "wrong_sum", "The probabilities must sum to 1 (within 0.001).")
    return value["model"], probabilities


def _probability(given: Mapping[str, Any], name: str) -> float:
    number = given[name]
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
        raise _invalid(
            f"prediction.probabilities.{name}", "out_of_range", f"The probability of “{name}” must be 0 to 1."
        )
    return float(number)


def _invalid(field: str, code: str, message: str) -> Invalid:
    return Invalid(message, code="invalid_case", errors=[{"field": field, "code": code, "message": message}])
