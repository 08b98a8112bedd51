from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from reviewapp.gating.history_files import MAX_BYTES
from reviewapp.gating.models import LabelledHistory
from reviewapp.registry.models import ModelVersion


class HistoryForm(forms.Form):
    """A labelled history, with what its owner declares of it."""

    model = forms.TypedChoiceField(coerce=int, label="Model", help_text="Whose predictions it holds.")
    file = forms.FileField(
        label="File",
        help_text="CSV with the columns truth, predicted and confidence; or truth and one column of probabilities per "
        "class, named p_ and the class. With a column id no case may come twice. Gzipped or not.",
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.gz"}),
    )
    drawn = forms.ChoiceField(
        choices=LabelledHistory.Drawn.choices,
        label="It holds",
        help_text="Only everything or a random sample can prove something.",
    )
    declaration = forms.CharField(
        max_length=2000,
        label="How it was drawn",
        help_text="From which period, by whom labelled, and that the model did not learn from it, and that "
        "the promise was not chosen by it.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    begin_anew = forms.BooleanField(
        required=False,
        label="Set aside the labels gathered so far",
        help_text="An exam begins the evidence anew and takes half of the allowed error.",
    )

    def __init__(self, versions: Sequence[ModelVersion], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._versions = {version.number: version for version in versions}
        choices = [(version.number, f"Model {version.number}, {version.name}") for version in versions]
        self.fields["model"].choices = choices  # type: ignore[attr-defined]

    def clean_file(self) -> "UploadedFile[Any]":
        given: UploadedFile[Any] = self.cleaned_data["file"]
        size = given.size or 0
        if size > MAX_BYTES:
            raise ValidationError(
                f"This file has {filesizeformat(size)}; at most {filesizeformat(MAX_BYTES)} are taken."
            )
        return given

    @property
    def version(self) -> ModelVersion:
        return self._versions[self.cleaned_data["model"]]
