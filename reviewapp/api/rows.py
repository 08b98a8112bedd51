"""Bulk bodies, read row by row: a bad row is one bad row, and no row can use more than its own limit."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from rest_framework.parsers import BaseParser

from reviewapp.api.parsers import (
    Malformed,
    TooLarge,
    checked,
    decode_text,
    decoder,
    loads,
    read,
    too_large,
    unreadable,
)
from reviewapp.domain.errors import DomainError

MAX_ROWS = 10_000

_space = re.compile(r"[ \t\r\n]*")
# Finds where a row ends that the strict decoder has refused.
_lenient: Any = json.JSONDecoder(parse_int=len)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a bulk body: its content, or why it cannot be read."""

    content: Any = None
    problem: DomainError | None = None


class BulkJSONParser(BaseParser):
    """A JSON array of cases."""

    media_type = "application/json"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        content = read(stream, media_type, limit=settings.MAX_BULK_BYTES)
        return array_rows(decode_text(content), has_escapes=b"\\u" in content)


class NDJSONParser(BaseParser):
    """One JSON value per line; a bad line is one bad row."""

    media_type = "application/x-ndjson"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        return line_rows(read(stream, media_type, limit=settings.MAX_BULK_BYTES))


def line_rows(content: bytes) -> Iterator[Row]:
    """The values of the lines that are not blank."""
    number = 0
    for line in content.split(b"\n"):
        if not line.strip():
            continue
        number += 1
        if number > MAX_ROWS:
            raise _too_many_rows()
        if len(line) > settings.MAX_CASE_BYTES:
            yield Row(problem=too_large(settings.MAX_CASE_BYTES))
            continue
        try:
            yield Row(loads(line))
        except Malformed as problem:
            yield Row(problem=problem)


def array_rows(text: str, *, has_escapes: bool) -> Iterator[Row]:
    """The elements of an array. A text that breaks off or a row over its limit refuses the whole body."""
    window = _Window(text)
    if window.next_mark() != "[":
        raise Malformed("The body must be an array of cases.", code="not_an_array")
    window.at += 1
    number = 0
    mark = window.next_mark()
    while mark != "]":
        number += 1
        if number > MAX_ROWS:
            raise _too_many_rows()
        yield window.element(has_escapes=has_escapes)
        mark = window.next_mark()
        if mark == ",":
            window.at += 1
        elif mark != "]":
            raise Malformed(f"After row {number - 1} a comma or the array's end was expected.", code="not_json")
    window.at += 1
    if window.next_mark():
        raise Malformed("Something follows the array.", code="not_json")


class _Window:
    """A stretch of the text in which rows are decoded, so that what one of them can make of memory is bounded."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._limit: int = settings.MAX_CASE_BYTES
        self._start = 0
        self.at = 0
        self._shown = text[: 2 * self._limit]

    def next_mark(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            found = _space.match(self._shown, self.at)
            assert found is not None
            self.at = found.end()
            if self.at <= self._limit or not self._slide():
                return self._shown[self.at : self.at + 1]

    def element(self, *, has_escapes: bool) -> Row:
        self.next_mark()
        try:
            value, end = decoder.scan_once(self._shown, self.at)
        except (Malformed, ValueError, RecursionError, StopIteration) as error:
            return self._refused(error)
        begin, self.at = self.at, end
        if (end - begin) * 4 > self._limit:
            size = len(self._shown[begin:end].encode("utf-8", "surrogatepass"))
            if size > self._limit:
                return Row(problem=too_large(self._limit))
        try:
            return Row(checked(value, has_escapes=has_escapes))
        except Malformed as problem:
            return Row(problem=problem)

    def _slide(self) -> bool:
        """Move the window to where reading is; False when it already ends with the text."""
        if self._is_last:
            return False
        self._start += self.at
        self.at = 0
        self._shown = self._text[self._start : self._start + 2 * self._limit]
        return True

    @property
    def _is_last(self) -> bool:
        return self._start + len(self._shown) >= len(self._text)

    def _refused(self, error: Exception) -> Row:
        """The row as a refused one; raises where its end cannot be found."""
        problem = error if isinstance(error, Malformed) else unreadable(error)
        try:
            _, self.at = _lenient.scan_once(self._shown, self.at)
        except (ValueError, RecursionError, StopIteration) as where:
            if self._broke_off(where):
                raise too_large(self._limit) from error
            raise problem from error
        return Row(problem=problem)

    def _broke_off(self, error: Exception) -> bool:
        """Whether the row goes on beyond the window, which is wider than a row may be."""
        if self._is_last or isinstance(error, RecursionError):
            return False
        if isinstance(error, json.JSONDecodeError):
            return error.msg.startswith("Unterminated") or error.pos >= len(self._shown) - 16
        return isinstance(error, StopIteration) and error.value >= len(self._shown) - 16


def _too_many_rows() -> TooLarge:
    return TooLarge(f"More than {MAX_ROWS:,} rows; send them in parts.", code="too_many_rows", limit=MAX_ROWS)
