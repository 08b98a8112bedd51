"""A stream's input contract: a JSON Schema derived from the model's declared columns, checked with jsonschema-rs."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

import jsonschema_rs

from reviewapp.domain.errors import Invalid
from reviewapp.registry.models import Stream, StreamRevision

if TYPE_CHECKING:
    from inference.bundle import Column

JSON_TYPES = {"float": "number", "int": "integer", "bool": "boolean", "category": "string", "text": "string"}
MAX_TEXT = 100_000
MAX_EXAMPLES = 20


@dataclass(frozen=True)
class Contract:
    """A compiled contract. Without one (no model yet) every object of features is accepted as it is."""

    number: int
    schema: Mapping[str, Any]
    validator: Any
    float_columns: frozenset[str]
    whole_columns: frozenset[str]
    # The range of each column where the contract asks for numbers and nothing else; empty for every other contract.
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def coerce(self, features: Mapping[str, Any]) -> dict[str, Any]:
        """The features with each number as its column has it, so that 1 and 1.0 are one content.

        Raises Invalid with one entry per wrong column.
        """
        if self._is_plainly_valid(features):
            return dict(features)
        if not self.validator.is_valid(features):
            merged = [entry for error in self.validator.iter_errors(features) for entry in _describe(error)]
            first = merged[0]["message"]
            raise Invalid(f"The features do not fit the contract: {first}", code="contract_violated", errors=merged)
        try:
            return {name: self._as_declared(name, value) for name, value in features.items()}
        except OverflowError:
            errors = [
                _entry(name, "out_of_range", f"“{name}” is too large for a number with a fraction.")
                for name in self.float_columns & features.keys()
                if abs(features[name] or 0) > sys.float_info.max
            ]
            raise Invalid(
                f"The features do not fit the contract: {errors[0]['message']}", code="contract_violated", errors=errors
            ) from None

    def _as_declared(self, name: str, value: Any) -> Any:
        if type(value) is int and name in self.float_columns:
            return float(value)
        # To JSON Schema 5.0 is an integer.
        if type(value) is float and name in self.whole_columns:
            return int(value)
        return value

    def _is_plainly_valid(self, features: Mapping[str, Any]) -> bool:
        """Whether every column is there, a float and in its range: told in a tenth of the validator's time."""
        ranges = self.ranges
        if not ranges or len(features) != len(ranges):
            return False
        for name, value in features.items():
            bounds = ranges.get(name)
            if bounds is None or type(value) is not float or not bounds[0] <= value <= bounds[1]:
                return False
        return True


def derive(columns: "tuple[Column, ...]") -> dict[str, Any]:
    """The JSON Schema (2020-12) of a model's input columns."""
    properties = {column.name: _property(column) for column in columns}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": [column.name for column in columns if not column.nullable],
        "additionalProperties": False,
    }


def _property(column: "Column") -> dict[str, Any]:
    kind = JSON_TYPES[column.dtype]
    schema: dict[str, Any] = {"type": [kind, "null"] if column.nullable else kind}
    if column.values is not None and not column.is_open:
        schema["enum"] = [*column.values, *([None] if column.nullable else [])]
    elif kind == "string":
        schema["maxLength"] = MAX_TEXT
        if column.values is not None:
            schema["examples"] = list(column.values[:MAX_EXAMPLES])
    if column.minimum is not None:
        schema["minimum"] = column.minimum
    if column.maximum is not None:
        schema["maximum"] = column.maximum
    if column.description:
        schema["description"] = column.description
    if column.unit:
        schema["x-unit"] = column.unit
    return schema


