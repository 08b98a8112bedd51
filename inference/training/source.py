"""Reads the data to train on: CSV, gzipped CSV or Parquet, every column as it stands in the file."""

import csv
import gzip
import hashlib
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from inference.manifest import RESERVED_PREFIX
from inference.training.refused import TrainingRefused, listed, shown

# A row has to fit into one block, and so does a text in it.
_BLOCK_BYTES = 64 * 1024 * 1024
_DELIMITERS = ",;\t|"
_MISSING = pa.array(["", "?", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "#N/A"])


@dataclass(frozen=True)
class Field:
    """One column of the file; `is_typed` when the file says what it holds, as Parquet does."""

    name: str
    values: pa.Array
    is_typed: bool


@dataclass(frozen=True)
class Source:
    """A file's columns. Row numbers count the rows from 1, without the header."""

    file: str
    digest: str
    fields: dict[str, Field]
    numbers: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)

    def field(self, name: str, *, option: str) -> Field:
        """The column an option names. Raises TrainingRefused."""
        found = self.fields.get(name)
        if found is None:
            raise TrainingRefused(
                f"{self.file} has no column `{name}`, which {option} names; it has {listed(list(self.fields))}."
            )
        return found

    def without(self, names: set[str]) -> "Source":
        return replace(self, fields={name: field for name, field in self.fields.items() if name not in names})

    def take(self, rows: NDArray[np.intp]) -> "Source":
        """Some of the rows."""
        chosen = pa.array(rows)
        fields = {name: replace(field, values=field.values.take(chosen)) for name, field in self.fields.items()}
        return replace(self, fields=fields, numbers=self.numbers[rows])


def read(path: Path) -> Source:
    """The whole file. Raises TrainingRefused for one that cannot be read, OSError for one that is not there."""
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    is_parquet = path.suffix.lower() in {".parquet", ".pq"}
    table = _read_parquet(path) if is_parquet else _read_csv(path)
    _check_names(path.name, table.column_names)
    if not table.num_rows:
        raise TrainingRefused(f"{path.name} has no rows; training needs rows with a known answer.")
    fields = {name: _field(path.name, name, table.column(name), is_typed=is_parquet) for name in table.column_names}
    return Source(path.name, digest, fields, np.arange(1, table.num_rows + 1))


def _read_csv(path: Path) -> pa.Table:
    names, delimiter = _header(path)
    _check_quotes(path, delimiter)
    broken: list[Any] = []

    def stop(row: Any) -> str:
        broken.append(row)
        return "error"

    try:
        with pa.input_stream(str(path), compression="gzip" if _is_gzip(path) else None) as content:
            return pa_csv.read_csv(
                content,
                read_options=pa_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
                parse_options=pa_csv.ParseOptions(
                    delimiter=delimiter, newlines_in_values=True, invalid_row_handler=stop
                ),
                convert_options=pa_csv.ConvertOptions(
                    column_types={name: pa.string() for name in names}, strings_can_be_null=False
                ),
            )
    except (pa.ArrowException, OSError) as error:
        if broken:
            row = broken[0]
            raise TrainingRefused(
                f"{path.name}, row {row.number - 1} has {row.actual_columns} values where the header has "
                f"{row.expected_columns}; put values that hold a “{delimiter}” or a quote into quotes."
            ) from error
        raise TrainingRefused(_why_unreadable(path, error)) from error


def _header(path: Path) -> tuple[list[str], str]:
    try:
        with _text(path) as content:
            line = content.readline(_BLOCK_BYTES)
            delimiter = max(_DELIMITERS, key=line.count)
            content.seek(0)
            names = next(csv.reader(content, delimiter=delimiter), [])
    except (UnicodeDecodeError, csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TrainingRefused(_why_unreadable(path, error)) from error
    if not names:
        raise TrainingRefused(f"{path.name} is empty; the first line has to name the columns.")
    _check_names(path.name, names)
    return names, delimiter


def _check_quotes(path: Path, delimiter: str) -> None:
    """Refuse quotes that end inside a value or never: Arrow would join the rows between them without a word."""
    number, before = 0, csv.field_size_limit(_BLOCK_BYTES)
    try:
        with _text(path) as content:
            for _ in csv.reader(content, delimiter=delimiter, strict=True):
                number += 1
    except csv.Error as error:
        raise TrainingRefused(
            f"{path.name}, row {number}: a quote is opened and not closed before the next “{delimiter}”; write a "
            "quote inside a value twice, and the value in quotes."
        ) from error
    except (UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TrainingRefused(_why_unreadable(path, error)) from error
    finally:
        csv.field_size_limit(before)


def _check_names(file: str, names: list[str]) -> None:
    for place, name in enumerate(names, start=1):
        if not name.strip() or "\x00" in name:
            raise TrainingRefused(f"{file}: column {place} has no name; name it in the first line.")
        if name.startswith(RESERVED_PREFIX):
            raise TrainingRefused(
                f"{file}: column `{name}` begins with `{RESERVED_PREFIX}`, which is reserved; rename it."
            )
        if names.count(name) > 1:
            raise TrainingRefused(f"{file} has the column `{name}` twice; rename or remove one.")


def _text(path: Path) -> TextIO:
    if _is_gzip(path):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as content:
        return content.read(2) == b"\x1f\x8b"


def _why_unreadable(path: Path, error: Exception) -> str:
    line = 0
    try:
        with gzip.open(path) if _is_gzip(path) else path.open("rb") as content:
            for written in content:
                line += 1
                written.decode()
    except UnicodeDecodeError:
        return f"{path.name}: line {line} is not UTF-8; save the file as UTF-8."
    except (EOFError, OSError, zlib.error):
        return f"{path.name} ends too early or is damaged; copy it again."
    reason = str(error).strip().partition("\n")[0][:200]
    return f"{path.name} is not readable ({reason}); save it as CSV with a header, or as Parquet."


def _read_parquet(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise TrainingRefused(f"{path.name} is not readable Parquet ({reason}); write it again.") from error


def _field(file: str, name: str, column: pa.ChunkedArray, *, is_typed: bool) -> Field:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        column, kind = column.cast(pa.string()), pa.string()
    if pa.types.is_decimal(kind):
        column, kind = column.cast(pa.float64()), pa.float64()
    values = column.combine_chunks()
    if pa.types.is_string(kind):
        missing = pc.is_in(pc.utf8_trim_whitespace(values), value_set=_MISSING)
        nul = pc.index(pc.fill_null(pc.match_substring(values, "\x00"), fill_value=False), value=True).as_py()
        if nul >= 0:
            raise TrainingRefused(f"{file}: column `{name}`, row {nul + 1} holds a NUL character; remove it.")
        return Field(name, pc.if_else(missing, pa.scalar(None, pa.string()), values), is_typed)
    plain = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_temporal, pa.types.is_null)
    if not any(test(kind) for test in plain):
        first = next((str(one) for one in values.to_pylist() if one is not None), "")
        raise TrainingRefused(
            f"{file}: column `{name}` holds {kind} ({shown(first)} in the first row that is filled), which is no "
            "single value; leave it out "
            f"with --exclude {name}."
        )
    if pa.types.is_floating(kind):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values)
    return Field(name, values, is_typed)
