from collections.abc import Sequence
from typing import Any

from django import forms

from reviewapp.registry.models import ModelVersion, Stream
from reviewapp.web.forms.shares import PercentField

TARGET, THRESHOLD = "target", "threshold"


class WorkshopForm(forms.Form):
    """What the workshop is asked: a class of a model version, and either a target error or a threshold."""

    answer = forms.ChoiceField(label="Class")
    version = forms.TypedChoiceField(label="Model", coerce=int)
    by = forms.ChoiceField(
        choices=[(TARGET, "Target error"), (THRESHOLD, "Threshold by hand")],
        label="Start from",
        widget=forms.RadioSelect,
    )
    target = PercentField(low=0.01, high=50, label="Target error", help_text="Of 100 automatic decisions, at most.")
    confidence = PercentField(low=50, high=99.99, label="Confidence", help_text="Of 100 such certificates, right.")
    threshold = PercentField(low=0.01, high=100, label="Threshold", help_text="Acts alone from this confidence on.")

    def __init__(self, stream: Stream, versions: Sequence[tuple[ModelVersion, str]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["answer"].choices = [(name, name) for name in stream.classes]  # type: ignore[attr-defined]
        self.fields["version"].choices = [  # type: ignore[attr-defined]
            (version.number, f"Model {version.number}, {role}") for version, role in versions
        ]
