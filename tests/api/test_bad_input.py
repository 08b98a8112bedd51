"""The corpus of bad input: on every writing call a 4xx that is problem+json, never a 5xx, and nothing is written."""

import json
from typing import Any

import pytest

from reviewapp.cases.models import Case, CaseInput, Label, Verdict
from reviewapp.gating.models import Hold
from reviewapp.registry.models import Stream, StreamRevision
from reviewapp.webhooks.models import Endpoint
from tests.api.calling import Caller
from tests.factories import bundles, cases, reviews

pytestmark = pytest.mark.django_db


def _nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def _with(value: bytes) -> bytes:
    """The value in places where a call might read it."""
    return b'{"external_id": %b, "features": {"dent": %b}, "class": %b, "url": %b, "type": %b}' % ((value,) * 5)


UNREADABLE: dict[str, bytes] = {
    "not JSON": b"{",
    "trailing comma": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "two values": b"{} {}",
    "a comment": b"{} // no",
    "control character": b'{"a": "\x01"}',
    "raw NUL": b'{"a": "\x00"}',
    "only NULs": b"\x00" * 100,
    "bad UTF-8": b'{"a": "\xff\xfe"}',
    "overlong UTF-8": b'{"a": "\xc0\x80"}',
    "encoded surrogate": b'{"a": "\xed\xa0\x80"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-32": '{"a": 1}'.encode("utf-32"),
    "byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "escaped NUL": _with(rb'"a\u0000b"'),
    "escaped NUL in a key": rb'{"a\u0000": 1}',
    "lone high surrogate": _with(rb'"\ud800"'),
    "lone low surrogate": _with(rb'"\udc00"'),
    "surrogates the wrong way round": _with(rb'"\udc00\ud800"'),
    "lone surrogate in a key": rb'{"\ud800": 1}',
    "duplicate key": b'{"a": 1, "a": 2}',
    "duplicate key by an escape": rb'{"a": 1, "\u0061": 2}',
    "duplicate key inside": b'{"features": {"dent": 1, "dent": 2}}',
    "NaN": _with(b"NaN"),
    "Infinity": _with(b"Infinity"),
    "-Infinity": _with(b"-Infinity"),
    "1e999": _with(b"1e999"),
    "-1e999": _with(b"-1e999"),
    "2^53+1": _with(b"9007199254740993"),
    "-2^53-1": _with(b"-9007199254740993"),
    "2^63": _with(b"9223372036854775808"),
    "10^400": _with(b"1" + b"0" * 400),
    "10^5000": _with(b"1" + b"0" * 5000),
    "depth 33": _nested(33),
    "depth 900": _nested(900),
    "depth 10^5": _nested(100_000),
    "open brackets": b"[" * 100_000,
    "10^4 values": b'{"features": [' + b"1," * 10_001 + b"1]}",
    "a long key": b'{"' + b"k" * 257 + b'": 1}',
}
NO_OBJECT: dict[str, bytes] = {
    "list": b"[]",
    "string": b'"text"',
    "number": b"1",
    "null": b"null",
    "true": b"true",
}
ODD: dict[str, bytes] = {
    "empty object": b"{}",
    "empty key": b'{"": 1}',
    "right to left": _with('"\u202egnp.exe"'.encode()),
    "zero width": _with('"a\u200bb\ufeff"'.encode()),
    "prototype": b'{"__proto__": {"a": 1}, "constructor": 1}',
    "markup": _with(b'"<script>alert(1)</script>"'),
    "SQL": _with(b'"\'; DROP TABLE cases_case; --"'),
    "format": _with(b'"%s %(a)s {0} {{x}}"'),
    "null": _with(b"null"),
    "true": _with(b"true"),
    "list": _with(b"[[]]"),
    "object": _with(b'{"a": {"b": []}}'),
    "minus zero": _with(b"-0.0"),
    "smallest double": _with(b"5e-324"),
    "largest double": _with(b"1.7976931348623157e308"),
    "2^31": _with(b"2147483648"),
    "2^53": _with(b"9007199254740992"),
    "a long text": _with(b'"' + b"x" * 100_000 + b'"'),
    "many fields": b"{" + b",".join(b'"%d": 0' % number for number in range(3000)) + b"}",
}
CALLS = ("case", "amend", "outcome", "contract", "hold", "endpoint", "endpoint change", "bulk lines")


