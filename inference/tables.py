"""The bundle's parquet files: samples of rows, read and written column by column."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inference.manifest import RESERVED_PREFIX, Column, Manifest
from inference.refusal import BundleRefused

if TYPE_CHECKING:
    import pyarrow as pa

MAX_ROWS = 10_000
MIN_GOLDEN_ROWS = 16
MIN_BACKGROUND_ROWS = 20

Table = dict[str, list[Any]]


def write_rows(manifest: Manifest, rows: Sequence[Mapping[str, Any]], **extra: Sequence[float]) -> bytes:
    """Rows as parquet, one typed column per input column, followed by the extra number columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {
        column.name: pa.array([row.get(column.name) for row in rows], type=_arrow_type(column))
        for column in manifest.columns
    }
    arrays.update({name: pa.array(list(values), type=pa.float64()) for name, values in extra.items()})
    target = io.BytesIO()
    pq.write_table(pa.table(arrays), target, compression="zstd", store_schema=False)
    return target.getvalue()


def write_golden(
    manifest: Manifest, rows: Sequence[Mapping[str, Any]], probabilities: Sequence[Sequence[float]]
) -> bytes:
    """Input rows with the probabilities that a loaded model must reproduce."""
    by_class = {
        RESERVED_PREFIX + name: [float(row[index]) for row in probabilities]
        for index, name in enumerate(manifest.classes)
    }
    return write_rows(manifest, rows, **by_class)


def read_background(manifest: Manifest, content: bytes) -> Table:
    """The background sample; raises BundleRefused when it does not match the manifest."""
    return _read(manifest, content, name="background.parquet", at_least=MIN_BACKGROUND_ROWS)


def read_golden(manifest: Manifest, content: bytes) -> tuple[Table, list[list[float]]]:
    """The golden inputs and their probabilities, in the order of the classes."""
    outputs = [RESERVED_PREFIX + name for name in manifest.classes]
    table = _read(manifest, content, name="golden.parquet", at_least=MIN_GOLDEN_ROWS, extra=outputs)
    probabilities = [list(row) for row in zip(*(table.pop(name) for name in outputs), strict=True)]
    return table, probabilities


def to_rows(table: Table) -> list[dict[str, Any]]:
    """The table as one dict per row."""
    return [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]


def _read(manifest: Manifest, content: bytes, *, name: str, at_least: int, extra: Sequence[str] = ()) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Dimensions first: a few kilobytes may claim billions of rows.
        reader = pq.ParquetFile(io.BytesIO(content))
        expected = [*manifest.column_names, *extra]
        _check_shape(reader, expected, name=name, at_least=at_least)
        table = reader.read()
    except (pa.ArrowException, OSError) as error:
        raise BundleRefused("parquet_unreadable", f"{name} is not readable parquet; export it again.") from error
    for column in manifest.columns:
        _check_column(table.column(column.name), column, name=name)
    for title in extra:
        if not pa.types.is_floating(table.schema.field(title).type) or table.column(title).null_count:
            raise BundleRefused("table_mismatch", f"{name}: `{title}` must hold a number in every row.")
    return {title: table.column(title).to_pylist() for title in expected}


def _check_shape(reader: Any, expected: list[str], *, name: str, at_least: int) -> None:
    found = reader.schema_arrow.names
    if sorted(found) != sorted(expected):
        odd = sorted(set(found) ^ set(expected)) or found
        raise BundleRefused(
            "table_mismatch",
            f"{name}: its columns differ from those of bundle.json in `{odd[0]}`; export both together.",
        )
    rows = reader.metadata.num_rows
    if not at_least <= rows <= MAX_ROWS:
        raise BundleRefused("table_rows", f"{name} has {rows} rows; it needs between {at_least} and {MAX_ROWS}.")


def _check_column(values: "pa.ChunkedArray", column: Column, *, name: str) -> None:
    import pyarrow as pa

    kind = values.type
    fits = {
        "float": pa.types.is_floating(kind) or pa.types.is_integer(kind),
        "int": pa.types.is_integer(kind),
        "bool": pa.types.is_boolean(kind),
    }.get(column.dtype, pa.types.is_string(kind) or pa.types.is_large_string(kind))
    if not fits:
        raise BundleRefused("table_mismatch", f"{name}: `{column.name}` must be {column.dtype}, it is {kind}.")
    if values.null_count and not column.nullable:
        raise BundleRefused("table_mismatch", f"{name}: `{column.name}` is empty in a row but is not nullable.")


def _arrow_type(column: Column) -> "pa.DataType":
    import pyarrow as pa

    return {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_()}.get(column.dtype, pa.string())
