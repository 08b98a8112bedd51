"""The space in which cases are similar: standardised columns, weighted by their importance to the model.

It is built from the inputs, never from outputs or attributions: those repeat the model's own mistakes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.decode import Decoder, Feeds, Row
from inference.manifest import Manifest

WIDTH = 128
# Keeps every coordinate finite in float32, whatever upstream sends.
_LIMIT = 1e6

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class _Numbers:
    """The number columns of one graph input."""

    input: str
    positions: list[int]
    centre: NDArray[np.float64]
    factor: NDArray[np.float64]


@dataclass(frozen=True)
class _Category:
    """One category column; two different values are as far apart as two numbers usually are."""

    input: str
    position: int
    places: dict[str, int]
    factor: float


class Space:
    """Maps input tensors to vectors of 128 numbers whose distance says how alike two cases are."""

    def __init__(self, manifest: Manifest) -> None:
        self._numbers: list[_Numbers] = []
        self._categories: list[_Category] = []
        known = {column["name"]: column for column in manifest.neighbours["columns"]}
        for item in manifest.inputs:
            described = [(place, known[name]) for place, name in enumerate(item.columns) if name in known]
            numbers = [(place, column) for place, column in described if column["kind"] == "number"]
            if numbers:
                self._numbers.append(_number_block(item.name, numbers))
            self._categories += [
                _Category(item.name, place, {v: i for i, v in enumerate(column["values"])}, column["weight"] ** 0.5)
                for place, column in described
                if column["kind"] == "category"
            ]
        self.raw_width = sum(len(block.positions) for block in self._numbers)
        self.raw_width += sum(len(block.places) for block in self._categories)
        self._projection = (
            _projection(self.raw_width, seed=str(manifest.neighbours["seed"])) if self.raw_width > WIDTH else None
        )

    @property
    def active_width(self) -> int:
        """How many leading coordinates can differ from zero."""
        return min(self.raw_width, WIDTH)

    def embed(self, feeds: Feeds) -> Matrix:
        """One vector per row."""
        rows = len(next(iter(feeds.values())))
        raw = np.zeros((rows, max(self.raw_width, WIDTH)), dtype=np.float32)
        start = 0
        for block in self._numbers:
            stop = start + len(block.positions)
            raw[:, start:stop] = _standardise(feeds[block.input], block)
            start = stop
        for category in self._categories:
            values = feeds[category.input][:, category.position]
            for row, value in enumerate(values):
                place = category.places.get(value)
                if place is not None:
                    raw[row, start + place] = category.factor
            start += len(category.places)
        return raw if self._projection is None else np.asarray(raw @ self._projection, dtype=np.float32)


def embed(manifest: Manifest, rows: Sequence[Row]) -> Matrix:
    """The vectors of rows of features; use a loaded model's space where there is one."""
    return Space(manifest).embed(Decoder(manifest).feeds(rows))


def describe(distance: float, manifest: Manifest) -> str:
    """A distance in words, measured against how close training rows lie to each other."""
    quantiles = manifest.novelty["quantiles"]
    last = len(quantiles) - 1
    for share, words in (
        (0.1, "nearly the same"),
        (0.5, "very similar"),
        (0.9, "similar"),
        (0.99, "loosely similar"),
    ):
        if distance <= quantiles[round(share * last)]:
            return words
    return "not very similar"


def fit(table: Mapping[str, Sequence[Any]], manifest: Manifest, *, importance: Mapping[str, float]) -> dict[str, Any]:
    """The manifest's `neighbours` section, from training columns and the importance of each."""
    total = sum(importance.values()) or 1.0
    columns: list[dict[str, Any]] = []
    for column in manifest.columns:
        weight = float(importance.get(column.name, 0.0) / total)
        if column.dtype == "category":
            columns.append(
                {
                    "name": column.name,
                    "kind": "category",
                    "values": list(column.values or ()),
                    "weight": weight,
                }
            )
        elif column.is_numeric:
            values = np.array([np.nan if v is None else float(v) for v in table[column.name]], dtype=np.float64)
            known = values[~np.isnan(values)]
            scale = float(known.std()) if known.size else 0.0
            columns.append(
                {
                    "name": column.name,
                    "kind": "number",
                    "centre": float(known.mean()) if known.size else 0.0,
                    "scale": scale if scale > 0 else 1.0,
                    "weight": weight,
                }
            )
    return {"dimension": WIDTH, "seed": "reviewapp-neighbours-1", "columns": columns}


def _number_block(name: str, described: list[tuple[int, dict[str, Any]]]) -> _Numbers:
    columns = [column for _, column in described]
    return _Numbers(
        input=name,
        positions=[place for place, _ in described],
        centre=np.array([column["centre"] for column in columns], dtype=np.float64),
        factor=np.array([column["weight"] ** 0.5 / column["scale"] for column in columns], dtype=np.float64),
    )


def _standardise(values: NDArray[Any], block: _Numbers) -> NDArray[np.float64]:
    if len(block.positions) != values.shape[1]:
        values = values[:, block.positions]
    scaled = (values - block.centre) * block.factor
    # A missing number sits at the centre: it makes a case neither alike nor strange.
    return np.clip(np.nan_to_num(scaled, copy=False, nan=0.0, posinf=_LIMIT, neginf=-_LIMIT), -_LIMIT, _LIMIT)


def _projection(raw_width: int, *, seed: str) -> Matrix:
    # Signs out of a hash: the same on every machine and in every release of numpy.
    bits = np.frombuffer(hashlib.shake_256(seed.encode()).digest(raw_width * WIDTH // 8), dtype=np.uint8)
    signs = np.unpackbits(bits).astype(np.float32) * 2 - 1
    return np.asarray(signs.reshape(raw_width, WIDTH) / np.float32(WIDTH**0.5), dtype=np.float32)