@pytest.fixture
def calls(api: Caller, stream: Stream) -> dict[str, tuple[str, str, dict[str, str]]]:
    """Each writing call of a key: method, path and headers."""
    case = cases.received(stream, external_id="known")
    endpoint = api.post("endpoints", {"url": "http://127.0.0.1:9/"}).json()["id"]
    return {
        "case": ("POST", f"streams/{stream.slug}/cases", {}),
        "amend": ("PUT", f"cases/{case.pk}/input", {"If-Match": "1"}),
        "outcome": ("POST", f"cases/{case.pk}/outcome", {}),
        "contract": ("PUT", f"streams/{stream.slug}/contract", {}),
        "hold": ("POST", f"streams/{stream.slug}/hold", {}),
        "endpoint": ("POST", "endpoints", {}),
        "endpoint change": ("PATCH", f"endpoints/{endpoint}", {}),
        "bulk lines": ("POST", f"streams/{stream.slug}/cases/bulk", {}),
    }


def _stored() -> tuple[int, ...]:
    return (
        *(Case.objects.count(), CaseInput.objects.count(), Label.objects.count(), Hold.objects.count()),
        *(Endpoint.objects.count(), StreamRevision.objects.count(), Verdict.objects.count()),
    )


@pytest.mark.parametrize("call", CALLS)
def test_what_cannot_be_read_in_one_way_is_refused(api: Caller, calls: Any, call: str) -> None:
    method, path, headers = calls[call]
    before = _stored()

    for name, body in UNREADABLE.items():
        if call == "bulk lines":
            line = body.replace(b"\n", b" ")
            response = api.send(method, path, line, media_type="application/x-ndjson", headers=headers)
            verdicts = {result["outcome"] for result in response.json()["results"]}
            assert (response.status_code, verdicts) == (200, {"invalid"}), name
        else:
            response = api.send(method, path, body, headers=headers)
            assert response.status_code == 400, (name, response.content)
    assert _stored() == before


@pytest.mark.parametrize("call", CALLS[:-1])
def test_what_is_no_object_is_refused(api: Caller, calls: Any, call: str) -> None:
    method, path, headers = calls[call]

    for name, body in NO_OBJECT.items():
        response = api.send(method, path, body, headers=headers)
        assert response.status_code in {400, 422}, (name, response.content)


@pytest.mark.parametrize("call", CALLS[:-1])
def test_odd_content_is_refused_by_field_and_never_breaks(api: Caller, calls: Any, call: str) -> None:
    method, path, headers = calls[call]

    for name, body in ODD.items():
        response = api.send(method, path, body, headers=headers)
        is_harmless = call == "endpoint change" and name == "empty object"
        assert response.status_code == (200 if is_harmless else 422), (name, response.content)
        assert is_harmless or response.json().get("errors") or call == "contract", name


