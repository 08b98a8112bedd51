"""Many cases in one call."""

import json
from typing import Any

import pytest
from django.conf import settings as configured

from reviewapp.cases.models import Case, Work
from reviewapp.registry.models import Stream
from tests.api.calling import Caller
from tests.factories import bundles, cases, streams

pytestmark = pytest.mark.django_db


def row(external_id: str, **body: Any) -> dict[str, Any]:
    return {"external_id": external_id, "features": bundles.UNCLEAR, **body}


def outcomes(response: Any) -> list[tuple[str | None, str]]:
    return [(result["external_id"], result["outcome"]) for result in response.json()["results"]]


def ndjson(api: Caller, stream: Stream, content: bytes) -> Any:
    return api.send("POST", f"streams/{stream.slug}/cases/bulk", content, media_type="application/x-ndjson")


def test_each_row_gets_its_own_verdict_and_good_rows_are_kept(api: Caller, stream: Stream) -> None:
    cases.received(stream, external_id="known")
    cases.received(stream, external_id="other", features=bundles.CLEARLY_INTACT)

    response = api.post(
        f"streams/{stream.slug}/cases/bulk",
        [row("new"), row("known"), row("other"), row("bad", features={"dent": 1}), row("new"), 7],
    )

    assert response.status_code == 200
    assert outcomes(response) == [
        ("new", "created"),
        ("known", "replayed"),
        ("other", "conflict"),
        ("bad", "invalid"),
        ("new", "replayed"),
        (None, "invalid"),
    ]
    content = response.json()
    assert {name: content[name] for name in ("created", "replayed", "conflict", "invalid")} == {
        "created": 1,
        "replayed": 2,
        "conflict": 1,
        "invalid": 2,
    }
    assert content["results"][3]["errors"][0]["column"] == "tear"
    assert [result["index"] for result in content["results"]] == list(range(6))
    assert Case.objects.count() == 3
    assert Work.objects.count() == 3


def test_lines_are_read_one_by_one(api: Caller, stream: Stream) -> None:
    lines = [json.dumps(row("a")), "", "{broken", json.dumps(row("b")), '{"external_id": "c", "external_id": "c"}']

    response = ndjson(api, stream, "\n".join(lines).encode())

    assert outcomes(response) == [("a", "created"), (None, "invalid"), ("b", "created"), (None, "invalid")]
    codes = [result["errors"][0]["code"] for result in response.json()["results"] if "errors" in result]
    assert codes == ["not_json", "duplicate_key"]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ('{"external_id": "b", "features": {"dent": NaN}}', "not_finite"),
        ('{"external_id": "b", "features": {"dent": 1e999}}', "not_finite"),
        ('{"external_id": "b", "features": {"dent": 1, "dent": 2}}', "duplicate_key"),
        ('{"external_id": "b\\u0000"}', "nul_character"),
        ('{"external_id": "\\ud800"}', "lone_surrogate"),
        ('{"external_id": %s}' % ("9" * 5000), "integer_too_large"),
        ('{"external_id": 9007199254740993}', "integer_too_large"),
        ("[" * 40 + "]" * 40, "too_deep"),
        (json.dumps({"external_id": "b", "features": {"list": [0] * 10_001}}), "too_many_values"),
        (json.dumps({"external_id": "b" * 1_000_001}), "too_large"),
        ('{"%s": 1}' % ("k" * 300), "key_too_long"),
    ],
)
@pytest.mark.parametrize("is_array", [True, False])
def test_a_bad_row_is_one_bad_row(api: Caller, bare_stream: Stream, bad: str, code: str, is_array: bool) -> None:
    rows = [json.dumps(row("a")), bad, json.dumps(row("c"))]

    if is_array:
        response = api.send("POST", f"streams/{bare_stream.slug}/cases/bulk", f"[{', '.join(rows)}]".encode())
    else:
        response = ndjson(api, bare_stream, "\n".join(rows).encode())

    assert [outcome for _, outcome in outcomes(response)] == ["created", "invalid", "created"]
    assert response.json()["results"][1]["errors"][0]["code"] == code


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"external_id": "a"}', 400, "not_an_array"),
        (b"", 400, "body_missing"),
        (b"[", 400, "not_json"),
        (b"[1 2]", 400, "not_json"),
        (b"[1,]", 400, "not_json"),
        (b"[{}] x", 400, "not_json"),
        (b'[{"a": 1}, {"a": ]', 400, "not_json"),
        (b'[{"a": "\xff"}]', 400, "not_utf8"),
        (b"\xef\xbb\xbf[]", 400, "byte_order_mark"),
        (b"[" + b"[" * 100_000, 400, "too_deep"),
        (b'["' + b"x" * 3_000_000, 413, "too_large"),
        (b"[" + b",".join([b"1"] * 10_001) + b"]", 413, "too_many_rows"),
    ],
)
def test_a_body_that_is_no_array_is_refused_as_a_whole(
    api: Caller, bare_stream: Stream, body: bytes, status: int, code: str
) -> None:
    response = api.send("POST", f"streams/{bare_stream.slug}/cases/bulk", body)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert not Case.objects.exists()


def test_too_many_lines_are_refused(api: Caller, bare_stream: Stream) -> None:
    response = ndjson(api, bare_stream, b"1\n" * 10_001)

    assert (response.status_code, response.json()["code"]) == (413, "too_many_rows")


def test_a_body_over_its_limit_is_refused_unread(api: Caller, bare_stream: Stream, settings: Any) -> None:
    settings.MAX_BULK_BYTES = 1000

    response = ndjson(api, bare_stream, b" " * 1001)

    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_rows_larger_than_the_window_are_read_across_it(api: Caller, bare_stream: Stream) -> None:
    note = "é" * 300_000
    rows = [row(f"parcel-{number}", context={"note": note}) for number in range(12)]
    body = json.dumps(rows, ensure_ascii=False, indent=1).replace("},\n", "}" + " " * 20_000 + ",\n").encode()
    assert len(body) > 3 * configured.MAX_CASE_BYTES

    response = api.send("POST", f"streams/{bare_stream.slug}/cases/bulk", body)

    assert response.json()["created"] == 12


def test_upstreams_predictions_are_checked_row_by_row(api: Caller) -> None:
    stream = streams.upstream_scored()
    good = cases.external_prediction(intact=0.99, damaged=0.01)
    bad = cases.external_prediction(model="who-knows", intact=0.99, damaged=0.01)

    response = api.post(f"streams/{stream.slug}/cases/bulk", [row("a", prediction=good), row("b", prediction=bad)])

    assert outcomes(response) == [("a", "created"), ("b", "invalid")]
    assert Case.objects.get().state == "decided"


def test_an_empty_array_is_no_error(api: Caller, bare_stream: Stream) -> None:
    response = api.post(f"streams/{bare_stream.slug}/cases/bulk", [])

    assert response.json() == {"created": 0, "replayed": 0, "conflict": 0, "invalid": 0, "results": []}
