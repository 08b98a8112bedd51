"""What each column of the data is, found by looking at its values."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from inference.manifest import Column, Dtype
from inference.training import dates, signed_numbers
from inference.training.refused import TrainingRefused, shown
from inference.training.source import Field, Source

MAX_VALUES = 1_000
# What a stream's contract lets through.
MAX_TEXT = 100_000
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d{1,15}")
_CODE = re.compile(r"[+-]?0\d+")
_ID_NAME = re.compile(r"(^|[_\s-])(id|key|nr|nbr|number|uuid)$", re.IGNORECASE)
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Wanted:
    """What is known of the columns before anybody looks."""

    texts: Collection[str] = ()
    is_image: bool = False
    # The stream's contract: column → JSON types, and whether a case may lack it. Empty where there is none.
    contract: Mapping[str, tuple[Collection[str], bool]] = field(default_factory=dict)


@dataclass
class Inferred:
    """The input columns, their values row by row, and a sentence on each column that was left out."""

    columns: list[Column] = field(default_factory=list)
    table: dict[str, list[Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Seen:
    """A column of text with its different values."""

    field: Field
    numbers: NDArray[np.int64]
    distinct: list[str]
    codes: NDArray[np.int64]  # -1 where nothing is written
    counts: NDArray[np.int64]

    @property
    def num_known(self) -> int:
        return int(self.counts.sum())

    def row_of(self, place: int) -> int:
        """The number of the first row with this value."""
        return int(self.numbers[np.flatnonzero(self.codes == place)[0]])

    def values(self, converted: list[Any]) -> list[Any]:
        """One value per row, None where nothing is written."""
        table = [*converted, None]
        return [table[code] for code in self.codes.tolist()]


def infer(source: Source, wanted: Wanted) -> Inferred:
    """Look at every column. Raises TrainingRefused for one that can be neither used nor left out unasked."""
    found = Inferred()
    for one in source.fields.values():
        if wanted.contract and one.name not in wanted.contract:
            found.notes.append(f"`{one.name}` is not in the stream's contract: left out.")
            continue
        _check_filled(one)
        _add(found, one, source.numbers, wanted)
    missing = sorted(
        name for name, (_, optional) in wanted.contract.items() if not optional and name not in found.table
    )
    if missing:
        raise TrainingRefused(
            f"{source.file} lacks the column `{missing[0]}`, which the stream's contract requires; add it to the data."
        )
    if not found.columns:
        raise TrainingRefused(f"{source.file} has no column left to learn from; exclude fewer.")
    return found


def _check_filled(one: Field) -> None:
    if one.values.null_count == len(one.values):
        raise TrainingRefused(f"Column `{one.name}` is empty in every row; leave it out with --exclude {one.name}.")


def _add(found: Inferred, one: Field, numbers: NDArray[np.int64], wanted: Wanted) -> None:
    is_promised = one.name in wanted.contract
    column, values, note = _look(one, numbers, wanted)
    if column is None:
        if is_promised and not wanted.contract[one.name][1]:
            raise TrainingRefused(
                f"{note.rstrip('.')}, but the stream's contract requires it; add rows where it differs."
            )
        found.notes.append(note)
        return
    found.columns.append(column)
    found.table[one.name] = values
    if note:
        found.notes.append(note)


def _look(one: Field, numbers: NDArray[np.int64], wanted: Wanted) -> tuple[Column | None, list[Any], str]:
    """The column, its values and what to say about it; no column where it is of no use."""
    types, optional = wanted.contract.get(one.name, ((), False))
    nullable = bool(one.values.null_count) or optional
    kind = one.values.type
    if pa.types.is_temporal(kind):
        return None, [], _dated(one.name)
    if not pa.types.is_string(kind):
        return _typed(one, numbers, nullable=nullable, keep=wanted.is_image or bool(types), types=types)
    seen = _seen(one, numbers)
    if one.name in wanted.texts:
        return _text(seen, nullable=nullable)
    if len(seen.distinct) == 1 and not one.values.null_count and not wanted.is_image and not types:
        return None, [], f"`{one.name}` is {shown(seen.distinct[0])} in every row: left out."
    if types and "string" in types:
        return _words(seen, nullable=nullable, keep=True)
    lower = {value.strip().lower(): value for value in seen.distinct}
    if lower.keys() <= {"true", "false"}:
        return (
            _column(one.name, "bool", nullable),
            seen.values([v.strip().lower() == "true" for v in seen.distinct]),
            "",
        )
    if not one.is_typed:
        numeric = _numbers(seen, types=types, is_image=wanted.is_image)
        if numeric is not None:
            dtype, values = numeric
            return _number_column(one.name, dtype, values, numbers, nullable=nullable, keep=bool(types))
    if types:
        expected = " or ".join(sorted(set(types) - {"null"}))
        raise TrainingRefused(
            f"Column `{one.name}`, row {seen.row_of(0)}: {shown(seen.distinct[0])} is not {expected}, which the "
            "stream's "
            "contract asks for; correct the data or train for another stream."
        )
    return _words(seen, nullable=nullable, keep=False)


def _seen(one: Field, numbers: NDArray[np.int64]) -> _Seen:
    encoded = pc.dictionary_encode(one.values)
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    distinct = encoded.dictionary.to_pylist()
    return _Seen(one, numbers, distinct, codes, np.bincount(codes[codes >= 0], minlength=len(distinct)))


def _numbers(seen: _Seen, *, types: Collection[str], is_image: bool) -> tuple[Dtype, list[Any]] | None:
    """The values as numbers, or None for a column of words. Raises TrainingRefused for a mixture of both."""
    trimmed = [value.strip() for value in seen.distinct]
    fits = [_NUMBER.fullmatch(value) is not None for value in trimmed]
    if all(fits):
        if any(_CODE.fullmatch(value) for value in trimmed) and not types and not is_image:
            return None  # `007` is a code: as a number it would lose its zeros
        if all(_WHOLE.fullmatch(value) for value in trimmed) and (not types or "integer" in types):
            return "int", seen.values([int(value) for value in trimmed])
        if "integer" in types and "number" not in types:
            odd = next(place for place, value in enumerate(trimmed) if not _WHOLE.fullmatch(value))
            raise TrainingRefused(
                f"Column `{seen.field.name}`, row {seen.row_of(odd)}: {shown(trimmed[odd])} is no whole number, "
                "which the "
                "stream's contract asks for; round it or train for another stream."
            )
        return "float", seen.values([float(value) for value in trimmed])
    share = float(seen.counts[fits].sum()) / seen.num_known
    is_repeated = len(trimmed) <= MAX_VALUES and seen.num_known >= 10 * len(trimmed)
    signed = None if is_repeated and not types else signed_numbers.first(trimmed, plain=fits)
    if signed is not None:
        raise TrainingRefused(
            f"Column `{seen.field.name}` holds numbers written for people: row {seen.row_of(signed)} has "
            f"{shown(trimmed[signed])}; write them as 1234.5, without signs and with a point, or leave the column out "
            f"with --exclude {seen.field.name}."
        )
    if share > 0.5 and (types or is_image or not is_repeated):
        odd = fits.index(False)
        raise TrainingRefused(
            f"Column `{seen.field.name}` mixes numbers with words: row {seen.row_of(odd)} has {shown(trimmed[odd])}; "
            "write "
            f"numbers as 1234.5 and leave unknown ones empty, or leave the column out with --exclude {seen.field.name}."
        )
    return None


def _typed(
    one: Field, numbers: NDArray[np.int64], *, nullable: bool, keep: bool, types: Collection[str]
) -> tuple[Column | None, list[Any], str]:
    values = one.values.to_pylist()
    if not keep and not one.values.null_count and len(set(values)) == 1:
        return None, [], f"`{one.name}` is {shown(values[0])} in every row: left out."
    if pa.types.is_boolean(one.values.type):
        return _column(one.name, "bool", nullable), values, ""
    dtype: Dtype = "int" if pa.types.is_integer(one.values.type) and "number" not in types else "float"
    if dtype == "float":
        values = [None if value is None else float(value) for value in values]
    return _number_column(one.name, dtype, values, numbers, nullable=nullable, keep=keep)


def _number_column(
    name: str, dtype: Dtype, values: list[Any], numbers: NDArray[np.int64], *, nullable: bool, keep: bool
) -> tuple[Column | None, list[Any], str]:
    known = np.array([np.nan if value is None else float(value) for value in values])
    large = np.flatnonzero(np.abs(np.nan_to_num(known, posinf=np.inf, neginf=-np.inf)) > _LARGEST)
    if len(large):
        raise TrainingRefused(
            f"Column `{name}`, row {numbers[large[0]]}: {values[large[0]]} is too large a number; correct it or "
            "leave it empty."
        )
    if dtype == "int" and not keep and _counts_rows(name, known):
        return None, [], f"`{name}` has another number in every row, as an id has: left out."
    return _column(name, dtype, nullable), values, ""


def _counts_rows(name: str, known: NDArray[np.float64]) -> bool:
    """Whether whole numbers only tell rows apart: all different, and named as an id or without large gaps."""
    filled = known[~np.isnan(known)]
    if len(filled) < 100 or len(np.unique(filled)) < len(filled):
        return False
    return bool(_ID_NAME.search(name)) or float(filled.max() - filled.min()) < 2 * len(filled)


def _words(seen: _Seen, *, nullable: bool, keep: bool) -> tuple[Column | None, list[Any], str]:
    name, num_distinct, known = seen.field.name, len(seen.distinct), seen.num_known
    if not keep and dates.looks_like_dates(seen.distinct):
        return None, [], _dated(name)
    _check_length(seen)
    words_each = float(np.mean([value.count(" ") + 1 for value in seen.distinct]))
    if num_distinct > max(50, 0.2 * known) and (words_each >= 4 or max(map(len, seen.distinct)) > 200):
        return _text(seen, nullable=nullable)
    if not keep and num_distinct > 50 and num_distinct > 0.9 * known:
        return None, [], f"`{name}` has another value in nearly every row, as an id or a name has: left out."
    order = np.argsort(-seen.counts, kind="stable")[:MAX_VALUES]
    frequent = sorted(seen.distinct[place] for place in order)
    note = ""
    if num_distinct > MAX_VALUES:
        note = f"`{name}` has {num_distinct:,} different values: the {MAX_VALUES:,} most frequent are told apart."
    column = Column(name, "category", nullable=nullable, values=tuple(frequent), is_open=True)
    return column, seen.values(seen.distinct), note


def _text(seen: _Seen, *, nullable: bool) -> tuple[Column, list[Any], str]:
    _check_length(seen)
    return _column(seen.field.name, "text", nullable), seen.values(seen.distinct), ""


def _check_length(seen: _Seen) -> None:
    for place, value in enumerate(seen.distinct):
        if len(value) > MAX_TEXT:
            raise TrainingRefused(
                f"Column `{seen.field.name}`, row {seen.row_of(place)}: the text has {len(value):,} characters, and a "
                f"case may have {MAX_TEXT:,}; shorten it or leave the row out."
            )


def _column(name: str, dtype: Dtype, nullable: bool) -> Column:
    return Column(name, dtype, nullable=nullable)


def _dated(name: str) -> str:
    return f"`{name}` holds dates, which say nothing by themselves: left out (an age in days would be a number)."
