"""Sending and reading cases."""

from typing import Any

from reviewapp.cases.models import Case, Work
from reviewapp.events.models import Event
from reviewapp.registry.models import Stream
from tests.api.calling import Caller
from tests.factories import bundles, cases, streams


def sent(external_id: str = "parcel-a", **body: Any) -> dict[str, Any]:
    return {"external_id": external_id, "features": bundles.UNCLEAR, **body}


def test_a_case_is_accepted_with_its_work_and_its_event(api: Caller, stream: Stream) -> None:
    response = api.post(f"streams/{stream.slug}/cases", sent(context={"from": "depot 7"}))

    assert response.status_code == 202
    case = Case.objects.get()
    assert response["Location"] == f"/api/v1/cases/{case.pk}" == response.json()["url"]
    assert response["ETag"] == '"1"'
    assert response.json()["state"] == "scoring"
    assert case.inputs.get().context == {"from": "depot 7"}
    assert Work.objects.get().subject == str(case.pk)
    event = Event.objects.get(type="case.received")
    assert (event.case_id, event.sequence) == (str(case.pk), 1)


def test_what_is_accepted_equals_what_is_read_later(api: Caller, stream: Stream) -> None:
    accepted = api.post(f"streams/{stream.slug}/cases", sent()).json()

    read = api.get(f"cases/{accepted['id']}").json()

    assert {name: read[name] for name in accepted} == accepted


def test_the_same_case_again_is_a_replay_with_the_case_as_it_is_now(api: Caller, stream: Stream) -> None:
    first = api.post(f"streams/{stream.slug}/cases", sent(features=bundles.CLEARLY_INTACT)).json()
    cases.score_all()

    again = api.post(f"streams/{stream.slug}/cases", sent(features=bundles.CLEARLY_INTACT))

    assert again.status_code == 200
    assert again["Idempotent-Replayed"] == "true"
    assert again.json()["id"] == first["id"]
    assert again.json()["decision"]["class"] == "intact"
    assert Case.objects.count() == 1


def test_key_order_and_whole_numbers_do_not_make_another_case(api: Caller, stream: Stream) -> None:
    api.send("POST", f"streams/{stream.slug}/cases", b'{"external_id": "x", "features": {"dent": 5, "tear": 4}}')

    again = api.send("POST", f"streams/{stream.slug}/cases", b'{"features":{"tear":4.0,"dent":5.0},"external_id":"x"}')

    assert again.status_code == 200


def test_other_content_under_a_known_id_is_a_conflict_that_names_the_way_on(api: Caller, stream: Stream) -> None:
    first = api.post(f"streams/{stream.slug}/cases", sent()).json()

    response = api.post(f"streams/{stream.slug}/cases", sent(features=bundles.CLEARLY_INTACT))

    assert response.status_code == 409
    problem = response.json()
    assert problem["code"] == "case_conflict"
    assert problem["case"] == first["id"]
    assert problem["amend"] == f"/api/v1/cases/{first['id']}/input"


def test_a_wrong_column_is_named_with_what_was_expected(api: Caller, stream: Stream) -> None:
    response = api.post(f"streams/{stream.slug}/cases", sent(features={"dent": "deep", "weight": 3}))

    assert response.status_code == 422
    errors = {error["column"]: error["code"] for error in response.json()["errors"]}
    assert errors == {"dent": "wrong_type", "tear": "missing", "weight": "unknown_column"}
    assert not Case.objects.exists()


def test_an_unknown_stream_is_not_found(api: Caller, stream: Stream) -> None:
    response = api.post("streams/no-such-stream/cases", sent())

    assert (response.status_code, response.json()["code"]) == (404, "stream_unknown")


def test_a_stream_without_contract_takes_any_object(api: Caller, bare_stream: Stream) -> None:
    response = api.post(f"streams/{bare_stream.slug}/cases", sent(features={"anything": [1, {"else": None}]}))

    assert response.status_code == 202


def test_upstreams_own_prediction_is_gated_at_once(api: Caller) -> None:
    stream = streams.upstream_scored()
    prediction = cases.external_prediction(intact=0.98, damaged=0.02)

    response = api.post(f"streams/{stream.slug}/cases", sent(prediction=prediction))

    assert response.status_code == 202
    assert response.json()["state"] == "decided"
    assert response.json()["decision"]["class"] == "intact"


def test_a_prediction_of_another_model_is_refused(api: Caller) -> None:
    stream = streams.upstream_scored()
    prediction = cases.external_prediction(model="who-knows", intact=0.98, damaged=0.02)

    response = api.post(f"streams/{stream.slug}/cases", sent(prediction=prediction))

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "prediction.model"
    assert not Case.objects.exists()


def test_a_traceparent_travels_with_the_work(api: Caller, stream: Stream) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    api.post(f"streams/{stream.slug}/cases", sent("a"), traceparent=trace)
    api.post(f"streams/{stream.slug}/cases", sent("b"), traceparent="nonsense")

    assert list(Work.objects.order_by("id").values_list("traceparent", flat=True)) == [trace, ""]


def test_the_list_is_paged_newest_first_without_gaps(api: Caller, stream: Stream) -> None:
    for number in range(5):
        cases.received(stream, external_id=f"parcel-{number}")

    first = api.get(f"streams/{stream.slug}/cases?limit=2").json()
    second = api.get(f"streams/{stream.slug}/cases?limit=2&cursor={first['next']}").json()
    last = api.get(f"streams/{stream.slug}/cases?limit=2&cursor={second['next']}").json()

    seen = [case["external_id"] for page in (first, second, last) for case in page["items"]]
    assert seen == ["parcel-4", "parcel-3", "parcel-2", "parcel-1", "parcel-0"]
    assert last["next"] is None


def test_the_list_can_be_asked_for_one_state(api: Caller, stream: Stream) -> None:
    cases.decided(stream, external_id="settled")
    cases.received(stream, external_id="waiting")

    listed = api.get(f"streams/{stream.slug}/cases?state=decided").json()["items"]

    assert [case["external_id"] for case in listed] == ["settled"]
    assert listed[0]["decision"]["source"] == "auto"


def test_a_case_shows_input_prediction_decision_and_label(api: Caller, stream: Stream) -> None:
    case = cases.decided(stream, context={"depot": "7"}, observed_at="2026-01-31T12:00:00+02:00")

    shown = api.get(f"cases/{case.pk}").json()

    assert shown["input"]["features"] == bundles.CLEARLY_INTACT
    assert shown["input"]["context"] == {"depot": "7"}
    assert shown["input"]["observed_at"] == "2026-01-31T10:00:00Z"
    assert shown["prediction"]["class"] == "intact"
    assert shown["prediction"]["probabilities"]["intact"] == shown["prediction"]["confidence"]
    assert shown["prediction"]["route"] == "auto"
    assert shown["decision"]["class"] == "intact"
    assert shown["label"] is None
