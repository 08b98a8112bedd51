"""Rows of features to the graph's input tensors, column-wise, and JSON straight to tensors."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.manifest import GraphInput, Manifest

Feeds = dict[str, NDArray[Any]]
Row = Mapping[str, Any]

_NUMPY_TYPES: dict[str, Any] = {
    "float": np.float32,
    "double": np.float64,
    "int64": np.int64,
    "bool": np.bool_,
    "string": np.object_,
}
FLOATS = frozenset({"float", "double"})
_PYTHON_TYPES: dict[str, Any] = {"float": float, "int": int, "bool": bool, "category": str, "text": str}


class RowInvalid(ValueError):
    """A row that the input contract should not have let through."""


class Decoder:
    """Turns rows into feeds for one manifest."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._nullable = {column.name for column in manifest.columns if column.nullable}
        self._inputs = [(item, _tuple_getter(item.columns)) for item in manifest.inputs]

    def feeds(self, rows: Sequence[Row]) -> Feeds:
        """The input tensors for rows of features; an absent or null value is missing."""
        return {item.name: self._fill(item, map(getter, rows), rows) for item, getter in self._inputs}

    def feeds_from_json(self, raw: Sequence[bytes]) -> Feeds:
        """The input tensors for rows that are still JSON; no dict is made in between, unless the names need one."""
        array = b"[" + b",".join(raw) + b"]"
        if not self._has_plain_names:
            import msgspec

            return self.feeds(msgspec.json.decode(array))
        structs = self._json.decode(array)
        return {item.name: self._fill_structs(item, structs) for item, _ in self._inputs}

    def feeds_from_table(self, table: Mapping[str, Sequence[Any]]) -> Feeds:
        """The input tensors for columns of values."""
        return {
            item.name: _stack([_column(table[name], item, name=name) for name in item.columns])
            for item in self._manifest.inputs
        }

    def _fill(self, item: GraphInput, values: Iterable[tuple[Any, ...]], rows: Sequence[Row]) -> NDArray[Any]:
        if item.dtype != "string":
            try:
                filled = _flat(values, item, count=len(rows))
            except (KeyError, TypeError, ValueError):
                pass  # something is missing: the careful way finds out what, and whether it may be
            else:
                # numpy reads None as NaN, also where a column must not be empty.
                if item.dtype not in FLOATS or not np.isnan(filled).any():
                    return filled
        return _stack([self._careful_column(item, name, rows) for name in item.columns])

    def _careful_column(self, item: GraphInput, name: str, rows: Sequence[Row]) -> NDArray[Any]:
        values = [row.get(name) for row in rows]
        if name not in self._nullable and None in values:
            raise RowInvalid(f"Column `{name}` is missing in row {values.index(None)}.")
        return _column(values, item, name=name)

    def _fill_structs(self, item: GraphInput, structs: Sequence[Any]) -> NDArray[Any]:
        pick = self._pickers[item.name]
        if item.dtype != "string":
            try:
                return _flat(map(pick, structs), item, count=len(structs))
            except TypeError:
                pass  # nulls
        columns = zip(*map(pick, structs), strict=True)
        return _stack(
            [_column(list(values), item, name=name) for name, values in zip(item.columns, columns, strict=True)]
        )

    @cached_property
    def _has_plain_names(self) -> bool:
        """Whether JSON writes every column's name as it is, which a struct's fields have to be."""
        return not any(char in '"\\' or char < " " for name in self._manifest.column_names for char in name)

    @cached_property
    def _json(self) -> Any:
        import msgspec

        return msgspec.json.Decoder(list[self._struct])  # type: ignore[name-defined]  # made at run time

    @cached_property
    def _struct(self) -> Any:
        import msgspec

        required, optional = [], []
        for index, column in enumerate(self._manifest.columns):
            kind = _PYTHON_TYPES[column.dtype]
            if column.nullable:
                optional.append((f"c{index}", kind | None, None))
            else:
                required.append((f"c{index}", kind))
        names = {f"c{index}": column.name for index, column in enumerate(self._manifest.columns)}
        return msgspec.defstruct("Features", [*required, *optional], rename=names, gc=False)

    @cached_property
    def _pickers(self) -> dict[str, Any]:
        from operator import attrgetter

        import msgspec

        place = {name: f"c{index}" for index, name in enumerate(self._manifest.column_names)}
        pickers: dict[str, Any] = {}
        for item in self._manifest.inputs:
            wanted = tuple(place[name] for name in item.columns)
            get = attrgetter(*wanted)
            if wanted == self._struct.__struct_fields__:
                pickers[item.name] = msgspec.structs.astuple
            elif len(wanted) > 1:
                pickers[item.name] = get
            else:
                pickers[item.name] = lambda struct, get=get: (get(struct),)
        return pickers


def _tuple_getter(names: Sequence[str]) -> Any:
    if len(names) > 1:
        return itemgetter(*names)
    only = names[0]
    return lambda row: (row[only],)


def _flat(values: Iterable[tuple[Any, ...]], item: GraphInput, *, count: int) -> NDArray[Any]:
    width = len(item.columns)
    # A number too large for float32 becomes infinite, which trees and the similar-case space can take.
    with np.errstate(over="ignore"):
        flat = np.fromiter(chain.from_iterable(values), dtype=_NUMPY_TYPES[item.dtype], count=count * width)
    return flat.reshape(count, width)


def _column(values: Sequence[Any], item: GraphInput, *, name: str) -> NDArray[Any]:
    if item.dtype == "string":
        return np.array(["" if value is None else value for value in values], dtype=np.object_)
    if item.dtype in FLOATS:
        values = [np.nan if value is None else value for value in values]
    try:
        with np.errstate(over="ignore"):
            return np.array(values, dtype=_NUMPY_TYPES[item.dtype])
    except (TypeError, ValueError, OverflowError) as error:
        raise RowInvalid(f"Column `{name}` holds a value that is not a number.") from error


def _stack(columns: list[NDArray[Any]]) -> NDArray[Any]:
    return np.ascontiguousarray(np.stack(columns, axis=1))
