"""Replays of a case, and the case as one document."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from reviewapp.cases.actions import replaying
from reviewapp.events.models import Event
from reviewapp.registry.models import Stream
from reviewapp.webhooks import actions as webhooks
from reviewapp.webhooks import relay
from tests.api.calling import Caller
from tests.factories import cases, reviews, streams
from tests.people import acting

pytestmark = pytest.mark.django_db


def test_a_replay_is_accepted_and_its_location_tells_the_result(api: Caller, stream: Stream) -> None:
    case = cases.decided(stream)

    asked = api.post(f"cases/{case.pk}/replay")
    waiting = api.get(asked["Location"])
    replaying.replay_batch()
    done = api.get(asked["Location"]).json()

    assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
    assert waiting.json()["result"] is None
    assert "Retry-After" in waiting
    prediction = case.predictions.get()
    assert done["state"] == "done"
    assert done["prediction"] == str(prediction.pk)
    assert done["result"]["is_same"] is True
    assert done["result"]["difference"] <= 1e-6
    assert done["result"]["bundle"] == prediction.model_version.bundle_id
    assert list(done["result"]["original"]["probabilities"].values()) == prediction.probabilities


def test_one_of_several_predictions_can_be_named(api: Caller, stream: Stream) -> None:
    case = cases.decided(stream)
    prediction = case.predictions.get()

    named = api.post(f"cases/{case.pk}/replay", {"prediction": str(prediction.pk)})
    foreign = api.post(f"cases/{case.pk}/replay", {"prediction": str(cases.decided(stream).predictions.get().pk)})
    wrong = api.post(f"cases/{case.pk}/replay", {"prediction": 5, "model": 1})

    assert named.json()["prediction"] == str(prediction.pk)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "prediction_unknown")
    assert wrong.status_code == 422


def test_upstreams_own_model_is_not_replayable(api: Caller) -> None:
    stream = streams.upstream_scored()
    case = cases.received(stream, prediction=cases.external_prediction(intact=0.6, damaged=0.4))

    response = api.post(f"cases/{case.pk}/replay")

    assert (response.status_code, response.json()["code"]) == (409, "not_replayable")


def test_what_is_not_scored_yet_cannot_be_replayed(api: Caller, stream: Stream) -> None:
    response = api.post(f"cases/{cases.received(stream).pk}/replay")

    assert (response.status_code, response.json()["code"]) == (409, "prediction_pending")


def test_the_same_call_twice_asks_once(api: Caller, stream: Stream) -> None:
    case = cases.decided(stream)

    first, second = (api.post(f"cases/{case.pk}/replay", Idempotency_Key="once") for _ in range(2))

    assert first.json() == second.json()
    assert Event.objects.filter(case_id=str(case.pk), type="case.replay_requested").count() == 1


def test_nothing_of_another_team_is_replayed_or_exported(api: Caller, foreign_api: Caller, stream: Stream) -> None:
    case = cases.decided(stream)
    asked = api.post(f"cases/{case.pk}/replay")

    assert foreign_api.post(f"cases/{case.pk}/replay").status_code == 404
    assert foreign_api.get(asked["Location"]).status_code == 404
    assert foreign_api.get(f"cases/{case.pk}/export").status_code == 404
    assert api.get(f"cases/{case.pk}/replays/{uuid4()}").json()["code"] == "replay_unknown"
    assert api.get(f"cases/{cases.decided(stream).pk}/replays/{asked.json()['id']}").status_code == 404


def test_an_export_holds_all_that_is_kept(api: Caller, stream: Stream, rosa: Any, lead: Any) -> None:
    webhooks.create_endpoint(team=stream.team, url="http://127.0.0.1:9/hooks", by=acting(lead))
    case = reviews.settled(stream, rosa, "damaged")
    cases.explain_all()
    api.post(f"cases/{case.pk}/replay")
    replaying.replay_batch()

    response = api.get(f"cases/{case.pk}/export")
    told = response.json()

    assert response["Content-Disposition"] == f'attachment; filename="case-{case.pk}.json"'
    prediction = case.predictions.get()
    assert told["case"]["decision"]["class"] == "damaged"
    assert told["inputs"][0]["features"] == {"dent": 5.0, "tear": 5.0}
    assert told["models"][0]["bundle"] == prediction.model_version.bundle_id
    assert told["models"][0]["manifest"]["lineage"]["training_rows"] == 300
    assert told["policies"][0]["body"]["thresholds"] == {"intact": 0.9, "damaged": 0.9}
    assert list(told["predictions"][0]["probabilities"].values()) == prediction.probabilities
    assert told["predictions"][0]["reasons"][0]["code"] == "below_threshold"
    assert {one["column"] for one in told["explanations"][0]["attributions"]} == {"dent", "tear"}
    assert told["reviews"][0]["verdicts"][0]["reviewer"] == f"user:{rosa.pk}"
    assert [one["class"] for one in told["labels"]] == ["damaged"]
    assert told["replays"][0]["result"]["is_same"] is True
    assert [one["sequence"] for one in told["events"]] == list(range(1, len(told["events"]) + 1))


def test_an_external_case_is_exported_too(api: Caller) -> None:
    stream = streams.upstream_scored()
    case = cases.received(stream, prediction=cases.external_prediction(intact=0.6, damaged=0.4))

    told = api.get(f"cases/{case.pk}/export").json()

    assert told["models"][0]["manifest"] is None
    assert told["predictions"][0]["probabilities"] == {"intact": 0.6, "damaged": 0.4}


def test_an_endpoints_address_is_exported_to_those_who_may_see_endpoints(
    stream: Stream, rosa: Any, auditor: Any, lead: Any, person: Callable[[Any], Caller], new_key: Callable[..., str]
) -> None:
    webhooks.create_endpoint(team=stream.team, url="http://127.0.0.1:9/hooks", by=acting(lead))
    case = cases.decided(stream)
    relay.relay_batch()
    callers = (person(auditor), Caller(key=new_key("cases:read", "endpoints:read")))
    blind = (person(rosa), Caller(key=new_key("cases:read", name="reader")))

    for callers_of, expected in ((callers, "http://127.0.0.1:9/hooks"), (blind, None)):
        for caller in callers_of:
            (delivery,) = caller.get(f"cases/{case.pk}/export").json()["deliveries"]
            assert delivery["address"] == expected


def test_a_key_without_the_scope_and_a_reviewer_may_not_replay(
    stream: Stream, rosa: Any, auditor: Any, person: Callable[[Any], Caller], new_key: Callable[..., str]
) -> None:
    case = cases.decided(stream)

    assert Caller(key=new_key("cases:read")).post(f"cases/{case.pk}/replay").json()["code"] == "scope_missing"
    for who, status in ((rosa, 403), (auditor, 202)):
        caller = person(who)
        caller.client.get("/me")
        assert caller.post(f"cases/{case.pk}/replay").status_code == status
