"""The small pictures: what they say, and that no locale reaches their numbers."""

import re
from typing import Any

import pytest
from django.template import Context, Template
from django.test import override_settings
from django.utils import translation

from reviewapp.web.templatetags.glyphs import percent, signed


def rendered(tag: str, **context: Any) -> str:
    return Template("{% load glyphs badges %}" + tag).render(Context(context))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0%"),
        (0.0004, "< 0.1%"),
        (0.5, "50.0%"),
        (0.9994, "99.9%"),
        (0.99999, "> 99.9%"),
        (1, "100.0%"),
        (None, "–"),
    ],
)
def test_a_probability_is_never_rounded_to_certainty(value: float | None, text: str) -> None:
    assert percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.1234, "+0.123"), (-2, "−2.000"), (-0.0001, "0.000"), (0, "0.000"), (None, "–")]
)
def test_an_attribution_carries_its_sign(value: float | None, text: str) -> None:
    assert signed(value) == text


@pytest.mark.parametrize(
    ("value", "look"), [(0.96, "confidence-reached"), (0.95, "confidence-reached"), (0.94, "confidence-missed")]
)
def test_a_confidence_bar_says_whether_the_threshold_is_reached(value: float, look: str) -> None:
    html = rendered("{% confidence_bar value 0.95 %}", value=value)

    assert look in html
    assert f'aria-label="{value * 100:.1f}%, threshold 95.0%"' in html
    assert f'width="{value * 100:.2f}"' in html


def test_a_confidence_bar_without_threshold_has_no_mark() -> None:
    html = rendered("{% confidence_bar 0.5 %}")

    assert "glyph-mark" not in html
    assert "threshold" not in html


def test_probability_rows_keep_their_order_and_mark_the_predicted_class() -> None:
    html = rendered('{% probability_rows p 0.9 "b" %}', p={"a": 0.03, "b": 0.95, "c": 0.02})

    assert re.findall(r"</span>([abc])</th>|<th scope=\"row\">([abc])</th>", html) == [("", "a"), ("b", ""), ("", "c")]
    assert html.count("is-predicted") == 1
    assert html.count("glyph-mark") == 1


def test_probability_rows_take_a_threshold_per_class() -> None:
    html = rendered(
        '{% probability_rows p thresholds "b" %}',
        p=[("a", 0.05), ("b", 0.95)],
        thresholds={"a": 0.8, "b": None},
    )

    assert html.count('class="glyph-mark" x1="80.00"') == 1


def test_a_class_name_is_escaped() -> None:
    html = rendered("{% probability_rows p %}", p={"<b>x</b>": 1.0})

    assert "<b>" not in html


def test_shap_bars_diverge_from_the_middle_and_scale_to_the_largest() -> None:
    html = rendered(
        '{% shap_bars rows "malignant" %}',
        rows=[
            {"label": "radius", "value_text": "14.1 mm", "attribution": 0.4},
            {"label": "texture", "value_text": "19.3", "attribution": -0.2},
        ],
    )

    assert '<rect class="shap-for" x="50.00" width="50.00"' in html
    assert '<rect class="shap-against" x="25.00" width="25.00"' in html
    assert "+0.400" in html
    assert "−0.200" in html
    assert "for malignant" in html


@pytest.mark.parametrize("attributions", [[], [{"label": "a", "value_text": "1", "attribution": 0.0}]])
def test_shap_bars_stand_nothing_and_zero(attributions: list[dict[str, Any]]) -> None:
    assert "nan" not in rendered("{% shap_bars rows %}", rows=attributions)


@pytest.mark.parametrize("values", [[0, 8, 16, 0], [[0, 8], [16, 0]]])
def test_a_pixel_picture_is_drawn_from_a_flat_list_or_rows(values: list[Any]) -> None:
    html = rendered('{% pixel_picture values 2 2 "a digit" 16 %}', values=values)

    assert 'role="img" aria-label="a digit"' in html
    assert '<rect x="1" y="0" width="1" height="1" fill-opacity="0.50"/>' in html
    assert '<rect x="0" y="1" width="1" height="1" fill-opacity="1.00"/>' in html
    assert html.count("fill-opacity") == 2


def test_a_picture_of_the_wrong_size_says_so() -> None:
    html = rendered('{% pixel_picture values 2 2 "a digit" %}', values=[1, 1, 1])

    assert "<svg" not in html
    assert "3 values" in html


def test_numbers_in_svg_are_not_localised() -> None:
    tag = '{% confidence_bar 0.5 0.25 %}{% pixel_picture values 1 1 "x" %}{% probability_rows p 0.5 "a" %}'

    with override_settings(USE_I18N=True, USE_THOUSAND_SEPARATOR=True), translation.override("de"):
        html = rendered(tag, values=[0.5], p={"a": 0.125})

    assert re.findall(r'(?:width|x1|x2|fill-opacity)="[^"]*,[^"]*"', html) == []


def test_a_badge_shows_the_word_of_the_vocabulary() -> None:
    html = rendered('{% badge "in_review" %}')

    assert "tone-yellow" in html
    assert "in review" in html


def test_an_unknown_word_gets_a_grey_badge_without_icon() -> None:
    html = rendered('{% badge "some_new_word" %}')

    assert "tone-secondary" in html
    assert "some new word" in html
    assert "<svg" not in html
