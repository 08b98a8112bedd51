"""The kinds of fields that a policy is asked in."""

from typing import Any

from django import forms

from reviewapp.web.forms.shares import PercentField


class PlainNumber(forms.NumberInput):
    """Shows whole numbers without a fraction."""

    def format_value(self, value: Any) -> str | None:
        shown = super().format_value(int(value) if isinstance(value, float) and value.is_integer() else value)
        return None if shown is None else str(shown)


INTERVALS = ((60, "minute"), (3600, "hour"), (86_400, "day"))


def percent(label: str, help_text: str, *, required: bool = False) -> PercentField:
    return PercentField(label=label, help_text=help_text, required=required)


def in_row(label: str, initial: float | None, *, high: float = 100) -> PercentField:
    """A share in a table's row, where the column's head is its visible label."""
    field = PercentField(label=label, required=False, initial=initial, high=high)
    field.widget.attrs["class"] = "form-control-sm"
    return field


def number(label: str, help_text: str, *, required: bool = True) -> forms.FloatField:
    return forms.FloatField(
        label=label, help_text=help_text, required=required, widget=PlainNumber(attrs={"step": "any"})
    )


def whole(label: str, help_text: str) -> forms.IntegerField:
    return forms.IntegerField(label=label, help_text=help_text, required=False, min_value=1)


def switch(label: str, help_text: str = "", *, initial: bool = False) -> forms.BooleanField:
    return forms.BooleanField(label=label, help_text=help_text, required=False, initial=initial)


def text(label: str, initial: str | None, *, longest: int) -> forms.CharField:
    widget = forms.TextInput(attrs={"aria-label": label, "placeholder": "name"})
    return forms.CharField(label=label, required=False, max_length=longest, initial=initial, widget=widget)


def condition(initial: str | None) -> forms.CharField:
    """A CEL expression; it is checked with the whole body."""
    attrs = {"rows": 1, "aria-label": "Condition", "class": "code-line", "spellcheck": "false"}
    return forms.CharField(
        label="Condition", required=False, max_length=4000, initial=initial, widget=forms.Textarea(attrs=attrs)
    )


def intervals(present: int | None) -> list[tuple[int, str]]:
    """The usual intervals, with the one that a policy has already."""
    known = dict(INTERVALS)
    return [*INTERVALS, *([(present, f"{present} seconds")] if present and present not in known else [])]
