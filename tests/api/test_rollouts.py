"""Rollouts and the comparison over REST."""

from collections.abc import Callable
from typing import Any

import pytest

from reviewapp.cases.models import Recall
from reviewapp.registry.actions import rollouts
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion, Stream
from tests.api.calling import Caller
from tests.factories import bundles, cases, rivals

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(stream: Stream) -> str:
    return f"streams/{stream.slug}/rollouts"


@pytest.fixture
def rival(stream: Stream) -> ModelVersion:
    return rivals.version(stream)


def step(name: str, **content: Any) -> dict[str, Any]:
    return {"step": name, "reason": "to see", **content}


def test_every_step_answers_the_rollout_that_it_made(
    api: Caller, path: str, stream: Stream, rival: ModelVersion
) -> None:
    canary = api.post(path, step("canary", model_version=2, share=0.1, guards={"min_cases": 100, "latency": None}))
    assert canary.status_code == 201
    made = canary.json()
    assert (made["generation"], made["step"], made["is_live"], made["primary"]) == (2, "canary", True, 1)
    assert (made["canary"]["model_version"], made["canary"]["share"]) == (2, 0.1)
    assert made["canary"]["guards"]["min_cases"] == 100
    assert made["canary"]["guards"]["latency"] is None
    assert made["reason"] == "to see"
    assert made["created_by"].startswith("client:")

    assert api.post(path, step("promote", model_version=2)).json()["previous"] == 1
    assert api.post(path, step("shadow", model_version=1)).json()["shadows"] == [1]
    assert api.post(path, step("stop_shadow", model_version=1)).json()["shadows"] == []
    back = api.post(path, step("roll_back")).json()
    assert (back["step"], back["primary"], back["previous"]) == ("rolled_back", 1, None)


def test_rollouts_are_listed_newest_first_with_the_live_one_marked(
    api: Caller, path: str, stream: Stream, rival: ModelVersion
) -> None:
    rollouts.promote(version=rival, by=SYSTEM, reason="better")

    first = api.get(f"{path}?limit=1").json()
    rest = api.get(f"{path}?cursor={first['next']}").json()

    assert [(one["generation"], one["is_live"], one["reason"]) for one in first["items"]] == [(2, True, "better")]
    assert [(one["generation"], one["is_live"]) for one in rest["items"]] == [(1, False)]


def test_a_rollback_sends_the_decisions_to_review_where_asked(
    api: Caller, path: str, stream: Stream, rival: ModelVersion
) -> None:
    rollouts.promote(version=rival, by=SYSTEM)
    cases.decided(stream)

    assert api.post(path, step("roll_back", send_to_review=True)).status_code == 201

    assert Recall.objects.get().model_version == rival


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (step("canary", model_version=2), 422, "field_missing"),
        (step("canary", model_version=2, share=2), 422, "share_invalid"),
        (step("canary", model_version=2, share=0.1, guards={"speed": 1}), 422, "guards_invalid"),
        (step("promote"), 422, "field_missing"),
        (step("promote", model_version=2, share=0.1), 422, "field_unexpected"),
        (step("promote", model_version=99), 404, "model_version_unknown"),
        (step("shadow", model_version=1), 409, "already_serving"),
        (step("stop_shadow", model_version=2), 409, "not_serving"),
        (step("roll_back"), 409, "nothing_before"),
        ({"step": "promote", "model_version": 2}, 422, "invalid"),
        (step("fly", model_version=2), 422, "invalid"),
    ],
)
def test_what_cannot_be_done_says_why(
    api: Caller, path: str, rival: ModelVersion, stream: Stream, body: dict[str, Any], status: int, code: str
) -> None:
    response = api.post(path, body)

    assert (response.status_code, response.json()["code"]) == (status, code)
    stream.refresh_from_db()
    assert stream.live_rollout.generation == 1


def test_the_same_call_twice_is_one_step(api: Caller, path: str, stream: Stream, rival: ModelVersion) -> None:
    body = step("shadow", model_version=2)

    first, second = (api.post(path, body, Idempotency_Key="once") for _ in range(2))

    assert first.json() == second.json()
    assert stream.rollouts.count() == 2


def test_rollouts_need_the_scope_and_are_not_there_for_others(
    path: str, stream: Stream, rival: ModelVersion, new_key: Callable[..., str], foreign_api: Caller
) -> None:
    reader = Caller(key=new_key("streams:read", name="reader"))

    assert reader.get(path).status_code == 200
    assert reader.post(path, step("promote", model_version=2)).status_code == 403
    assert foreign_api.get(path).status_code == 404
    assert foreign_api.post(path, step("promote", model_version=2)).status_code == 404
    assert foreign_api.get(f"streams/{stream.slug}/comparison?one=1&other=2").status_code == 404


def test_two_versions_are_compared(api: Caller, stream: Stream, rival: ModelVersion) -> None:
    rollouts.start_shadow(version=rival, by=SYSTEM)
    for features in (rivals.TORN, bundles.CLEARLY_INTACT, bundles.CLEARLY_INTACT):
        cases.scored(stream, features)
    rivals.shadow_all()

    found = api.get(f"streams/{stream.slug}/comparison?one=1&other=2").json()

    assert (found["agreement"]["num"], found["agreement"]["of"]) == (2, 3)
    assert found["agreement"]["low"] < found["agreement"]["share"] < found["agreement"]["high"]
    assert found["differences"] == [{"one": "damaged", "other": "intact", "cases": 1}]
    assert (found["one"]["model_version"], found["one"]["predictions"]) == (1, 3)
    assert found["other"]["automated"] == {"num": 0, "of": 0, "share": None, "low": 0.0, "high": 1.0}
    assert [each["name"] for each in found["classes"]] == list(stream.classes)


@pytest.mark.parametrize(("query", "status"), [("one=1", 400), ("one=x&other=1", 400), ("one=1&other=99", 404)])
def test_a_comparison_of_what_is_not_there_is_refused(query: str, status: int, api: Caller, stream: Stream) -> None:
    assert api.get(f"streams/{stream.slug}/comparison?{query}").status_code == status
