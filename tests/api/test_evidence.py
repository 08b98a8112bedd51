"""Explanation, similar cases and timeline of a case."""

import csv
import io
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


def test_an_explanation_is_exported_with_what_it_belongs_to(api: Caller, stream: Stream) -> None:
    case = cases.in_review(stream)
    cases.explain_all()

    response = api.get(f"cases/{case.pk}/explanation/export")
    written = response.json()

    prediction = Prediction.objects.select_related("model_version").get(case=case)
    assert f'filename="explanation-{case.pk}.json"' in response["Content-Disposition"]
    assert written["bundle"] == prediction.model_version.bundle_id
    assert (written["case"], written["external_id"]) == (str(case.pk), case.external_id)
    assert written["explanation"] == api.get(f"cases/{case.pk}/explanation").json()


def test_an_explanation_as_csv_adds_up_line_by_line(api: Caller, stream: Stream) -> None:
    case = cases.in_review(stream)
    cases.explain_all()

    response = api.get(f"cases/{case.pk}/explanation/export?format=csv")
    lines = list(csv.DictReader(io.StringIO(response.content.decode())))

    values = {line["column"]: float(line["attribution"]) for line in lines}
    assert response["Content-Type"].startswith("text/csv")
    assert set(values) == {"(base value)", "dent", "tear", "(residual)", "(output)"}
    total = values["(base value)"] + values["dent"] + values["tear"]
    assert abs(total - values["(output)"]) == pytest.approx(values["(residual)"], abs=1e-9)


def test_words_of_a_text_and_sampling_errors_are_in_both_files(api: Caller, stream: Stream) -> None:
    case = cases.in_review(stream)
    Explanation.objects.create(
        prediction=Prediction.objects.get(),
        method="permutation_shap",
        state="ready",
        answer="intact",
        output_space="probability",
        base_value=0.5,
        output_value=0.9,
        residual=0.1,
        is_additive=False,
        sampling_error=0.02,
        evaluations=400,
        attributions=[
            {
                "column": "note",
                "value": "=fine",
                "attribution": 0.3,
                "error": 0.02,
                "words": [{"word": "=fine", "attribution": 0.2}],
                "rest": 0.1,
            }
        ],
    )

    shown = api.get(f"cases/{case.pk}/explanation").json()
    table = api.get(f"cases/{case.pk}/explanation/export?format=csv").content.decode().splitlines()

    assert (shown["is_additive"], shown["sampling_error"], shown["evaluations"]) == (False, 0.02, 400)
    assert shown["attributions"][0]["words"] == [{"word": "=fine", "attribution": 0.2}]
    assert table[2:4] == ["note,'=fine,,0.2,", "note,,'=fine,0.1,0.02"]


def test_an_unknown_format_and_a_missing_explanation_are_refused(api: Caller, stream: Stream) -> None:
    case = cases.in_review(stream)

    assert api.get(f"cases/{case.pk}/explanation/export?format=pdf").status_code == 400
    assert api.get(f"cases/{case.pk}/explanation/export").json()["code"] == "explanation_pending"
