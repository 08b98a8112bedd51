"""The protocol's tensors: its datatypes, and JSON lists to arrays, read strictly."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference.manifest import GraphInput, Manifest
from inference.serve.refused import Refused

DATATYPES = {"float": "FP32", "double": "FP64", "int64": "INT64", "bool": "BOOL", "string": "BYTES"}
_NUMPY: dict[str, Any] = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": object}
# JSON knows no NaN: a missing number is null.
_ITEMS: dict[str, Any] = {"FP32": float | None, "FP64": float | None, "INT64": int, "BOOL": bool, "BYTES": str}
_WORDS = {"FP32": "numbers", "FP64": "numbers", "INT64": "whole numbers", "BOOL": "true or false", "BYTES": "texts"}


class Sent(msgspec.Struct):
    """One input of a request; its values stay unread until it is known what they must be."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw


@dataclass(frozen=True)
class Tensor:
    """A tensor as the model's metadata describes it; -1 stands for the rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


class Reader:
    """Reads one input of the graph."""

    def __init__(self, item: GraphInput, manifest: Manifest) -> None:
        self.tensor = Tensor(item.name, DATATYPES[item.dtype], (-1, len(item.columns)))
        self._columns = item.columns
        self._required = [place for place, name in enumerate(item.columns) if not manifest.column(name).nullable]
        self._dtype = _NUMPY[self.tensor.datatype]
        kind = _ITEMS[self.tensor.datatype]
        self._flat = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]  # known at run time only
        self._nested = msgspec.json.Decoder(list[list[kind]])  # type: ignore[valid-type]  # as above

    def read(self, sent: Sent, *, max_rows: int) -> NDArray[Any]:
        """The values, rows × columns. Raises Refused, naming the input and what was expected."""
        name, datatype, width = self.tensor.name, self.tensor.datatype, len(self._columns)
        if sent.datatype != datatype:
            raise Refused(400, f"The input `{name}` must have the datatype {datatype}, not {sent.datatype[:20]}.")
        if len(sent.shape) != 2 or sent.shape[1] != width or sent.shape[0] < 1:
            raise Refused(400, f"The input `{name}` must have the shape [rows, {width}] with one row or more.")
        rows = sent.shape[0]
        if rows > max_rows:
            raise Refused(413, f"The request has {rows} rows; send at most {max_rows} at a time.")
        values = self._values(sent)
        if len(values) != rows * width:
            raise Refused(400, f"The input `{name}` has {len(values)} values; its shape needs {rows} × {width}.")
        try:
            found = np.array(values, dtype=self._dtype).reshape(rows, width)
        except OverflowError as error:
            raise Refused(400, f"The input `{name}` holds a number that does not fit {datatype}.") from error
        if None in values:
            self._check_missing(found)
        return found

    def _values(self, sent: Sent) -> list[Any]:
        try:
            flat: list[Any] = self._flat.decode(sent.data)
        except msgspec.DecodeError as error:
            try:
                return [value for row in self._nested.decode(sent.data) for value in row]
            except msgspec.DecodeError:
                words = _WORDS[self.tensor.datatype]
                raise Refused(400, f"The input `{sent.name}` must list {words}: {error}.") from error
        return flat

    def _check_missing(self, found: NDArray[Any]) -> None:
        for row, column in np.argwhere(np.isnan(found[:, self._required])):
            name = self._columns[self._required[column]]
            raise Refused(400, f"Column `{name}` is missing in row {row}; the model needs a number there.")


def written(name: str, values: NDArray[Any]) -> dict[str, Any]:
    """One output as the protocol has it."""
    datatype = "BYTES" if values.dtype == object else f"FP{values.dtype.itemsize * 8}"
    return {"name": name, "datatype": datatype, "shape": values.shape, "data": values.ravel().tolist()}
