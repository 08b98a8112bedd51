"""Number columns as features, the same way in numpy for fitting and in ONNX for serving."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from inference.training.onnx_graph import Part

NUMBERS = "numbers"
# Whole numbers with few values may be codes: each value gets a feature of its own beside the number.
MAX_CODES = 20
MIN_OF_CODE = 20
# One wild number must not shout down every other column.
_LIMIT = 10.0

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class AsTheyAre:
    """Numbers for trees, which split wherever they like and have a side for what is missing."""

    columns: tuple[str, ...]

    @property
    def owners(self) -> tuple[str, ...]:
        return self.columns

    def apply(self, values: NDArray[Any]) -> Floats:
        return values.astype(np.float32)

    def nodes(self) -> tuple[Part, list[str]]:
        return ([], []), [NUMBERS]


@dataclass(frozen=True)
class Scaled:
    """Numbers for linear models and nets: gaps filled by the median, standardised; gaps and codes as features."""

    columns: tuple[str, ...]
    medians: Floats
    centre: Floats
    scale: Floats
    gaps: NDArray[np.int64]  # places of the columns that may be missing
    code_places: NDArray[np.int64]
    codes: Floats

    @classmethod
    def fit(
        cls, columns: Sequence[str], values: Floats, *, nullable: Sequence[bool], whole: Sequence[bool]
    ) -> "Scaled":
        with np.errstate(invalid="ignore"):
            gaps = np.isnan(values)
            medians = np.array(
                [np.median(one[~gap]) if (~gap).any() else 0.0 for one, gap in zip(values.T, gaps.T, strict=True)],
                dtype=np.float32,
            )
        filled = np.where(gaps, medians, values).astype(np.float64)
        scale = filled.std(axis=0)
        places, codes = [], []
        for place in np.flatnonzero(whole):
            found, counts = np.unique(values[~gaps[:, place], place], return_counts=True)
            if 2 < len(found) <= MAX_CODES:
                frequent = found[counts >= MIN_OF_CODE]
                codes.append(frequent)
                places.append(np.full(len(frequent), place))
        return cls(
            columns=tuple(columns),
            medians=medians,
            centre=filled.mean(axis=0).astype(np.float32),
            scale=np.where(scale > 0, scale, 1.0).astype(np.float32),
            gaps=np.flatnonzero(nullable).astype(np.int64),
            code_places=np.concatenate([*places, []]).astype(np.int64),
            codes=np.concatenate([*codes, []]).astype(np.float32),
        )

    @property
    def owners(self) -> tuple[str, ...]:
        extra = [self.columns[place] for place in (*self.gaps, *self.code_places)]
        return (*self.columns, *extra)

    def apply(self, values: NDArray[Any]) -> Floats:
        gap = np.isnan(values)
        filled = np.where(gap, self.medians, values).astype(np.float32)
        with np.errstate(over="ignore"):
            scaled = np.clip((filled - self.centre) / self.scale, -_LIMIT, _LIMIT)
        codes = filled[:, self.code_places] == self.codes
        return np.concatenate([scaled, gap[:, self.gaps], codes], axis=1, dtype=np.float32)

    def nodes(self) -> tuple[Part, list[str]]:
        imputing: dict[str, Any] = {"imputed_value_floats": self.medians.tolist(), "replaced_value_float": float("nan")}
        nodes = [
            helper.make_node("Imputer", [NUMBERS], ["filled"], domain="ai.onnx.ml", **imputing),
            helper.make_node("Sub", ["filled", "centre"], ["centred"]),
            helper.make_node("Div", ["centred", "scale"], ["standardised"]),
            helper.make_node("Clip", ["standardised", "lowest", "highest"], ["clipped"]),
        ]
        constants = {
            "centre": self.centre,
            "scale": self.scale,
            "lowest": np.float32(-_LIMIT),
            "highest": np.float32(_LIMIT),
        }
        parts = ["clipped"]
        if len(self.gaps):
            nodes += [
                helper.make_node("IsNaN", [NUMBERS], ["is_gap"]),
                helper.make_node("Cast", ["is_gap"], ["every_gap"], to=1),
                helper.make_node("Gather", ["every_gap", "gap_places"], ["gaps"], axis=1),
            ]
            constants["gap_places"] = self.gaps
            parts.append("gaps")
        if len(self.codes):
            nodes += [
                helper.make_node("Gather", ["filled", "code_places"], ["coded"], axis=1),
                helper.make_node("Equal", ["coded", "code_values"], ["is_code"]),
                helper.make_node("Cast", ["is_code"], ["codes"], to=1),
            ]
            constants |= {"code_places": self.code_places, "code_values": self.codes}
            parts.append("codes")
        tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
        return (nodes, tensors), parts
