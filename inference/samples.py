"""Rows that come with another's export: a small file of them, or rows drawn from what its columns declare."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from inference import foreign, tables
from inference.foreign import Declaration
from inference.manifest import Column
from inference.refusal import BundleRefused

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 500
DRAWN = 100
GIVEN, MIXED, DECLARED = "sample", "sample, each column drawn alone", "declared ranges"
Rows = list[dict[str, Any]]


def rows_for(files: Mapping[str, bytes], declared: Declaration) -> tuple[Rows, str]:
    """At most 500 rows of the model's columns, and where they come from.

    Too few given rows are filled up with mixtures of them; without any, rows are drawn from the declared ranges.
    """
    given = read(files, declared.columns)
    if len(given) >= tables.MIN_BACKGROUND_ROWS:
        chosen = np.linspace(0, len(given) - 1, min(len(given), ROWS)).astype(int)
        return [given[place] for place in dict.fromkeys(chosen.tolist())], GIVEN
    draw = np.random.default_rng(0)
    if given:
        mixed = [{name: given[draw.integers(len(given))][name] for name in given[0]} for _ in range(DRAWN - len(given))]
        return [*given, *mixed], MIXED
    return [{column.name: _drawn(column, draw) for column in declared.columns} for _ in range(DRAWN)], DECLARED


def read(files: Mapping[str, bytes], columns: Sequence[Column]) -> Rows:
    """The rows of the sample that came along, typed as the columns are; none when none came."""
    name = next((one for one in foreign.SAMPLES if one in files), None)
    if name is None:
        return []
    reader = {"sample.csv": _read_csv, "sample.parquet": _read_parquet}.get(name)
    table = reader(files[name], columns) if reader else _read_json(files[name], columns)
    lacking = [column.name for column in columns if column.name not in table]
    if lacking:
        raise BundleRefused("sample_mismatch", f"{name} lacks the column `{lacking[0]}`.")
    typed = {column.name: [_typed(value, column, name=name) for value in table[column.name]] for column in columns}
    return [dict(zip(typed, values, strict=True)) for values in zip(*typed.values(), strict=True)]


def _read_csv(content: bytes, columns: Sequence[Column]) -> dict[str, list[Any]]:
    import pyarrow as pa
    from pyarrow import csv

    kinds = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_()}
    options = csv.ConvertOptions(
        column_types={column.name: kinds.get(column.dtype, pa.string()) for column in columns},
        strings_can_be_null=True,
    )
    try:
        table = csv.read_csv(
            io.BytesIO(content),
            read_options=csv.ReadOptions(use_threads=False),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=options,
        )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise BundleRefused("sample_unreadable", f"sample.csv is not readable ({_first_line(error)}).") from error
    return _first_rows(table)


def _read_parquet(content: bytes, columns: Sequence[Column]) -> dict[str, list[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        reader = pq.ParquetFile(io.BytesIO(content))
        if reader.metadata.num_rows > tables.MAX_ROWS:
            # Before anything is read: a few kilobytes may claim billions of rows.
            raise BundleRefused("sample_rows", f"sample.parquet has more than {tables.MAX_ROWS} rows; send fewer.")
        known = set(reader.schema_arrow.names)
        return _first_rows(reader.read(columns=[column.name for column in columns if column.name in known]))
    except (pa.ArrowException, OSError) as error:
        raise BundleRefused("sample_unreadable", f"sample.parquet is not readable ({_first_line(error)}).") from error


def _first_rows(table: "pa.Table") -> dict[str, list[Any]]:
    return dict(table.slice(0, tables.MAX_ROWS).to_pydict())


def _read_json(content: bytes, columns: Sequence[Column]) -> dict[str, list[Any]]:
    """Records, lists of values in the columns' order, or pandas' `split`, alone or inside a serving example."""
    given = foreign.parse_json(content, name="sample.json")
    for wrapper in ("dataframe_split", "dataframe_records", "inputs", "instances"):
        if isinstance(given, Mapping) and wrapper in given:
            given = given[wrapper]
    names = [column.name for column in columns]
    if isinstance(given, Mapping) and isinstance(given.get("data"), list):
        names, given = [str(one) for one in given.get("columns") or names], given["data"]
    if isinstance(given, Mapping):
        return {str(name): list(values) for name, values in given.items() if isinstance(values, list)}
    if not isinstance(given, list) or not given:
        raise BundleRefused("sample_unreadable", "sample.json must hold a list of rows.")
    if all(isinstance(row, Mapping) for row in given):
        return {name: [row.get(name) for row in given] for name in names}
    rows = [_flat(row) for row in given[: tables.MAX_ROWS]]
    if any(len(row) != len(names) for row in rows):
        raise BundleRefused("sample_mismatch", f"sample.json: a row does not have the {len(names)} columns' values.")
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def _flat(row: Any) -> list[Any]:
    if not isinstance(row, list):
        return [row]
    return [one for part in row for one in _flat(part)]


def _typed(value: Any, column: Column, *, name: str) -> Any:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        if column.nullable:
            return None
        raise BundleRefused("sample_mismatch", f"{name}: `{column.name}` is empty in a row but is not nullable.")
    kind = {"float": float, "int": int, "bool": bool}.get(column.dtype, str)
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise BundleRefused(
            "sample_mismatch", f"{name}: `{column.name}` holds {str(value)[:40]!r}, which is not {column.dtype}."
        ) from error


def _drawn(column: Column, draw: np.random.Generator) -> Any:
    if column.values is not None:
        return column.values[draw.integers(len(column.values))]
    if column.dtype == "text":
        return ""
    if column.dtype == "bool":
        return bool(draw.integers(2))
    low, high = column.minimum, column.maximum
    if low is None and high is None:
        low, high = -1.0, 1.0
    # Half a range is read as one wide enough to be different from its end.
    elif low is None:
        assert high is not None
        low = high - max(1.0, abs(high))
    elif high is None:
        high = low + max(1.0, abs(low))
    assert high is not None
    return int(draw.integers(round(low), round(high) + 1)) if column.dtype == "int" else float(draw.uniform(low, high))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:150]
