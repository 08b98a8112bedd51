"""Labelled histories as request bodies: a form with the file and what its owner declares about it."""

import hashlib
from typing import Any

from rest_framework import serializers
from rest_framework.parsers import MultiPartParser

from reviewapp.api.parsers import Malformed, too_large
from reviewapp.gating.history_files import MAX_BYTES, Columns
from reviewapp.gating.models import LabelledHistory

# Boundaries, names and the texts of a form.
FORM_OVERHEAD = 64 * 1024
COLUMNS = ("truth", "predicted", "confidence", "prefix")
TEXTS = ("drawn", "declaration", "begin_anew", *COLUMNS)


class HistoryForm(serializers.Serializer[Any]):
    """`file` is a CSV in UTF-8 with a header: truth, and predicted with confidence or one probability per class."""

    file = serializers.FileField()
    drawn = serializers.ChoiceField(LabelledHistory.Drawn.choices, help_text="`otherwise` never proves anything.")
    declaration = serializers.CharField(
        help_text="How it was drawn, and that the model did not learn from it, in words."
    )
    begin_anew = serializers.ChoiceField(
        ["true", "false"], required=False, help_text="Agrees that the live labels so far are set aside."
    )
    truth = serializers.CharField(required=False, help_text="Name of that column; `truth` unless told.")
    predicted = serializers.CharField(required=False, help_text="The same; `predicted`.")
    confidence = serializers.CharField(required=False, help_text="The same; `confidence`.")
    prefix = serializers.CharField(required=False, help_text="Before a class's name in its probability; `p_`.")


class HistoryUpload(dict[str, str]):
    """The texts, and the file by its digest: what makes two calls the same. The contents are in `content`."""

    def __init__(self, texts: dict[str, str], content: bytes | None, file_name: str) -> None:
        digest = {"file": hashlib.sha256(content).hexdigest()} if content is not None else {}
        super().__init__({**texts, **digest})
        self.content = content
        self.file_name = file_name

    @property
    def columns(self) -> Columns:
        return Columns(**{name: self[name] for name in COLUMNS if self.get(name)})


class HistoryFormParser(MultiPartParser):
    """A form: `file`, `drawn`, `declaration`, and names of columns."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        length = str(stream.META.get("CONTENT_LENGTH") or "")
        # Read before anything is spooled to disk; a body without its length is none of a form's.
        if not length.isdigit():
            raise Malformed("Say the length of the form in Content-Length.", code="length_missing")
        if int(length) > MAX_BYTES + FORM_OVERHEAD:
            raise too_large(MAX_BYTES)
        found: Any = super().parse(stream, media_type, parser_context)  # files and texts, both by name
        strange = sorted(({*found.data} - {*TEXTS}) | ({*found.files} - {"file"}))
        if strange:
            raise Malformed(f"“{strange[0][:50]}” is no part of this form; it has file, {', '.join(TEXTS)}.")
        file = found.files.get("file")
        texts = {name: str(found.data[name]) for name in TEXTS if name in found.data}
        return HistoryUpload(texts, file.read() if file else None, (file.name or "") if file else "")
