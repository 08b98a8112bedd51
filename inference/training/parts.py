"""A table in two parts: early rows to train on, and later ones as upstream would send them, with their answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from inference.manifest import Column
from inference.training import dates, source, target
from inference.training.refused import TrainingRefused
from inference.training.source import Source


@dataclass(frozen=True)
class Later:
    """The rows that nothing was trained on, in order of arrival. `numbers` count the file's rows from 1."""

    read: Source
    answers: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """All columns of the file."""
        return list(self.read.fields)

    @property
    def numbers(self) -> list[int]:
        numbers: list[int] = self.read.numbers.tolist()
        return numbers

    def rows(self, columns: Sequence[Column]) -> list[dict[str, Any]]:
        """The rows with a model's columns alone, in the types that its contract asks for."""
        values = [_as_sent(self.read.fields[column.name].values, column) for column in columns]
        names = [column.name for column in columns]
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def divide(path: Path, early: Path, *, target_column: str, time: str, share: float) -> tuple[Path, Later]:
    """Write the first `share` of the rows below the directory `early`; answers that file and the other rows.

    In order of the column `time`, without one in a random order that is always the same. Raises TrainingRefused.
    """
    read, _ = target.answered(source.read(path), target_column)
    answers = target.answers(read, target_column)
    if time:
        order = np.argsort(dates.times(read.field(time, option="--time"), read.numbers), kind="stable")
    else:
        order = np.random.default_rng(0).permutation(len(read))
    cut = round(share * len(order))
    if not 0 < cut < len(order):
        raise TrainingRefused(f"{path.name} has {len(order):,} rows: too few to train on a part and stream the rest.")
    later = read.take(order[cut:])
    labels = answers.take(order[cut:]).labels
    return _written(read.take(order[:cut]), early, path), Later(later, tuple(labels))


def _written(part: Source, where: Path, path: Path) -> Path:
    table = pa.table({name: field.values for name, field in part.fields.items()})
    if any(field.is_typed for field in part.fields.values()):
        file = where / f"early-{path.stem}.parquet"
        pq.write_table(table, file)
        return file
    file = where / f"early-{path.name.partition('.')[0]}.csv"
    pa_csv.write_csv(table, file)
    return file


def _as_sent(values: pa.Array, column: Column) -> list[Any]:
    found = values.to_pylist()
    if column.dtype in {"int", "float"}:
        return [_number(value, whole=column.dtype == "int") for value in found]
    if column.dtype == "bool":
        return [value.strip().lower() == "true" if isinstance(value, str) else value for value in found]
    return [None if value is None else str(value) for value in found]


def _number(value: Any, *, whole: bool) -> int | float | str | None:
    """What is no number stays as it is: the stream's contract tells whoever sends it."""
    if not isinstance(value, str):
        return value if whole or value is None else float(value)
    try:
        return int(value) if whole else float(value)
    except ValueError:
        return value
