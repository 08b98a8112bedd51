from typing import Any

import pytest

from reviewapp.cases import submissions
from reviewapp.domain.errors import Invalid
from reviewapp.registry.contracts import contract_of
from reviewapp.registry.models import Stream

FEATURES = {"dent": 1.0, "tear": 2.0}


def parse(stream: Stream, **body: Any) -> submissions.Submission:
    return submissions.parse(
        {"external_id": "p-1", "features": FEATURES, **body}, stream=stream, contract=contract_of(stream)
    )


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"external_id": None}, "external_id", "missing"),
        ({"external_id": "  "}, "external_id", "missing"),
        ({"external_id": 7}, "external_id", "missing"),
        ({"external_id": "x" * 201}, "external_id", "too_long"),
        ({"features": None}, "features", "missing"),
        ({"features": [1]}, "features", "wrong_type"),
        ({"context": [1]}, "context", "wrong_type"),
        ({"observed_at": "yesterday"}, "observed_at", "wrong_type"),
        ({"observed_at": "2026-02-31T00:00:00Z"}, "observed_at", "wrong_type"),
        ({"observed_at": "2026-01-31T12:00:00"}, "observed_at", "wrong_type"),
        ({"observed_at": 1}, "observed_at", "wrong_type"),
        ({"colour": "red"}, "colour", "unknown_field"),
        ({"prediction": "damaged"}, "prediction", "wrong_type"),
        ({"prediction": {"model": "m"}}, "prediction.probabilities", "wrong_classes"),
        ({"prediction": {"model": "m", "probabilities": {"intact": 1}}}, "prediction.probabilities", "wrong_classes"),
        (
            {"prediction": {"model": "m", "probabilities": {"intact": 0.5, "damaged": 0.4}}},
            "prediction.probabilities",
            "wrong_sum",
        ),
        (
            {"prediction": {"model": "m", "probabilities": {"intact": 1.5, "damaged": -0.5}}},
            "prediction.probabilities.intact",
            "out_of_range",
        ),
        (
            {"prediction": {"model": "m", "probabilities": {"intact": float("nan"), "damaged": 1}}},
            "prediction.probabilities.intact",
            "out_of_range",
        ),
        (
            {"prediction": {"model": "m", "probabilities": {"intact": True, "damaged": 0}}},
            "prediction.probabilities.intact",
            "out_of_range",
        ),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(
    bare_stream: Stream, change: dict[str, Any], field: str, code: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        parse(bare_stream, **change)

    (error,) = refusal.value.details["errors"]
    assert (error["field"], error["code"]) == (field, code)
    assert error["message"] == str(refusal.value)


@pytest.mark.parametrize("body", [None, [], "case", 7])
def test_a_case_is_an_object(bare_stream: Stream, body: object) -> None:
    with pytest.raises(Invalid, match="JSON object"):
        submissions.parse(body, stream=bare_stream, contract=None)


@pytest.mark.parametrize(
    ("features", "field", "code"),
    [
        ({"dent": 1}, "features.tear", "missing"),
        ({"dent": 1, "tear": 1, "hole": 1}, "features.hole", "unknown_column"),
        ({"dent": "deep", "tear": 1}, "features.dent", "wrong_type"),
        ({"dent": True, "tear": 1}, "features.dent", "wrong_type"),
        ({"dent": 11, "tear": 1}, "features.dent", "out_of_range"),
        ({"dent": 10**400, "tear": 1}, "features.dent", "out_of_range"),
    ],
)
def test_features_must_fit_the_contract(stream: Stream, features: dict[str, Any], field: str, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse(stream, features=features)

    assert [(error["field"], error["code"]) for error in refusal.value.details["errors"]] == [(field, code)]


def test_the_fingerprint_ignores_key_order_and_whole_floats(stream: Stream) -> None:
    one = parse(stream, features={"dent": 1, "tear": 2}, context={"a": 1, "b": {"c": 2, "d": 3}})
    same = parse(stream, features={"tear": 2.0, "dent": 1.0}, context={"b": {"d": 3, "c": 2}, "a": 1})

    assert one.fingerprint == same.fingerprint


@pytest.mark.parametrize(
    "change", [{"external_id": "p-2"}, {"context": {"a": 1}}, {"observed_at": "2026-01-01T00:00:00Z"}]
)
def test_the_fingerprint_covers_every_field(stream: Stream, change: dict[str, Any]) -> None:
    assert parse(stream, **change).fingerprint != parse(stream).fingerprint


def test_ids_that_look_the_same_are_the_same(bare_stream: Stream) -> None:
    assert (
        parse(bare_stream, external_id="Müller").external_id
        == parse(bare_stream, external_id="Mu\u0308ller").external_id
    )


def test_probabilities_are_put_in_the_order_of_the_classes(bare_stream: Stream) -> None:
    parsed = parse(bare_stream, prediction={"model": "m", "probabilities": {"damaged": 0.25, "intact": 0.75}})

    assert parsed.probabilities == (0.75, 0.25)
