"""The pictures and words of the reviewer's desk that no other page needs."""

import json
from collections.abc import Sequence
from typing import Any

from django import template

from reviewapp.web.subjects import Picture
from reviewapp.web.templatetags.glyphs import percent, signed

register = template.Library()

WORDS = {
    "tree_shap_interventional": "exact TreeSHAP",
    "linear_shap": "exact SHAP of a linear model",
    "additive_shap": "exact SHAP of trees and linear layers",
    "permutation_shap": "permutation SHAP",
    "partition_shap": "partition SHAP",
    "log_odds": "log odds",
    "raw": "the model's own score",
}
METHODS = {
    "tree_shap_interventional": "Exact: read from the trees of the model that scored the case.",
    "linear_shap": "Exact: read from the coefficients of the model that scored the case.",
    "additive_shap": "Exact: read from the trees and coefficients of the model that scored the case.",
    "permutation_shap": "Sampled: the model was asked again with features exchanged.",
    "partition_shap": "Sampled: the model was asked again with groups of features exchanged, which may share.",
}


@register.filter
def words(code: str) -> str:
    """A machine's word in plain words."""
    return WORDS.get(code, code.replace("_", " "))


@register.filter
def method_words(code: str) -> str:
    """How an explanation was worked out, in a sentence."""
    return METHODS.get(code, f"{words(code)}.")


@register.filter
def magnitude(value: float) -> str:
    """An error's size with two significant digits."""
    return f"{value:.2g}"


@register.filter
def in_space(value: float | None, output_space: str) -> str:
    """An output of the model in the space it was explained in."""
    return percent(value) if output_space == "probability" else signed(value)


@register.filter
def as_json(value: Any) -> str:
    """A JSON value, indented; it is escaped like any text."""
    return json.dumps(value, indent=2, ensure_ascii=False)


@register.filter
def tiny(value: float | None) -> str:
    """A number that should be nothing, with its order of magnitude."""
    return "–" if value is None else "0" if value == 0 else f"{value:.1e}"


@register.inclusion_tag("review/place_bar.html")
def place_bar(position: float, usual: str, is_unusual: bool) -> dict[str, Any]:
    """Where a value lies among the training rows: the band holds the usual ones."""
    return {"x": f"{position * 100:.2f}", "usual": usual, "is_unusual": is_unusual}


@register.inclusion_tag("review/attribution_picture.html")
def attribution_picture(values: Sequence[float], picture: Picture) -> dict[str, Any]:
    """Each pixel's attribution as colour over the picture it belongs to."""
    largest = max((abs(value) for value in values), default=0.0) or 1.0
    pixels = [
        {
            "x": index % picture.width,
            "y": index // picture.width,
            "ink": f"{min(max(float(ink) / picture.maximum, 0.0), 1.0) * 0.5:.3f}",
            "positive": value >= 0,
            "strength": f"{abs(value) / largest * 0.85:.3f}",
        }
        for index, (value, ink) in enumerate(zip(values, picture.values, strict=True))
    ]
    return {"pixels": pixels, "height": picture.height, "width": picture.width}
