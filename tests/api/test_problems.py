"""Whatever goes wrong under /api/ is problem+json."""

import logging
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from django.test import override_settings

from reviewapp.api import cases, streams
from reviewapp.registry.models import Stream
from tests.api.calling import PROBLEM, Caller

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/nothing",
        "/api/v1/streams/",
        "/api/v1/",
        "/api/v1/cases/not-an-id",
        "/api/v1/cases/999999999999999999999999999999",
        "/api/v2/streams",
        "/api/",
        "/api",
        "/api/v1/streams/%00/cases",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_not_found(api: Caller, method: str, path: str) -> None:
    response = api.send(method, path)

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["OPTIONS", "DELETE", "PATCH", "TRACE", "BREW"])
def test_another_method_is_not_allowed(api: Caller, method: str) -> None:
    response = api.send(method, "streams")

    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in response["Allow"]


@pytest.mark.parametrize(
    ("media_type", "headers"),
    [
        ("text/plain", {}),
        ("application/xml", {}),
        ("application/x-www-form-urlencoded", {}),
        ("multipart/form-data; boundary=x", {}),
        ("application/x-ndjson", {}),
        ("", {}),
        ("application/json; charset=latin-1", {}),
        ("application/json", {"Content_Encoding": "gzip"}),
    ],
)
def test_another_media_type_is_not_read(api: Caller, stream: Stream, media_type: str, headers: dict[str, str]) -> None:
    response = api.send(
        "POST", f"streams/{stream.slug}/cases", b'{"external_id": "a"}', media_type=media_type, headers=headers
    )

    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


def test_utf8_said_in_any_way_is_read(api: Caller, bare_stream: Stream) -> None:
    for number, media_type in enumerate(["application/json; charset=UTF-8", 'application/JSON;charset="utf-8"']):
        body = b'{"external_id": "%d", "features": {}}' % number
        response = api.send("POST", f"streams/{bare_stream.slug}/cases", body, media_type=media_type)
        assert response.status_code == 202


def test_what_the_client_accepts_changes_nothing(api: Caller) -> None:
    assert api.get("streams", Accept="text/html")["Content-Type"] == "application/json"
    assert api.get("nothing", Accept="text/html")["Content-Type"] == PROBLEM


@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed")])
def test_a_database_that_does_not_answer_is_503(api: Caller, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(streams, "newest_first", _raising(error))

    response = api.get("streams")

    assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
    assert int(response["Retry-After"]) >= 1
    assert "gone" not in response.content.decode()


def test_the_unexpected_is_logged_once_and_says_nothing_of_itself(
    api: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(streams, "newest_first", _raising(KeyError("a secret")))

    with caplog.at_level(logging.ERROR):
        response = api.get("streams")

    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "a secret" not in response.content.decode()
    assert response.json()["instance"] == f"urn:uuid:{response['X-Request-ID']}"
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1


@override_settings(ALLOWED_HOSTS=["example.org"])
def test_a_refusal_before_any_view_is_a_problem_too(api: Caller) -> None:
    response = api.get("streams")

    assert (response.status_code, response.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "limit=201", "limit=1e3", "limit=٣"])
def test_a_wrong_limit_is_refused(api: Caller, query: str) -> None:
    assert (api.get(f"streams?{query}").status_code, api.get(f"reviews?{query}").status_code) == (400, 400)


@pytest.mark.parametrize("cursor", ["x", "%00", "AAAA", "é", "=", "bnVsbA", "a" * 5000, "MC4w"])
def test_a_wrong_cursor_is_refused(api: Caller, stream: Stream, cursor: str) -> None:
    for path in (f"streams/{stream.slug}/cases?cursor=", f"streams/{stream.slug}/labels?after="):
        response = api.get(path + cursor)
        assert (response.status_code, response.json()["code"]) == (400, "query_invalid")


def test_wrong_words_in_a_query_are_refused(api: Caller, stream: Stream) -> None:
    for path in (
        f"streams/{stream.slug}/cases?state=open",
        "reviews?state=%00",
        "deliveries?state=lost",
        "deliveries?endpoint=%00",
        f"streams/{stream.slug}/labels?format=xml",
    ):
        assert api.get(path).status_code == 400
    assert api.get("reviews?stream=%00").status_code == 404


def _raising(error: Exception) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_a_client_that_sends_too_fast_is_told_when_to_go_on(
    api: Caller, bare_stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reviewapp.api.limits import Buckets

    monkeypatch.setattr(cases.IngestLimit, "buckets", Buckets(rate=0.1, burst=2))
    answers = [
        api.post(f"streams/{bare_stream.slug}/cases", {"external_id": str(number), "features": {}})
        for number in range(3)
    ]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert 1 <= int(answers[2]["Retry-After"]) <= 10
    assert answers[2].json()["code"] == "throttled"
    assert api.get(f"streams/{bare_stream.slug}/cases").status_code == 200
