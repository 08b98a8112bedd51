"""Explanation, similar cases and timeline of a case."""

from typing import Any

import pytest

from reviewapp.cases.models import Explanation, Prediction
from reviewapp.registry.models import Stream
from tests.api.calling import Caller
from tests.factories import cases, reviews, streams

pytestmark = pytest.mark.django_db


def test_a_finished_explanation_adds_up(api: Caller, stream: Stream) -> None:
    case = cases.in_review(stream)
    cases.explain_all()

    shown = api.get(f"cases/{case.pk}/explanation").json()

    assert {entry["column"] for entry in shown["attributions"]} == {"dent", "tear"}
    total = shown["base_value"] + sum(entry["attribution"] for entry in shown["attributions"])
    assert total == pytest.approx(shown["output_value"], abs=1e-4)
    assert shown["is_additive"] is True


@pytest.mark.parametrize("stage", ["unscored", "waiting", "failed", "unseen"])
def test_what_stands_in_the_way_of_an_explanation_is_said(api: Caller, stream: Stream, stage: str) -> None:
    case = {"unscored": cases.received, "unseen": cases.decided}.get(stage, cases.in_review)(stream)
    if stage == "failed":
        Explanation.objects.create(
            prediction=Prediction.objects.get(),
            method="unavailable",
            state="failed",
            failure="too slow",
            answer="intact",
        )

    response = api.get(f"cases/{case.pk}/explanation")

    codes = {
        "unscored": "prediction_pending",
        "waiting": "explanation_pending",
        "failed": "explanation_failed",
        "unseen": "explanation_not_made",
    }
    assert (response.status_code, response.json()["code"]) == (404, codes[stage])
    assert ("Retry-After" in response) == (stage == "waiting")
    assert ("too slow" in response.json()["detail"]) == (stage == "failed")


def test_upstreams_model_cannot_be_explained_here(api: Caller) -> None:
    stream = streams.upstream_scored()
    case = cases.received(stream, prediction=cases.external_prediction(intact=0.6, damaged=0.4))

    assert api.get(f"cases/{case.pk}/explanation").json()["code"] == "not_explainable"


def test_similar_cases_are_settled_ones_and_few_of_them_are_said(api: Caller, stream: Stream, rosa: Any) -> None:
    settled = reviews.settled(stream, rosa, "damaged")
    case = cases.in_review(stream)
    cases.explain_all()

    shown = api.get(f"cases/{case.pk}/similar").json()

    assert [(one["case"], one["class"]) for one in shown["items"]] == [(str(settled.pk), "damaged")]
    assert "1" in shown["note"]


def test_the_timeline_tells_everything_in_order(api: Caller, stream: Stream) -> None:
    case = cases.decided(stream)
    api.post(f"cases/{case.pk}/outcome", {"class": "damaged"})

    first = api.get(f"cases/{case.pk}/timeline?limit=2").json()
    second = api.get(f"cases/{case.pk}/timeline?limit=2&cursor={first['next']}").json()

    told = first["items"] + second["items"]
    assert [event["type"] for event in told] == ["case.received", "decision.made", "label.recorded"]
    assert [event["sequence"] for event in told] == [1, 2, 3]
    assert told[1]["payload"]["decision"]["class"] == "intact"
    assert second["next"] is None
