"""Other input for a known case, and the truth learnt later."""

import pytest

from reviewapp.cases.models import Case, Label, Review
from reviewapp.registry.models import Stream
from tests.api.calling import Caller
from tests.factories import bundles, cases, reviews

pytestmark = pytest.mark.django_db


def test_an_amended_case_is_scored_anew(api: Caller, stream: Stream) -> None:
    case = cases.in_review(stream)

    response = api.put(f"cases/{case.pk}/input", {"features": bundles.CLEARLY_INTACT}, If_Match='"1"')

    assert response.status_code == 200
    assert response["ETag"] == '"2"'
    assert (response.json()["state"], response.json()["generation"]) == ("scoring", 2)
    assert Review.objects.get().state == "withdrawn"
    cases.score_all()
    assert api.get(f"cases/{case.pk}").json()["decision"]["class"] == "intact"


def test_a_stale_generation_is_refused(api: Caller, stream: Stream) -> None:
    case = cases.received(stream)

    response = api.put(f"cases/{case.pk}/input", {"features": bundles.CLEARLY_INTACT}, If_Match="7")

    assert (response.status_code, response.json()["code"]) == (412, "generation_stale")
    assert response.json()["generation"] == 1


def test_without_if_match_nothing_is_amended(api: Caller, stream: Stream) -> None:
    case = cases.received(stream)

    response = api.put(f"cases/{case.pk}/input", {"features": bundles.CLEARLY_INTACT})

    assert (response.status_code, response.json()["code"]) == (428, "if_match_required")


@pytest.mark.parametrize("value", ["*", "0", "-1", "one", '"1', "99999999999", "1, 2", "é"])
def test_an_if_match_that_is_no_generation_is_refused(api: Caller, stream: Stream, value: str) -> None:
    case = cases.received(stream)

    response = api.put(f"cases/{case.pk}/input", {"features": bundles.CLEARLY_INTACT}, If_Match=value)

    assert response.status_code == 400
    assert Case.objects.get().generation == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"features": {"dent": 1}}, "features.tear"),
        ({}, "features"),
        ({"features": bundles.UNCLEAR, "external_id": "x"}, "external_id"),
        ({"features": bundles.UNCLEAR, "observed_at": "yesterday"}, "observed_at"),
    ],
)
def test_wrong_input_is_refused_by_field(api: Caller, stream: Stream, body: object, field: str) -> None:
    case = cases.received(stream)

    response = api.put(f"cases/{case.pk}/input", body, If_Match="1")

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


def test_the_same_input_again_changes_nothing(api: Caller, stream: Stream) -> None:
    case = cases.received(stream)

    response = api.put(f"cases/{case.pk}/input", {"features": bundles.UNCLEAR}, If_Match="1")

    assert (response.status_code, response.json()["generation"]) == (200, 1)


def test_the_same_input_observed_anew_is_an_amendment(api: Caller, stream: Stream) -> None:
    case = cases.received(stream)
    body = {"features": bundles.UNCLEAR, "observed_at": "2026-01-31T12:00:00+01:00"}

    response = api.put(f"cases/{case.pk}/input", body, If_Match="1")

    assert (response.status_code, response.json()["generation"]) == (200, 2)
    assert case.inputs.get(generation=2).observed_at.isoformat() == "2026-01-31T11:00:00+00:00"


def test_an_outcome_becomes_a_label(api: Caller, stream: Stream) -> None:
    case = cases.decided(stream)

    response = api.post(f"cases/{case.pk}/outcome", {"class": "damaged"})
    again = api.post(f"cases/{case.pk}/outcome", {"class": "damaged"})

    assert response.status_code == 200
    assert (response.json()["class"], response.json()["source"]) == ("damaged", "outcome")
    assert again.json()["id"] == response.json()["id"]
    assert Label.objects.get().answer == "damaged"
    assert api.get(f"cases/{case.pk}").json()["label"]["class"] == "damaged"


@pytest.mark.parametrize("body", [{"class": "lost"}, {"class": ""}, {}, {"class": 1.5}, {"class": None}])
def test_an_outcome_must_be_a_class_of_the_stream(api: Caller, stream: Stream, body: object) -> None:
    case = cases.decided(stream)

    response = api.post(f"cases/{case.pk}/outcome", body)

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "class"
    assert not Label.objects.exists()


def test_an_outcome_does_not_touch_the_open_review(api: Caller, stream: Stream) -> None:
    review = reviews.waiting(stream)

    api.post(f"cases/{review.case_id}/outcome", {"class": "damaged"})

    assert api.get(f"cases/{review.case_id}").json()["state"] == "in_review"
