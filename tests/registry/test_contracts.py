from typing import Any

import pytest

from inference.manifest import Column
from reviewapp.domain.errors import Invalid
from reviewapp.registry import contracts
from reviewapp.registry.actions.streams import revise
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import bundles

COLUMNS = (
    Column("length", "float", minimum=0, maximum=10, unit="mm", description="Longest side."),
    Column("count", "int"),
    Column("colour", "category", values=("red", "blue"), nullable=True),
    Column("fragile", "bool"),
    Column("note", "text", nullable=True),
    Column("weight", "float", nullable=True),
)
GOOD = {"length": 1, "count": 2, "colour": "red", "fragile": True, "note": "n"}


@pytest.fixture
def contract(bare_stream: Stream) -> contracts.Contract:
    revise(stream=bare_stream, kind="contract", body=contracts.derive(COLUMNS), by=SYSTEM)
    found = contracts.contract_of(bare_stream)
    assert found is not None
    return found


def test_a_contract_is_derived_from_the_models_columns() -> None:
    schema = contracts.derive(COLUMNS)

    assert schema["required"] == ["length", "count", "fragile"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["length"] == {
        "type": "number",
        "minimum": 0,
        "maximum": 10,
        "description": "Longest side.",
        "x-unit": "mm",
    }
    assert schema["properties"]["colour"] == {"type": ["string", "null"], "enum": ["red", "blue", None]}
    assert schema["properties"]["note"]["maxLength"] == contracts.MAX_TEXT


def test_whole_numbers_in_float_columns_become_floats(contract: contracts.Contract) -> None:
    coerced = contract.coerce({**GOOD, "weight": 3, "count": float(GOOD["count"])})

    assert coerced == {**GOOD, "weight": 3}
    assert [type(coerced[name]) for name in ("length", "weight", "count", "fragile")] == [float, float, int, bool]


@pytest.mark.parametrize(
    ("change", "column", "code", "words"),
    [
        ({"length": None}, "length", "wrong_type", "must be number, not null"),
        ({"length": "1"}, "length", "wrong_type", "must be number, not a string"),
        ({"length": [1]}, "length", "wrong_type", "not an array"),
        ({"length": -0.1}, "length", "out_of_range", "at least 0"),
        ({"length": 10.1}, "length", "out_of_range", "at most 10"),
        ({"count": 1.5}, "count", "wrong_type", "must be integer"),
        ({"count": True}, "count", "wrong_type", "not a boolean"),
        ({"colour": "green"}, "colour", "unknown_category", "one of red, blue"),
        ({"fragile": 1}, "fragile", "wrong_type", "must be boolean"),
        ({"note": "n" * 100_001}, "note", "too_long", "more than 100000 characters"),
        ({"hue": 1}, "hue", "unknown_column", "not a column of this stream"),
        ({"weight": 10**400}, "weight", "out_of_range", "too large"),
    ],
)
def test_each_wrong_column_is_named(
    contract: contracts.Contract, change: dict[str, Any], column: str, code: str, words: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        contract.coerce({**GOOD, **change})

    (error,) = refusal.value.details["errors"]
    assert (error["column"], error["field"], error["code"]) == (column, f"features.{column}", code)
    assert words in error["message"]


def test_every_fault_is_told_at_once(contract: contracts.Contract) -> None:
    with pytest.raises(Invalid) as refusal:
        contract.coerce({"length": 11, "hue": 1, "fragile": False})

    assert {(e["column"], e["code"]) for e in refusal.value.details["errors"]} == {
        ("length", "out_of_range"),
        ("hue", "unknown_column"),
        ("count", "missing"),
    }


def test_a_stream_without_a_model_has_no_contract(bare_stream: Stream) -> None:
    assert contracts.contract_of(bare_stream) is None


def test_the_latest_contract_is_in_force(stream: Stream) -> None:
    schema = dict(contracts.contract_of(stream).schema)
    revise(stream=stream, kind="contract", body={**schema, "required": ["dent"]}, by=SYSTEM)

    found = contracts.contract_of(stream)

    assert found.number == 2
    assert found.coerce({"dent": 1}) == {"dent": 1.0}


@pytest.mark.parametrize("schema", [[], "x", {"type": "array"}, {"type": "object", "properties": {"a": {"type": 7}}}])
def test_what_is_no_schema_of_an_object_is_refused(bare_stream: Stream, schema: object) -> None:
    with pytest.raises(Invalid) as refusal:
        revise(stream=bare_stream, kind="contract", body=schema, by=SYSTEM)

    assert refusal.value.code == "contract_malformed"


def test_the_first_bundle_brings_the_contract_and_later_ones_leave_it(stream: Stream) -> None:
    bundles.version(stream, "parcels-2")

    assert stream.revisions.filter(kind="contract").count() == 1


NUMBERS = (
    Column("length", "float", minimum=0, maximum=10),
    Column("weight", "float", minimum=0),
    Column("shift", "float", nullable=True),
)


@pytest.mark.parametrize(
    ("change", "is_valid"),
    [
        ({}, True),
        ({"length": 10.0}, True),
        ({"length": 3}, True),
        ({"shift": None}, True),
        ({"length": 10.5}, False),
        ({"weight": -0.1}, False),
        ({"weight": True}, False),
        ({"weight": None}, False),
        ({"weight": "1"}, False),
        ({"length": float("nan")}, False),
        ({"width": 1.0}, False),
    ],
)
def test_a_contract_of_numbers_alone_refuses_what_its_schema_refuses(
    bare_stream: Stream, change: dict[str, Any], is_valid: bool
) -> None:
    revise(stream=bare_stream, kind="contract", body=contracts.derive(NUMBERS), by=SYSTEM)
    contract = contracts.contract_of(bare_stream)
    features = {"length": 1.0, "weight": 2.0, "shift": -3.5, **change}

    assert contract is not None
    assert contract.ranges["length"] == (0, 10)
    if is_valid:
        assert contract.coerce(features) == features
    else:
        with pytest.raises(Invalid):
            contract.coerce(features)


def test_a_contract_of_numbers_alone_misses_no_column(bare_stream: Stream) -> None:
    revise(stream=bare_stream, kind="contract", body=contracts.derive(NUMBERS), by=SYSTEM)
    contract = contracts.contract_of(bare_stream)

    assert contract is not None
    with pytest.raises(Invalid, match="weight"):
        contract.coerce({"length": 1.0, "shift": 0.5, "heft": 1.0})


@pytest.mark.parametrize("entry", [{"type": "number", "multipleOf": 2}, {"enum": [1.0]}, {"type": "string"}])
def test_only_plain_numbers_are_judged_without_the_validator(bare_stream: Stream, entry: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"length": {"type": "number"}, "other": entry}}
    revise(stream=bare_stream, kind="contract", body=schema, by=SYSTEM)
    contract = contracts.contract_of(bare_stream)

    assert contract is not None
    assert not contract.ranges
    with pytest.raises(Invalid):
        contract.coerce({"length": 1.0, "other": 3.0})