@pytest.mark.parametrize("call", CALLS[:-1])
def test_a_body_over_one_megabyte_is_too_large(api: Caller, calls: Any, call: str) -> None:
    method, path, headers = calls[call]

    response = api.send(method, path, b'{"a": "' + b"x" * 1_000_000 + b'"}', headers=headers)

    assert (response.status_code, response.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("call", ["submit", "claim", "release", "extend", "skip"])
def test_people_are_read_as_strictly(person: Any, stream: Stream, rosa: Any, call: str) -> None:
    review = reviews.claimed(stream, rosa)
    api = person(rosa)
    api.client.cookies["csrftoken"] = "c" * 32
    path = "reviews/claim" if call == "claim" else f"reviews/{review.pk}/{call}"

    for name, body in {**UNREADABLE, **NO_OBJECT}.items():
        assert api.send("POST", path, body).status_code == 400, name
    for name, body in ODD.items():
        assert api.send("POST", path, body).status_code == 422, name
    assert not Verdict.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"external_id": None}, "external_id"),
        ({"external_id": ""}, "external_id"),
        ({"external_id": "   "}, "external_id"),
        ({"external_id": 7}, "external_id"),
        ({"external_id": ["a"]}, "external_id"),
        ({"external_id": "x" * 201}, "external_id"),
        ({"features": None}, "features"),
        ({"features": []}, "features"),
        ({"features": {"dent": True, "tear": 1}}, "features.dent"),
        ({"features": {"dent": "1", "tear": 1}}, "features.dent"),
        ({"features": {"dent": None, "tear": 1}}, "features.dent"),
        ({"features": {"dent": 11, "tear": 1}}, "features.dent"),
        ({"features": {"dent": -1e300, "tear": 1}}, "features.dent"),
        ({"features": {"dent": [1], "tear": 1}}, "features.dent"),
        ({"features": {"dent": 1, "tear": 1, "": 0}}, "features"),
        ({"context": []}, "context"),
        ({"context": "text"}, "context"),
        ({"observed_at": "yesterday"}, "observed_at"),
        ({"observed_at": "2026-01-31"}, "observed_at"),
        ({"observed_at": "2026-01-31T12:00:00"}, "observed_at"),
        ({"observed_at": "2026-02-30T12:00:00Z"}, "observed_at"),
        ({"observed_at": "0001-01-01T00:00:00+14:00"}, "observed_at"),
        ({"observed_at": "9999-12-31T23:59:59-12:00"}, "observed_at"),
        ({"observed_at": 1_700_000_000}, "observed_at"),
        ({"prediction": []}, "prediction"),
        ({"prediction": {"model": 1, "probabilities": {}}}, "prediction"),
        ({"prediction": {"model": "m", "probabilities": {"intact": 1}}}, "prediction.probabilities"),
        ({"prediction": {"model": "m", "probabilities": {"intact": 1, "damaged": 1}}}, "prediction.probabilities"),
        (
            {"prediction": {"model": "m", "probabilities": {"intact": 2, "damaged": -1}}},
            "prediction.probabilities.intact",
        ),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_wrong_case_is_refused_by_field(api: Caller, stream: Stream, change: dict[str, Any], field: str) -> None:
    body = {"external_id": "a", "features": bundles.UNCLEAR, **change}

    single = api.post(f"streams/{stream.slug}/cases", body)
    many = api.post(f"streams/{stream.slug}/cases/bulk", [body])

    assert single.status_code == 422
    assert single.json()["errors"][0]["field"] == field
    (verdict,) = many.json()["results"]
    assert (verdict["outcome"], verdict["errors"][0]["field"]) == ("invalid", field)
    assert not Case.objects.exists()


@pytest.mark.parametrize(
    "name", ["\u202egnp.exe", "a\u200bb", "日本語", "🙂" * 50, "a\nb\tc", "'; DROP TABLE cases_case; --", "x" * 200]
)
def test_a_strange_but_whole_id_is_kept_as_it_is(api: Caller, stream: Stream, name: str) -> None:
    response = api.post(f"streams/{stream.slug}/cases", {"external_id": name, "features": bundles.UNCLEAR})

    assert response.status_code == 202
    assert api.get(f"cases/{response.json()['id']}").json()["external_id"] == name


def test_two_spellings_of_one_id_are_one_case(api: Caller, stream: Stream) -> None:
    composed = {"external_id": "caf\u00e9", "features": bundles.UNCLEAR}

    first = api.post(f"streams/{stream.slug}/cases", composed)
    again = api.post(f"streams/{stream.slug}/cases", {**composed, "external_id": "cafe\u0301"})

    assert (first.status_code, again.status_code) == (202, 200)


def test_context_is_kept_as_sent(api: Caller, stream: Stream) -> None:
    context = {"text": "cafe\u0301 \U0001f642 </script>", "deep": json.loads(_nested(29)), "big": 9007199254740992}
    sent = {"external_id": "a", "features": bundles.UNCLEAR, "context": context}

    case = api.post(f"streams/{stream.slug}/cases", sent).json()

    assert api.get(f"cases/{case['id']}").json()["input"]["context"] == context
