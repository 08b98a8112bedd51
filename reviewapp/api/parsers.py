"""The only way JSON comes in: strict, bounded, and with a sentence that says what is wrong."""

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import UnreadablePostError
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser

from reviewapp.domain.errors import DomainError

MAX_DEPTH = 32
MAX_NODES = 10_000
MAX_KEY = 256
# Whole numbers beyond this are not the same number in every JSON reader (RFC 8259, section 6).
MAX_INTEGER = 2**53


class Malformed(DomainError):
    """The body is no JSON that can be read in exactly one way, or is over a limit."""

    code = "malformed"
    status = 400


class TooLarge(DomainError):
    code = "too_large"
    status = 413


def loads(content: bytes) -> Any:
    """The value of one JSON text. Raises Malformed for everything that two readers could take differently."""
    return checked(_decode(decode_text(content)), has_escapes=b"\\u" in content)


def decode_text(content: bytes) -> str:
    if content.startswith(b"\xef\xbb\xbf"):
        raise Malformed("The body begins with a byte order mark; send UTF-8 without one.", code="byte_order_mark")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"The body is not UTF-8: {error.reason} at byte {error.start}.", code="not_utf8") from error


def _decode(text: str) -> Any:
    try:
        return decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise unreadable(error) from error


def unreadable(error: Exception) -> Malformed:
    """What the decoder stumbled over, as a sentence."""
    if isinstance(error, RecursionError):
        return _too_deep()
    if isinstance(error, json.JSONDecodeError):
        return Malformed(f"The body is not JSON: {error}.", code="not_json")
    if isinstance(error, StopIteration):
        return Malformed(f"The body is not JSON: a value was expected at character {error.value}.", code="not_json")
    return _too_big()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed(f"The key “{_shown(twice)}” occurs twice in one object.", code="duplicate_key")
    return found


def _constant(name: str) -> Any:
    raise Malformed(f"{name} is not JSON; numbers must be finite.", code="not_finite")


# Any: the stubs do not know its `scan_once`.
decoder: Any = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def checked(value: Any, *, has_escapes: bool) -> Any:
    """Walk the value level by level; only an escape can bring a NUL or a lone surrogate past the decoders."""
    level = [value]
    nodes = 1
    for depth in range(MAX_DEPTH + 2):
        containers = [one for one in level if type(one) is dict or type(one) is list]
        nodes += sum(map(len, containers))
        if nodes > MAX_NODES:
            raise Malformed(f"The body has more than {MAX_NODES} values.", code="too_many_values")
        _check_scalars(level, has_escapes=has_escapes)
        if not containers:
            return value
        if depth == MAX_DEPTH:
            raise _too_deep()
        level = []
        for container in containers:
            if type(container) is dict:
                _check_keys(container, has_escapes=has_escapes)
                level.extend(container.values())
            else:
                level.extend(container)
    raise AssertionError("unreachable")


def _check_scalars(values: list[Any], *, has_escapes: bool) -> None:
    for one in values:
        kind = type(one)
        if kind is float:
            if one - one != 0.0:
                raise Malformed("A number is too large for a double; numbers must be finite.", code="not_finite")
        elif kind is int:
            if not -MAX_INTEGER <= one <= MAX_INTEGER:
                raise _too_big()
        elif kind is str and has_escapes:
            check_text(one)


def _check_keys(container: Mapping[str, Any], *, has_escapes: bool) -> None:
    if container and max(map(len, container)) > MAX_KEY:
        raise Malformed(f"A key is longer than {MAX_KEY} characters.", code="key_too_long")
    if has_escapes:
        for name in container:
            check_text(name)


def check_text(text: str) -> None:
    """Raises Malformed for what PostgreSQL cannot store as text."""
    if "\x00" in text:
        raise Malformed(f"“{_shown(text)}” holds a NUL character, which cannot be stored.", code="nul_character")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Malformed(f"“{_shown(text)}” holds half a surrogate pair.", code="lone_surrogate") from error


def _shown(text: str) -> str:
    return text[:60].encode("ascii", "backslashreplace").decode().replace("\x00", "\\u0000")


def _too_deep() -> Malformed:
    return Malformed(f"The body is nested deeper than {MAX_DEPTH} levels.", code="too_deep")


def _too_big() -> Malformed:
    return Malformed("A whole number is beyond ±2^53; send it as a string.", code="integer_too_large")


def too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is over {limit:,} bytes.", limit=limit)


class StrictJSONParser(BaseParser):
    """One JSON value of at most the view's `max_bytes`."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        limit = getattr((parser_context or {}).get("view"), "max_bytes", settings.MAX_CASE_BYTES)
        return loads(read(stream, media_type, limit=limit))


def read(stream: Any, media_type: str | None, *, limit: int) -> bytes:
    """The body's bytes, refused before they are read where their length is told."""
    _check_encoding(stream.META, media_type)
    length = stream.META.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > limit:
        raise too_large(limit)
    try:
        content: bytes = stream.read(limit + 1)
    except UnreadablePostError as error:
        raise Malformed("The body ended early.", code="body_truncated") from error
    if len(content) > limit:
        raise too_large(limit)
    return content


def _check_encoding(meta: Mapping[str, Any], media_type: str | None) -> None:
    encoding = str(meta.get("HTTP_CONTENT_ENCODING") or "identity").lower()
    if encoding != "identity":
        raise UnsupportedMediaType(
            media_type or "", detail=f"Content-Encoding “{encoding}” is not read; send it plain."
        )
    _, _, parameters = (media_type or "").lower().partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "charset" and value.strip("\"' ") not in {"utf-8", "utf8", "us-ascii"}:
            raise UnsupportedMediaType(media_type or "", detail="JSON is UTF-8; send it without another charset.")
