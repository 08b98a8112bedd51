"""Who may call what."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.urls import get_resolver
from django.utils import timezone

from reviewapp.api import urls
from reviewapp.registry.actions import clients
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ApiKey, Stream
from tests.api.calling import ROOT, Caller
from tests.api.conftest import NewKey
from tests.factories import cases, reviews, streams, teams

pytestmark = pytest.mark.django_db
SOME_ID = UUID("0190a5a0-0000-7000-8000-000000000000")


def operations() -> list[tuple[str, str, str]]:
    """Every (method, path, scope) of the URL configuration."""
    found = []
    for pattern in urls.urlpatterns:
        view: Any = pattern.callback.view_class if hasattr(pattern.callback, "view_class") else pattern.callback.cls
        path = str(pattern.pattern).replace("<slug:stream>", "{stream}")
        for name in ("case_id", "review_id", "endpoint_id", "delivery_id", "replay_id", "back_test_id"):
            path = path.replace(f"<uuid:{name}>", str(SOME_ID))
        path = path.replace("<int:number>", "1").replace("<path:answer>", "intact")
        found += [(method, path, scope) for method, scope in getattr(view, "scopes", {}).items()]
    return found


OPERATIONS = operations()
KEYED = [one for one in OPERATIONS if one[2] in clients.SCOPES]


def test_the_walk_finds_the_whole_api() -> None:
    assert len(OPERATIONS) >= 36
    assert get_resolver().resolve(f"{ROOT}/docs").url_name == "docs"


@pytest.mark.parametrize(("method", "path", "scope"), OPERATIONS)
def test_without_a_key_nothing_is_answered(nobody: Caller, stream: Stream, method: str, path: str, scope: str) -> None:
    response = nobody.send(method, path.format(stream=stream.slug))

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path", "scope"), KEYED)
def test_a_key_without_the_scope_is_refused(
    new_key: NewKey, stream: Stream, method: str, path: str, scope: str
) -> None:
    others = [one for one in clients.SCOPES if one != scope]

    response = Caller(key=new_key(*others)).send(method, path.format(stream=stream.slug))

    assert (response.status_code, response.json()["code"]) == (403, "scope_missing")
    assert response.json()["scope"] == scope


@pytest.mark.parametrize(("method", "path", "scope"), [one for one in OPERATIONS if one[2] == "person"])
def test_claiming_and_answering_need_a_person(api: Caller, method: str, path: str, scope: str) -> None:
    response = api.send(method, path)

    assert (response.status_code, response.json()["code"]) == (403, "person_required")


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in KEYED if "{stream}" in path])
def test_streams_of_another_team_do_not_exist(foreign_api: Caller, stream: Stream, method: str, path: str) -> None:
    response = foreign_api.send(method, path.format(stream=stream.slug), _body_for(path))

    assert (response.status_code, response.json()["code"]) == (404, "stream_unknown")


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in KEYED if "{stream}" in path])
def test_a_key_of_one_stream_does_not_see_another(new_key: NewKey, stream: Stream, method: str, path: str) -> None:
    own = streams.bare()

    response = Caller(key=new_key(only=(own,))).send(method, path.format(stream=stream.slug), _body_for(path))

    assert response.status_code == 404


def _body_for(path: str) -> Any:
    return {"scope": "all", "reason": "a drill"} if path.endswith("hold") else {}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "cases/{case}"),
        ("PUT", "cases/{case}/input"),
        ("POST", "cases/{case}/outcome"),
        ("GET", "cases/{case}/explanation"),
        ("GET", "cases/{case}/similar"),
        ("GET", "cases/{case}/timeline"),
        ("GET", "reviews/{review}"),
    ],
)
def test_foreign_ids_do_not_exist(foreign_api: Caller, new_key: NewKey, stream: Stream, method: str, path: str) -> None:
    review = reviews.waiting(stream)
    restricted = Caller(key=new_key(only=(streams.bare(),)))
    url = path.format(case=review.case_id, review=review.pk)

    answers = [caller.send(method, url, {"class": "intact"}) for caller in (foreign_api, restricted)]

    assert [answer.status_code for answer in answers] == [404, 404]


def test_lists_hold_nothing_of_another_team(foreign_api: Caller, stream: Stream) -> None:
    reviews.waiting(stream)

    for path in ("streams", "reviews", "endpoints", "deliveries"):
        assert foreign_api.get(path).json()["items"] == []


def test_a_revoked_key_ends_with_the_next_request(api: Caller, stream: Stream) -> None:
    assert api.get("streams").status_code == 200

    clients.revoke_key(key=ApiKey.objects.get(), by=SYSTEM)

    assert api.get("streams").status_code == 401
    sent = api.post(f"streams/{stream.slug}/cases", {"external_id": "a", "features": {}})
    assert (sent.status_code, sent.json()["code"]) == (401, "key_invalid")


def test_an_expired_key_is_refused(new_key: NewKey) -> None:
    key = new_key(expires_at=timezone.now() - timedelta(seconds=1))

    assert Caller(key=key).get("streams").status_code == 401


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "rva_",
        "rva_abc",
        "rva__",
        "rva_abc_def",
        f"rva_{'a' * 12}_{'b' * 43}",
        "rva_\x00_\x00",
        "rva_é_é",
    ],
)
def test_what_is_no_key_is_refused(db: Any, text: str) -> None:
    response = Caller(key=text or " ").get("streams")

    assert response.status_code == 401


def test_the_secret_must_fit_the_prefix(api_key: str) -> None:
    other = api_key[:-1] + ("A" if api_key[-1] != "A" else "B")

    assert Caller(key=other).get("streams").status_code == 401


def test_use_of_a_key_is_noted(api: Caller) -> None:
    assert ApiKey.objects.get().last_used_at is None

    api.get("streams")

    assert ApiKey.objects.get().last_used_at is not None


def test_a_person_reads_reviews_but_nothing_that_is_for_keys(person: Any, stream: Stream) -> None:
    case = cases.in_review(stream)
    rosa = person(teams.member("Rosa", role="reviewer"))

    assert rosa.get("reviews").status_code == 200
    assert rosa.get(f"cases/{case.pk}").status_code == 401
    assert rosa.get("endpoints").status_code == 401


def test_a_signed_in_person_needs_the_csrf_token(person: Any, stream: Stream) -> None:
    rosa = person(teams.member("Rosa", role="reviewer"))

    response = rosa.post("reviews/claim", {"stream": stream.slug})

    assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")
