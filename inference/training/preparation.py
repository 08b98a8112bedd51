"""Columns to numbers, the same way in numpy for fitting and in ONNX for serving."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from inference.manifest import Column, GraphInput

NUMBERS, WORDS = "numbers", "words"


@dataclass(frozen=True)
class Preparation:
    """Missing numbers become the training median; a category becomes one column per value."""

    numbers: tuple[Column, ...]
    words: tuple[Column, ...]
    medians: tuple[float, ...]

    @classmethod
    def fit(cls, columns: Sequence[Column], frame: Mapping[str, Sequence[Any]]) -> "Preparation":
        texts = [column.name for column in columns if column.dtype == "text"]
        if texts:
            raise ValueError(f"Columns of free text are not trained on here: {', '.join(texts)}.")
        numbers = tuple(column for column in columns if column.is_numeric)
        medians = [_median([value for value in frame[column.name] if value is not None]) for column in numbers]
        return cls(numbers, tuple(column for column in columns if not column.is_numeric), tuple(medians))

    @property
    def inputs(self) -> tuple[GraphInput, ...]:
        inputs = []
        if self.numbers:
            inputs.append(GraphInput(NUMBERS, "float", tuple(column.name for column in self.numbers)))
        if self.words:
            inputs.append(GraphInput(WORDS, "string", tuple(column.name for column in self.words)))
        return tuple(inputs)

    @property
    def transformed(self) -> tuple[str, ...]:
        """The input column of each prepared column."""
        names = [column.name for column in self.numbers]
        return (*names, *(column.name for column in self.words for _ in column.values or ()))

    def apply(self, feeds: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        parts: list[NDArray[np.float32]] = []
        if self.numbers:
            values = feeds[NUMBERS].astype(np.float32)
            parts.append(np.where(np.isnan(values), np.array(self.medians, dtype=np.float32), values))
        for place, column in enumerate(self.words):
            given = feeds[WORDS][:, place]
            parts += [(given == value).astype(np.float32)[:, None] for value in column.values or ()]
        return np.concatenate(parts, axis=1)

    def nodes(self, output: str) -> tuple[list[NodeProto], list[TensorProto]]:
        """Nodes from the graph inputs to the prepared matrix."""
        nodes, constants, parts = [], [], []
        if self.numbers:
            imputed: dict[str, Any] = {"imputed_value_floats": list(self.medians), "replaced_value_float": float("nan")}
            nodes.append(helper.make_node("Imputer", [NUMBERS], ["imputed"], domain="ai.onnx.ml", **imputed))
            parts.append("imputed")
        for place, column in enumerate(self.words):
            constants.append(helper.make_tensor(f"place_{place}", TensorProto.INT64, [1], [place]))
            nodes += [
                helper.make_node("Gather", [WORDS, f"place_{place}"], [f"word_{place}"], axis=1),
                helper.make_node(
                    "OneHotEncoder",
                    [f"word_{place}"],
                    [f"encoded_{place}"],
                    domain="ai.onnx.ml",
                    cats_strings=list(column.values or ()),
                    zeros=1,
                ),
                helper.make_node("Flatten", [f"encoded_{place}"], [f"flat_{place}"], axis=1),
            ]
            parts.append(f"flat_{place}")
        nodes.append(helper.make_node("Concat", parts, [output], axis=1))
        return nodes, constants


def _median(values: Sequence[Any]) -> float:
    # Rounded to what the graph can hold, so that both sides impute the same number.
    return float(np.float32(np.median(np.asarray(values, dtype=np.float64)))) if values else 0.0
