"""Small server-drawn pictures: numbers become SVG attributes here, as text no locale touches."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import template

from reviewapp.domain.novelty import in_words

register = template.Library()

MINUS = "\N{MINUS SIGN}"


@register.filter
def percent(value: float | None) -> str:
    """A probability for people; never rounded up to certainty or down to impossibility."""
    if value is None:
        return "–"
    if 0.9995 <= value < 1:
        return "> 99.9%"
    if 0 < value < 0.0005:
        return "< 0.1%"
    return f"{value * 100:.1f}%"


@register.filter
def duration(seconds: float) -> str:
    """A short time, in the unit that reads best."""
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


@register.filter
def unusualness(novelty: float) -> str:
    """How a case compares with those the model learned from, in words."""
    return in_words(novelty)


@register.filter
def signed(value: float | None) -> str:
    """An attribution with its sign, so that colour is never the only carrier."""
    if value is None:
        return "–"
    text = f"{abs(value):.3f}"
    if float(text) == 0:
        return "0.000"
    return f"{'+' if value > 0 else MINUS}{text}"


def _coordinate(value: float) -> str:
    return f"{value:.2f}"


def _along(fraction: float, *, length: float = 100) -> str:
    return _coordinate(min(max(fraction, 0.0), 1.0) * length)


@register.inclusion_tag("components/confidence_bar.html")
def confidence_bar(value: float, threshold: float | None = None) -> dict[str, Any]:
    """One probability against the threshold it has to reach."""
    return {
        "percent": percent(value),
        "threshold_percent": None if threshold is None else percent(threshold),
        "width": _along(value),
        "mark": None if threshold is None else _along(threshold),
        "reached": threshold is not None and value >= threshold,
        "missed": threshold is not None and value < threshold,
    }


@register.inclusion_tag("components/probability_rows.html")
def probability_rows(
    probabilities: Mapping[str, float] | Iterable[tuple[str, float]],
    threshold: float | Mapping[str, float | None] | None = None,
    predicted: str | None = None,
) -> dict[str, Any]:
    """Every class with its probability, in the order given; a lone threshold is the predicted class's."""
    pairs = probabilities.items() if isinstance(probabilities, Mapping) else probabilities
    rows = []
    for name, value in pairs:
        mark = threshold.get(name) if isinstance(threshold, Mapping) else threshold
        if not isinstance(threshold, Mapping) and name != predicted:
            mark = None
        rows.append(
            {
                "name": name,
                "predicted": name == predicted,
                "percent": percent(value),
                "width": _along(value),
                "mark": None if mark is None else _along(mark),
                "threshold_percent": None if mark is None else percent(mark),
            }
        )
    return {"rows": rows, "has_marks": any(row["mark"] for row in rows)}


def _read(item: Any, name: str) -> Any:
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)


@register.inclusion_tag("components/shap_bars.html")
def shap_bars(attributions: Sequence[Any], towards: str | None = None) -> dict[str, Any]:
    """Diverging bars, scaled to the largest attribution; items carry label, value_text and attribution."""
    largest = max((abs(float(_read(item, "attribution"))) for item in attributions), default=0.0)
    rows = []
    for item in attributions:
        value = float(_read(item, "attribution"))
        length = abs(value) / largest * 50 if largest else 0.0
        rows.append(
            {
                "label": _read(item, "label"),
                "value_text": _read(item, "value_text"),
                "attribution": signed(value),
                "error": _read(item, "error"),
                "is_part": bool(_read(item, "is_part")),
                "positive": value >= 0,
                "x": _coordinate(50 if value >= 0 else 50 - length),
                "width": _coordinate(length),
            }
        )
    return {"rows": rows, "towards": towards}


@register.inclusion_tag("components/pixel_picture.html")
def pixel_picture(values: Sequence[Any], height: int, width: int, label: str, maximum: float = 1) -> dict[str, Any]:
    """A grey image, dark where values are high; values are rows or one flat row-major list of 0..maximum."""
    flat = [value for row in values for value in (row if isinstance(row, list | tuple) else [row])]
    if len(flat) != height * width:
        return {"label": label, "height": height, "width": width, "pixels": [], "wrong_size": len(flat)}
    pixels = [
        {"x": index % width, "y": index // width, "opacity": _along(float(value) / maximum, length=1)}
        for index, value in enumerate(flat)
        if value
    ]
    return {"label": label, "height": height, "width": width, "pixels": pixels, "wrong_size": None}
