"""Shares as people type them: in per cent, kept as numbers between 0 and 1 without a rounding of their own."""

from decimal import Decimal
from typing import Any

from django import forms


class PercentField(forms.DecimalField):
    """A share in per cent; its clean value is the share as a float, so 97.3 becomes 0.973 exactly as it is written."""

    def __init__(self, *, low: float = 0, high: float = 100, **kwargs: Any) -> None:
        label = kwargs.get("label") or ""
        attrs = {"step": "any", "inputmode": "decimal", **({"aria-label": f"{label}, in per cent"} if label else {})}
        super().__init__(min_value=low, max_value=high, widget=forms.NumberInput(attrs=attrs), **kwargs)

    def clean(self, value: Any) -> float | None:
        given = super().clean(value)
        return None if given is None else float(given / 100)

    def prepare_value(self, value: Any) -> Any:
        return in_percent(value) if isinstance(value, float | int) and not isinstance(value, bool) else value


def in_percent(share: float) -> str:
    """The share as somebody would type it in per cent: 0.973 is “97.3”."""
    return f"{(Decimal(repr(float(share))) * 100).normalize():f}"
