"""The explanation card: how it was worked out, a residual that is too large, errors, and the words of a text."""

import pytest
from django.urls import reverse

from reviewapp.cases.models import Explanation, Prediction
from tests.factories import cases, reviews

pytestmark = pytest.mark.django_db


def made(prediction: Prediction, **changes) -> Explanation:
    content = {
        "prediction": prediction,
        "method": "permutation_shap",
        "state": "ready",
        "answer": "intact",
        "output_space": "probability",
        "base_value": 0.5,
        "output_value": 0.9,
        "residual": 0.0,
        "is_additive": True,
        "background": "ab" * 32,
        "sampling_error": 0.0123,
        "evaluations": 4321,
        "attributions": [
            {
                "column": "dent",
                "value": "a “scratch” and <b>rust</b>",
                "attribution": 0.4,
                "error": 0.0123,
                "words": [{"word": "rust", "attribution": 0.5}, {"word": "<b>", "attribution": -0.2}],
                "rest": 0.1,
            },
            {"column": "tear", "value": 2.0, "attribution": 0.0, "error": 0.0},
        ],
        **changes,
    }
    return Explanation.objects.create(**content)


def desk(rosa, stream, signed_in, **changes) -> str:
    review = reviews.claimed(stream, rosa)
    made(review.prediction, **changes)
    return signed_in(rosa).get(reverse("review", args=[review.pk])).content.decode()


def test_a_residual_beyond_tolerance_is_shown_on_the_desk_and_on_the_case(stream, rosa, signed_in):
    shown = desk(rosa, stream, signed_in, residual=0.25, is_additive=False)
    case = Prediction.objects.get().case
    trace = signed_in(rosa).get(reverse("case", args=[case.pk])).content.decode()

    for page in (shown, trace):
        assert (
            "The bars miss the model&#x27;s output by 2.5e-01" in page
            or "The bars miss the model's output by 2.5e-01" in page
        )


def test_an_explanation_that_adds_up_has_no_warning(stream, rosa, signed_in):
    assert "The bars miss" not in desk(rosa, stream, signed_in)


def test_a_sampled_explanation_says_so_with_its_error_and_background(stream, rosa, signed_in):
    shown = desk(rosa, stream, signed_in)

    assert "Sampled: the model was asked again" in shown
    assert "up to ±0.012" in shown
    assert "4321 answers" in shown
    assert "abababababab" in shown


def test_words_of_a_text_stand_below_its_bar_and_are_escaped(stream, rosa, signed_in):
    shown = desk(rosa, stream, signed_in)

    assert shown.count('class="shap-part"') == 3
    assert "“rust”" in shown
    assert "“&lt;b&gt;”" in shown
    assert "everything else about it" in shown
    assert "<b>rust" not in shown


def test_the_case_offers_its_explanation_as_files(stream, rosa, signed_in):
    review = reviews.claimed(stream, rosa)
    cases.explain_all()
    url = reverse("api:case-explanation-export", args=[review.case_id])
    client = signed_in(rosa)

    trace = client.get(reverse("case", args=[review.case_id])).content.decode()

    assert f'href="{url}?format=csv"' in trace
    assert client.get(url).json()["explanation"]["method"] == "tree_shap_interventional"
