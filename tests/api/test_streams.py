"""Streams, contracts and holds."""

from typing import Any

import pytest

from reviewapp.gating.models import Hold
from reviewapp.registry.models import Stream, StreamRevision
from tests.api.calling import Caller
from tests.factories import bundles, cases

pytestmark = pytest.mark.django_db


def test_a_stream_says_what_governs_it(api: Caller, stream: Stream) -> None:
    shown = api.get(f"streams/{stream.slug}").json()

    assert shown["classes"] == ["intact", "damaged"]
    assert shown["model"]["number"] == 1
    assert (shown["policy_version"], shown["contract_number"]) == (1, 1)
    assert shown["holds"] == []


def test_a_bare_stream_is_shown_too(api: Caller, bare_stream: Stream) -> None:
    shown = api.get(f"streams/{bare_stream.slug}").json()

    assert (shown["model"], shown["policy_version"], shown["contract_number"]) == (None, None, None)
    assert api.get(f"streams/{bare_stream.slug}/contract").json()["code"] == "contract_missing"


def test_streams_are_listed(api: Caller, stream: Stream) -> None:
    assert [one["slug"] for one in api.get("streams").json()["items"]] == [stream.slug]


def test_an_edited_contract_is_in_force_with_the_next_case(api: Caller, stream: Stream) -> None:
    contract = api.get(f"streams/{stream.slug}/contract").json()
    schema = contract["schema"]
    schema["properties"]["dent"]["maximum"] = 3

    edited = api.put(f"streams/{stream.slug}/contract", schema)

    assert (edited.status_code, edited.json()["number"]) == (200, 2)
    refused = api.post(f"streams/{stream.slug}/cases", {"external_id": "a", "features": bundles.UNCLEAR})
    assert refused.json()["errors"][0]["code"] == "out_of_range"
    assert api.put(f"streams/{stream.slug}/contract", schema).json()["number"] == 2


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "array"},
        {"type": "object", "properties": []},
        {"type": "object", "properties": {"a": {"type": "nonsense"}}},
        {"type": "object", "properties": {"a": {"pattern": "("}}},
        {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}},
        {"type": "object", "properties": {"a": {"$ref": "file:///etc/hostname"}}},
        {"type": "object", "required": "a"},
        [],
        "object",
        None,
    ],
)
def test_what_is_no_contract_is_refused(api: Caller, bare_stream: Stream, schema: Any) -> None:
    response = api.put(f"streams/{bare_stream.slug}/contract", schema)

    assert response.status_code in {400, 422}
    assert response.json()["code"] == "contract_malformed"
    assert not StreamRevision.objects.exists()


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": True}},
        {"type": "object", "propertyNames": {"maxLength": 3}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}},
        {"type": "object", "minProperties": 9},
        {"type": "object", "properties": {"a": {"const": 1}}, "dependentRequired": {"a": ["b"]}},
        {"type": "object", "properties": {"a": {"pattern": "^(a+)+$"}}},
    ],
)
def test_an_unusual_contract_never_breaks_intake(api: Caller, bare_stream: Stream, schema: Any) -> None:
    assert api.put(f"streams/{bare_stream.slug}/contract", schema).status_code == 200

    for number, features in enumerate(({}, {"a": "a" * 50 + "b"}, {"a": 1.5}, {"longer": None}, {"a": {"b": []}})):
        body = {"external_id": str(number), "features": features}
        assert api.post(f"streams/{bare_stream.slug}/cases", body).status_code in {202, 422}


def test_a_hold_stops_automation_and_lifting_it_lets_it_go_on(api: Caller, stream: Stream) -> None:
    placed = api.post(f"streams/{stream.slug}/hold", {"scope": "automation", "reason": "odd results"})
    held = cases.scored(stream, bundles.CLEARLY_INTACT)
    shown = api.get(f"streams/{stream.slug}").json()["holds"]
    lifted = api.delete(f"streams/{stream.slug}/hold?scope=automation")
    free = cases.scored(stream, bundles.CLEARLY_INTACT)

    assert (placed.status_code, lifted.status_code) == (201, 200)
    assert [hold["reason"] for hold in shown] == ["odd results"]
    assert (held.state, free.state) == ("in_review", "decided")


def test_a_second_hold_of_the_same_scope_is_a_conflict(api: Caller, stream: Stream) -> None:
    body = {"scope": "all", "reason": "a drill"}
    api.post(f"streams/{stream.slug}/hold", body)

    response = api.post(f"streams/{stream.slug}/hold", body)

    assert (response.status_code, response.json()["code"]) == (409, "already_held")
    assert Hold.objects.count() == 1


@pytest.mark.parametrize(
    ("query", "status"), [("?scope=deliveries", 404), ("", 400), ("?scope=everything", 400), ("?scope=%00", 400)]
)
def test_only_a_hold_in_place_can_be_lifted(api: Caller, stream: Stream, query: str, status: int) -> None:
    assert api.delete(f"streams/{stream.slug}/hold{query}").status_code == status


@pytest.mark.parametrize("body", [{}, {"scope": "all"}, {"scope": "x", "reason": "y"}, {"scope": "all", "reason": " "}])
def test_a_hold_needs_a_scope_and_a_reason(api: Caller, stream: Stream, body: Any) -> None:
    assert api.post(f"streams/{stream.slug}/hold", body).status_code == 422
    assert not Hold.objects.exists()
