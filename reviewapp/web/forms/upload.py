from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from reviewapp.registry.actions import bundles, versions

MAX_BYTES = 200 * 1024 * 1024
MAX_MANIFEST = 4 * 1024 * 1024


class UploadForm(forms.Form):
    """A model to be checked and registered."""

    file = forms.FileField(
        label="Model",
        help_text="A bundle (.zip), an MLflow model folder of the ONNX flavour (.zip), or a bare .onnx file.",
        widget=forms.FileInput(attrs={"accept": ".zip,.onnx"}),
    )
    manifest = forms.FileField(
        required=False,
        label="Manifest",
        help_text="For a bare .onnx: a small JSON with name, classes and columns.",
        widget=forms.FileInput(attrs={"accept": ".json"}),
    )
    sample = forms.FileField(
        required=False,
        label="Sample",
        help_text="For a bare .onnx: rows of its columns, which explanations and similar cases are measured against.",
        widget=forms.FileInput(attrs={"accept": ".csv,.parquet,.json"}),
    )
    name = forms.CharField(required=False, max_length=bundles.MAX_NAME, help_text="Left empty: the model's own.")

    def clean_file(self) -> "UploadedFile[Any]":
        return _at_most(self.cleaned_data["file"], MAX_BYTES)

    def clean_manifest(self) -> "UploadedFile[Any] | None":
        given = self.cleaned_data["manifest"]
        return _at_most(given, MAX_MANIFEST) if given else None

    def clean_sample(self) -> "UploadedFile[Any] | None":
        given = self.cleaned_data["sample"]
        return _at_most(given, MAX_BYTES) if given else None

    def parts(self) -> dict[str, tuple[str, bytes]]:
        """Name and content of each file that was given."""
        given = ((name, self.cleaned_data.get(name)) for name in ("file", "manifest", "sample"))
        return {name: (one.name or "", one.read()) for name, one in given if one}


class ExternalForm(forms.Form):
    """A model that upstream runs."""

    external_name = forms.CharField(
        max_length=versions.MAX_NAME, label="Name", help_text="What cases quote as prediction.model."
    )


def _at_most(given: "UploadedFile[Any]", limit: int) -> "UploadedFile[Any]":
    size = given.size or 0
    if size > limit:
        raise ValidationError(f"This file has {filesizeformat(size)}; at most {filesizeformat(limit)} are taken.")
    return given