def check_schema(schema: Any) -> None:
    """Refuse a contract that is no JSON Schema of an object."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise Invalid('A contract is a JSON Schema with "type": "object".', code="contract_malformed")
    try:
        _validator(schema)
    except (jsonschema_rs.ValidationError, ValueError) as error:
        reason = str(error).partition("\n")[0][:500]
        raise Invalid(f"The contract is not a JSON Schema: {reason}", code="contract_malformed") from error


def contract_of(stream: Stream) -> Contract | None:
    """The contract in force. One indexed query; compiled contracts are kept by revision."""
    revisions = StreamRevision.objects.filter(stream=stream, kind=StreamRevision.Kind.CONTRACT)
    latest = revisions.order_by("-number").values_list("pk", "number").first()
    if latest is None:
        return None
    return compiled(*latest)


@lru_cache(maxsize=64)
def compiled(revision: UUID, number: int) -> Contract:
    """The contract of a revision, which never changes."""
    schema = StreamRevision.objects.values_list("body", flat=True).get(pk=revision)
    types = {
        name: _types(entry.get("type"))
        for name, entry in schema.get("properties", {}).items()
        if isinstance(entry, dict)
    }
    floats = frozenset(name for name, found in types.items() if "number" in found)
    whole = frozenset(name for name, found in types.items() if "integer" in found) - floats
    return Contract(number, schema, _validator(schema), floats, whole, _ranges(schema))


_PLAIN_SCHEMA = {"$schema", "type", "properties", "required", "additionalProperties"}
_PLAIN_NUMBER = {"type", "minimum", "maximum", "description", "x-unit"}


def _ranges(schema: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Least and greatest value of each column, if that is all the schema says."""
    columns = schema.get("properties", {})
    is_plain = schema.keys() <= _PLAIN_SCHEMA and set(schema.get("required", ())) <= columns.keys()
    if not is_plain or not all(_is_plain_number(entry) for entry in columns.values()):
        return {}
    return {name: (entry.get("minimum", -math.inf), entry.get("maximum", math.inf)) for name, entry in columns.items()}


def _is_plain_number(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.keys() <= _PLAIN_NUMBER and "number" in _types(entry.get("type"))


def _validator(schema: Any) -> Any:
    """Offline: a `$ref` must not make this process fetch addresses. The regex engine has no exponential cases."""
    return jsonschema_rs.validator_for(schema, offline=True, pattern_options=jsonschema_rs.RegexOptions())


def _types(declared: Any) -> list[str]:
    return declared if isinstance(declared, list) else [declared]


def _describe(error: jsonschema_rs.ValidationError) -> list[dict[str, str]]:
    """One entry per column: which one, what was expected, what came."""
    # The extension's stubs do not know the attributes of each kind.
    kind: Any = error.kind
    if kind.name == "required":
        return [_entry(kind.property, "missing", f"“{kind.property}” is missing; the contract requires it.")]
    if kind.name == "additionalProperties":
        return [
            _entry(name, "unknown_column", f"“{name}” is not a column of this stream; remove it.")
            for name in kind.unexpected
        ]
    column = str(error.instance_path[0]) if error.instance_path else ""
    if kind.name == "type":
        got = type(error.instance).__name__
        expected = " or ".join(str(name) for name in kind.types)
        return [_entry(column, "wrong_type", f"“{column}” must be {expected}, not {_JSON_NAMES.get(got, got)}.")]
    if kind.name == "enum":
        options = ", ".join(str(option) for option in kind.options[:20])
        return [_entry(column, "unknown_category", f"“{column}” must be one of {options}.")]
    if kind.name == "maxLength":
        return [_entry(column, "too_long", f"“{column}” has more than {kind.limit} characters.")]
    if kind.name in {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}:
        bound = {
            "minimum": "at least",
            "maximum": "at most",
            "exclusiveMinimum": "above",
            "exclusiveMaximum": "below",
        }
        return [_entry(column, "out_of_range", f"“{column}” must be {bound[kind.name]} {kind.limit}.")]
    return [_entry(column, "invalid", f"“{column}”: {error.message[:300]}")]


_JSON_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "NoneType": "null",
    "list": "an array",
    "dict": "an object",
}


def _entry(column: str, code: str, message: str) -> dict[str, str]:
    return {
        "field": f"features.{column}" if column else "features",
        "column": column,
        "code": code,
        "message": message,
    }
