from typing import Any

from django import forms

from reviewapp.registry.models import ModelVersion, Stream
from reviewapp.web.forms.rollouts import ReasonForm


class VersionField(forms.ModelChoiceField):
    def label_from_instance(self, obj: ModelVersion) -> str:
        return f"Model {obj.number} · {obj.name}"


class TierForm(ReasonForm):
    """Which version answers first, and how sure it must be to answer alone."""

    version = VersionField(ModelVersion.objects.none(), to_field_name="number", label="First tier")
    sure_from = forms.FloatField(
        label="Answers alone from a confidence of, %",
        min_value=0.1,
        max_value=100,
        initial=95,
        help_text="Below it the primary is asked. The gate's own thresholds hold either way.",
    )

    field_order = ("version", "sure_from", "reason")

    def __init__(self, *arguments: Any, stream: Stream, **options: Any) -> None:
        super().__init__(*arguments, **options)
        field = self.fields["version"]
        assert isinstance(field, VersionField)
        field.queryset = (
            stream.model_versions.filter(kind=ModelVersion.Kind.BUNDLE)
            .select_related("stream", "bundle")
            .order_by("-number")
        )

    def clean_sure_from(self) -> float:
        """As a share of one."""
        percent: float = self.cleaned_data["sure_from"]
        return percent / 100


class KeepResultsForm(ReasonForm):
    is_on = forms.BooleanField(required=False, widget=forms.HiddenInput)
