"""Models as request bodies: one zip, or a form with the files of a bare model."""

import hashlib
from collections.abc import Mapping
from typing import Any

from rest_framework.parsers import BaseParser, MultiPartParser

from reviewapp.api.parsers import Malformed, read, too_large

MAX_BYTES = 200 * 1024 * 1024
# Boundaries, names and the texts of a form.
FORM_OVERHEAD = 64 * 1024
FILES = ("file", "manifest", "sample")
TEXTS = ("name",)


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
        return Upload({"file": ("upload.zip", content)}, {"name": request.query_params.get("name", "")})


class UploadFormParser(MultiPartParser):
    """A form: `file`, and for a bare .onnx `manifest` and perhaps `sample`."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        length = str(stream.META.get("CONTENT_LENGTH") or "")
        # Read before anything is spooled to disk; a body without its length is none of a form's.
        if not length.isdigit():
            raise Malformed("Say the length of the form in Content-Length.", code="length_missing")
        if int(length) > MAX_BYTES + FORM_OVERHEAD:
            raise too_large(MAX_BYTES)
        found: Any = super().parse(stream, media_type, parser_context)  # files and texts, both by name
        strange = sorted(({*found.data} - {*TEXTS, "manifest"}) | ({*found.files} - {*FILES}))
        if strange:
            raise Malformed(f"“{strange[0][:50]}” is no part of this form; it has {', '.join(FILES + TEXTS)}.")
        files = {name: (one.name or "", one.read()) for name, one in found.files.items()}
        if "manifest" in found.data:
            files.setdefault("manifest", ("manifest.json", found.data["manifest"].encode()))
        return Upload(files, {name: found.data.get(name, "") for name in TEXTS})
