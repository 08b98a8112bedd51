"""What the body of a display revision says, checked: a desk that cannot be drawn stops a stream's people."""

from typing import Any

import jsonschema_rs

from reviewapp.domain.errors import Invalid

MAX_SIDE = 1024
_NAMES = {"type": "array", "items": {"type": "string"}}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_SIDE = {"type": "integer", "minimum": 1, "maximum": MAX_SIDE}
_GROUP = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "columns": _NAMES},
    "required": ["title", "columns"],
}
_SCHEMA = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["facts", "image"]},
        "columns": _NAMES,
        "groups": {"type": "array", "items": _GROUP},
        "labels": _TEXTS,
        "units": _TEXTS,
        "height": _SIDE,
        "width": _SIDE,
        "maximum": {"type": "number", "exclusiveMinimum": 0},
    },
    "if": {"properties": {"kind": {"const": "image"}}, "required": ["kind"]},
    "then": {"required": ["height", "width"]},
}
_validator = jsonschema_rs.validator_for(_SCHEMA)


def check_display(body: Any) -> None:
    """Refuse a display that cannot be shown."""
    error = next(iter(_validator.iter_errors(body)), None)
    if error is not None:
        place = ".".join(str(step) for step in error.instance_path) or "the display"
        raise Invalid(f"This cannot be shown: {place}: {error.message[:300]}", code="display_malformed")
