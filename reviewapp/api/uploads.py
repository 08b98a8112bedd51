"""Models as request bodies: one zip, or a form with the files of a bare model."""

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.parsers import BaseParser, MultiPartParser

from reviewapp.api.parsers import Malformed, check_text, read, too_large

MAX_BYTES = 200 * 1024 * 1024
# Boundaries, names and the texts of a form.
FORM_OVERHEAD = 64 * 1024


class FormParser(MultiPartParser):
    """A form of known parts, refused for its length before any of it is spooled to disk."""

    max_bytes: ClassVar[int]
    files: ClassVar[tuple[str, ...]]
    texts: ClassVar[tuple[str, ...]]

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        length = str(stream.META.get("CONTENT_LENGTH") or "")
        # A body without its length is none of a form's.
        if not length.isdigit():
            raise Malformed("Say the length of the form in Content-Length.", code="length_missing")
        if int(length) > self.max_bytes + FORM_OVERHEAD:
            raise too_large(self.max_bytes)
        found: Any = super().parse(stream, media_type, parser_context)  # files and texts, both by name
        strange = sorted(({*found.data} - {*self.texts}) | ({*found.files} - {*self.files}))
        if strange:
            known = ", ".join(dict.fromkeys(self.files + self.texts))
            raise Malformed(f"“{strange[0][:50]}” is no part of this form; it has {known}.")
        texts = {name: str(found.data[name]) for name in self.texts if name in found.data}
        for text in texts.values():
            check_text(text)
        return self.upload(texts, {name: (one.name or "", one.read()) for name, one in found.files.items()})

    def upload(self, texts: dict[str, str], files: dict[str, tuple[str, bytes]]) -> Any:
        """What the views get of the form's texts, and of its files with their names."""
        raise NotImplementedError


class Upload(dict[str, str]):
    """The parts by the digest of their contents: what makes two calls the same. The contents are in `files`."""

    def __init__(self, files: Mapping[str, tuple[str, bytes]], texts: Mapping[str, str]) -> None:
        super().__init__(
            {**texts, **{name: hashlib.sha256(content).hexdigest() for name, (_, content) in files.items()}}
        )
        self.files = files
        self.texts = texts


class ZipParser(BaseParser):
    """A zip as the whole body."""

    media_type = "application/zip"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        request = (parser_context or {})["request"]
        content = read(stream, media_type, limit=MAX_BYTES)
        name = request.query_params.get("name", "")
        check_text(name)
        return Upload({"file": ("upload.zip", content)}, {"name": name})


class UploadFormParser(FormParser):
    """A form: `file`, and for a bare .onnx `manifest`, as a file or as text, and perhaps `sample`."""

    max_bytes = MAX_BYTES
    files = ("file", "manifest", "sample")
    texts = ("name", "manifest")

    def upload(self, texts: dict[str, str], files: dict[str, tuple[str, bytes]]) -> Upload:
        if "manifest" in texts:
            files.setdefault("manifest", ("manifest.json", texts["manifest"].encode()))
        return Upload(files, {"name": texts.get("name", "")})
