"""A labelled history as a CSV file: each row's prediction, its confidence and the truth. Pure."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from reviewapp.domain.errors import Invalid

MAX_BYTES = 32 * 1024 * 1024
MAX_ROWS = 200_000
MAX_TOLD = 20
_GZIPPED = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of the file say what.

    Either `predicted` and `confidence`, or one column of probabilities per class, named as the class with `prefix`.
    `id` need not be there; where it is, no case may come twice.
    """

    truth: str = "truth"
    predicted: str = "predicted"
    confidence: str = "confidence"
    prefix: str = "p_"
    id: str = "id"


@dataclass(frozen=True, slots=True)
class Row:
    """What the model said of one case, how surely, and whether it was wrong."""

    predicted: str
    confidence: float
    is_wrong: bool


def read(content: bytes, *, classes: Sequence[str], columns: Columns | None = None) -> list[Row]:
    """The rows of a file, gzipped or not.

    Raises Invalid with the line of each fault; nothing is taken from a faulty file.
    """
    named = columns or Columns()
    text = _text(content)
    reader = csv.DictReader(io.StringIO(text, newline=""), dialect=_dialect(text))
    header = _header(reader)
    reader.fieldnames = header
    given = _given(header, classes, named)
    rows: list[Row] = []
    faults: list[dict[str, str]] = []
    lines: dict[str, int] = {}
    for record in _records(reader):
        found = _again(record, named, lines, reader.line_num) or _row(record, classes, named, given)
        if isinstance(found, Row):
            rows.append(found)
        elif len(faults) < MAX_TOLD:
            faults.append({"field": f"line {reader.line_num}", "code": "invalid", "message": found})
        if len(rows) > MAX_ROWS:
            raise Invalid(
                f"The file has more than {MAX_ROWS:,} rows; send a random sample of it.", code="too_many_rows"
            )
    if faults:
        raise Invalid(f"{faults[0]['field'].capitalize()}: {faults[0]['message']}", code="rows_invalid", errors=faults)
    if not rows:
        raise Invalid("The file has a header and no rows.", code="rows_missing")
    return rows


def _text(content: bytes) -> str:
    is_gzipped = content.startswith(_GZIPPED)
    try:
        plain = gzip.GzipFile(fileobj=io.BytesIO(content)).read(MAX_BYTES + 1) if is_gzipped else content
    except (OSError, EOFError, zlib.error) as error:
        raise Invalid("The gzipped file is damaged or cut off; send it again.", code="file_encoding") from error
    if len(plain) > MAX_BYTES:
        raise Invalid(f"The file is larger than {MAX_BYTES // 1024 // 1024} MB.", code="file_too_large")
    try:
        return plain.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid("The file is no UTF-8 text: save it as CSV in UTF-8.", code="file_encoding") from error


def _again(record: Mapping[str, Any], named: Columns, lines: dict[str, int], line: int) -> str:
    """What is wrong with a case that the file holds already: counted twice it would prove more than it does."""
    case = record.get(named.id) or ""
    first = lines.setdefault(case, line) if case else line
    return "" if first == line else f"“{case[:80]}” in “{named.id}” is in line {first} already; a case counts once."


def _dialect(text: str) -> type[csv.Dialect]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)

    class Found(csv.excel):
        pass

    Found.delimiter = delimiter
    return Found


def _header(reader: "csv.DictReader[str]") -> list[str]:
    try:
        return [name.strip() for name in reader.fieldnames or ()]
    except csv.Error as error:
        raise _no_csv(reader, error) from error


def _records(reader: "csv.DictReader[str]") -> Iterator[Mapping[str, Any]]:
    try:
        for record in reader:
            # What a row has too much or too little of is under None.
            yield {name: (value or "").strip() if name is not None else value for name, value in record.items()}
    except csv.Error as error:
        raise _no_csv(reader, error) from error


def _no_csv(reader: "csv.DictReader[str]", error: csv.Error) -> Invalid:
    return Invalid(f"Line {max(reader.line_num, 1)}: this is no CSV ({error}).", code="rows_invalid")


def _given(header: Sequence[str], classes: Sequence[str], named: Columns) -> list[str]:
    """The columns of probabilities, in the order of the classes; empty where prediction and confidence are given."""
    doubled = sorted({name for name in header if header.count(name) > 1})
    if doubled:
        raise Invalid(f"The column “{doubled[0]}” is there twice.", code="column_twice")
    if named.truth not in header:
        raise _missing(named.truth, "the true class", header)
    if named.predicted in header and named.confidence in header:
        return []
    wanted = [f"{named.prefix}{name}" for name in classes]
    absent = [name for name in wanted if name not in header]
    if not absent:
        return wanted
    if len(absent) < len(wanted):
        raise _missing(absent[0], "the probability of a class", header)
    lacking = named.confidence if named.predicted in header else named.predicted
    raise _missing(lacking, "what the model said (or one column of probabilities per class)", header)


def _missing(name: str, what: str, header: Sequence[str]) -> Invalid:
    there = ", ".join(header[:12]) or "nothing"
    return Invalid(f"The column “{name}” with {what} is missing; the header has {there}.", code="column_missing")


def _row(record: Mapping[str, Any], classes: Sequence[str], named: Columns, given: Sequence[str]) -> Row | str:
    """A row, or what is wrong with it."""
    if record.get(None) is not None:  # type: ignore[call-overload]  # where the reader puts a row's surplus
        return "it has more values than the header has columns."
    truth = record[named.truth]
    if truth not in classes:
        return f"“{truth[:80]}” in “{named.truth}” is no class; use {', '.join(classes)}."
    if not given:
        predicted, confidence = record[named.predicted], _share(record[named.confidence])
        if predicted not in classes:
            return f"“{predicted[:80]}” in “{named.predicted}” is no class; use {', '.join(classes)}."
        if confidence is None:
            return f"“{record[named.confidence][:40]}” in “{named.confidence}” is no number between 0 and 1."
        return Row(predicted, confidence, truth != predicted)
    shares = [_share(record[name]) for name in given]
    for name, share in zip(given, shares, strict=True):
        if share is None:
            return f"“{record[name][:40]}” in “{name}” is no number between 0 and 1."
    known = [share for share in shares if share is not None]
    if abs(sum(known) - 1) > 0.01:
        return f"the probabilities add up to {sum(known):.3g}, not 1."
    best = max(range(len(known)), key=known.__getitem__)
    return Row(classes[best], known[best], truth != classes[best])


def _share(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) and 0 <= value <= 1 else None
