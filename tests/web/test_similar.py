"""The panel of similar cases: on the desk, on the trace, and asked for alone with a choice."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from reviewapp.cases.models import Case, Prediction
from tests.factories import cases, reviews, streams

pytestmark = pytest.mark.django_db


@pytest.fixture
def cautious(db):
    return streams.ready(policy={"threshold": 1.0})


def settled(stream, user, dent, answer="intact"):
    return reviews.settled(stream, user, answer, case=cases.scored(stream, {"dent": dent, "tear": 5.0}))


@pytest.fixture
def case(cautious, ravi):
    for dent in (5.5, 6.0, 6.5, 7.0, 7.5):
        settled(cautious, ravi, dent)
    settled(cautious, ravi, 8.5, "damaged")
    case = cases.scored(cautious, {"dent": 5.0, "tear": 5.0})
    cases.explain_all()
    return case


def text(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", response.content.decode()))


def test_the_desk_says_the_mix_why_and_the_nearest_settled_otherwise(cautious, case, rosa, signed_in):
    review = reviews.claimed(cautious, rosa, case)

    shown = text(signed_in(rosa).get(reverse("review", args=[review.pk])))

    assert "5 of 5 settled as intact, the nearest" in shown
    assert "Agrees: tear 5" in shown
    assert "Nearest settled otherwise" in shown
    assert "Differs: dent 8.5 (here 5)" in shown


def test_a_choice_answers_the_panel_alone(case, rosa, signed_in):
    url = reverse("case_similar", args=[case.pk])

    response = signed_in(rosa).get(url, {"answer": "damaged"}, headers={"HX-Request": "true"})

    assert b"<html" not in response.content
    assert "1 of 1 settled as damaged" in text(response)
    assert "Not more than 1 of the settled cases fit this choice." in text(response)
    assert b'<option value="damaged" selected>' in response.content


def test_a_window_leaves_out_older_cases(case, rosa, signed_in):
    Case.objects.exclude(pk=case.pk).update(received_at=case.received_at - timedelta(days=60))
    client, url = signed_in(rosa), reverse("case_similar", args=[case.pk])

    assert "No settled case fits this choice." in text(client.get(url, {"window": "30"}))
    assert "5 of 5 settled" in text(client.get(url, {"window": "90"}))


def test_an_unknown_choice_means_everything(case, rosa, signed_in):
    response = signed_in(rosa).get(reverse("case_similar", args=[case.pk]), {"answer": "torn", "window": "soon"})

    assert response.status_code == 200
    assert "5 of 5 settled" in text(response)


def test_the_panel_is_withheld_from_whoever_may_have_to_answer_unseen(rosa, ravi, signed_in):
    stream = streams.ready(policy={"threshold": 1.0}, review_mode="blind")
    settled(stream, ravi, 6.0)
    blind = cases.scored(stream, {"dent": 5.0, "tear": 5.0})

    response = signed_in(rosa).get(reverse("case_similar", args=[blind.pk]))

    assert response.status_code == 403
    assert "settled as" not in text(response)


def test_a_case_without_prediction_has_no_panel(bare_stream, lead, signed_in):
    case = cases.received(bare_stream)

    assert signed_in(lead).get(reverse("case_similar", args=[case.pk])).status_code == 404


def test_how_unusual_a_case_is_stands_in_words_on_the_desk(cautious, rosa, signed_in):
    case = cases.scored(cautious, {"dent": 5.0, "tear": 5.0})
    cases.explain_all()
    Prediction.objects.filter(case=case).update(novelty=0.006)

    shown = text(signed_in(rosa).get(reverse("review", args=[reviews.claimed(cautious, rosa, case).pk])))

    assert "Very unusual for this model: only 0.6% of its training cases were stranger." in shown
