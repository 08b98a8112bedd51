"""Labelled histories as request bodies: a form with the file and what its owner declares about it."""

import hashlib
from typing import Any

from rest_framework import serializers

from reviewapp.api.uploads import FormParser
from reviewapp.gating.history_files import MAX_BYTES, Columns
from reviewapp.gating.models import LabelledHistory

COLUMNS = ("truth", "predicted", "confidence", "prefix")


class HistoryForm(serializers.Serializer[Any]):
    """`file` is a CSV in UTF-8, gzipped or not, with a header.

    It has truth, and predicted with confidence or one probability per class. Where it has `id` no case may come twice.
    """

    file = serializers.FileField()
    drawn = serializers.ChoiceField(LabelledHistory.Drawn.choices, help_text="`otherwise` never proves anything.")
    declaration = serializers.CharField(
        help_text="How it was drawn, and that neither did the model learn from it nor was the promise chosen by it."
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


class HistoryFormParser(FormParser):
    """A form: `file`, `drawn`, `declaration`, and names of columns."""

    max_bytes = MAX_BYTES
    files = ("file",)
    texts = ("drawn", "declaration", "begin_anew", *COLUMNS)

    def upload(self, texts: dict[str, str], files: dict[str, tuple[str, bytes]]) -> HistoryUpload:
        name, content = files.get("file", ("", None))
        return HistoryUpload(texts, content, name)
