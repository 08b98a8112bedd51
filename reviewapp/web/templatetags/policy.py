"""The figures of the policy's pages as text."""

from collections.abc import Mapping
from math import exp, log

from django import template

from reviewapp.web.templatetags.glyphs import percent

register = template.Library()


@register.filter
def plain(value: float) -> str:
    """A number for attributes and addresses, which no locale touches."""
    return repr(float(value))


@register.filter
def rate(value: float | None) -> str:
    """An error rate: two decimals where a tenth of a per cent decides."""
    if value is None:
        return "–"
    if value == 0:
        return "0%"
    if value < 0.1:
        return f"{max(value * 100, 0.01):.2f}%"
    return percent(value)


@register.filter
def fine(value: float) -> str:
    """A confidence as exact as neighbouring thresholds need it: 95%, but 97.342%."""
    return f"{value * 100:.3f}".rstrip("0").rstrip(".") + "%"


@register.filter
def fine_number(value: float) -> str:
    return f"{value:.4f}"


@register.filter
def daily(value: float) -> str:
    """Cases a day: whole ones, with a decimal where there are few."""
    return f"{value:.1f}" if 0 < value < 10 else f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


@register.filter
def minutes(value: float) -> str:
    """Minutes of people's time in words."""
    if 0 < value < 1 / 60:
        return "under 1 s"
    if value < 1:
        return f"{value * 60:.0f} s"
    return f"{value:.1f} min" if value < 90 else f"{value / 60:.1f} h"


@register.filter
def odds(log_e: float) -> str:
    """An e-value from its logarithm: “× 24”."""
    if log_e > 20:
        return "> 10⁸"
    value = exp(log_e)
    return f"× {value:.2f}" if value < 10 else f"× {value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


@register.filter
def odds_needed(budget: float) -> str:
    """The e-value at which a rung passes with its share of the allowed error."""
    return odds(-log(budget))


@register.filter
def in_words(code: str) -> str:
    """A reason's code as words."""
    return code.replace("_", " ")


@register.filter
def of_class(values: Mapping[str, float], name: str) -> float | None:
    """What is said of a class; None where nothing is."""
    return values.get(name)
