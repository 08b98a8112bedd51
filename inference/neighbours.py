"""The space in which cases are similar: standardised columns, weighted by their importance to the model.

It is built from the inputs, never from outputs or attributions: those repeat the model's own mistakes. A model may give
vectors of its own instead, as the output that its manifest names `embedding`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference import words
from inference.decode import Decoder, Feeds, Row
from inference.manifest import Manifest

WIDTH = 128
SEED = "reviewapp-neighbours-1"
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

    @property
    def width(self) -> int:
        return len(self.places)


@dataclass(frozen=True)
class _Text:
    """One text column; two texts without a common word are as far apart as two numbers usually are."""

    input: str
    position: int
    words: Mapping[str, float]
    rare: float
    factor: float


class Space:
    """Maps input tensors to vectors of 128 numbers whose distance says how alike two cases are."""

    def __init__(self, manifest: Manifest) -> None:
        self._numbers: list[_Numbers] = []
        self._categories: list[_Category] = []
        self._texts: list[_Text] = []
        self._given = manifest.neighbours.get("embedding")
        if self._given is None:
            self._read_columns(manifest)
            self.raw_width = sum(len(block.positions) for block in self._numbers)
            self.raw_width += sum(block.width for block in self._categories) + words.PLACES * len(self._texts)
        else:
            self.raw_width = len(self._given["centre"])
        self._projection = (
            _projection(self.raw_width, seed=str(manifest.neighbours["seed"])) if self.raw_width > WIDTH else None
        )
        self._tables = self._tables_of_categories()

    def _read_columns(self, manifest: Manifest) -> None:
        known = {column["name"]: column for column in manifest.neighbours["columns"]}
        for item in manifest.inputs:
            described = [(place, known[name]) for place, name in enumerate(item.columns) if name in known]
            numbers = [(place, column) for place, column in described if column["kind"] == "number"]
            if numbers:
                self._numbers.append(_number_block(item.name, numbers))
            for place, column in described:
                factor = column["weight"] ** 0.5
                if column["kind"] == "category":
                    places = {value: index for index, value in enumerate(column["values"])}
                    self._categories.append(_Category(item.name, place, places, factor))
                elif column["kind"] == "text":
                    self._texts.append(_Text(item.name, place, column["words"], column["rare"], factor))

    def _tables_of_categories(self) -> list[Matrix]:
        """Per category column, what each of its values adds to a vector; a value never seen adds nothing, last."""
        start = sum(len(block.positions) for block in self._numbers)
        tables = []
        for category in self._categories:
            table = np.zeros((category.width + 1, WIDTH), dtype=np.float32)
            stop = start + category.width
            if self._projection is None:
                table[np.arange(category.width), np.arange(start, stop)] = category.factor
            else:
                table[:-1] = self._projection[start:stop] * np.float32(category.factor)
            tables.append(table)
            start = stop
        return tables

    @property
    def takes_given(self) -> bool:
        """Whether the vectors are made of what the model itself gives."""
        return self._given is not None

    @property
    def active_width(self) -> int:
        """How many leading coordinates can differ from zero."""
        return min(self.raw_width, WIDTH)

    def embed(self, feeds: Feeds, given: NDArray[Any] | None = None) -> Matrix:
        """One vector per row; `given` is the model's own output, rows × width, where the space is made of it."""
        if self._given is not None:
            if given is None or given.ndim != 2 or given.shape[1] != self.raw_width:
                raise ValueError("the model did not give the vectors that its manifest describes")
            values = (np.asarray(given, dtype=np.float64) - self._given["centre"]) / self._given["scale"]
            return self._placed(_finite(values).astype(np.float32))
        rows = len(next(iter(feeds.values())))
        numbers = [_standardise(feeds[block.input], block) for block in self._numbers]
        placed = self._placed(
            np.concatenate(numbers, axis=1, dtype=np.float32) if numbers else np.zeros((rows, 0), dtype=np.float32)
        )
        for category, table in zip(self._categories, self._tables, strict=True):
            get, unknown = category.places.get, category.width
            values = feeds[category.input][:, category.position]
            placed += table[[get(value, unknown) for value in values]]
        start = self.raw_width - words.PLACES * len(self._texts)
        for text in self._texts:
            self._add_text(placed, text, start=start, feeds=feeds)
            start += words.PLACES
        return placed

    def _placed(self, leading: Matrix) -> Matrix:
        """The vectors of rows of which only the leading raw coordinates differ from zero."""
        if self._projection is not None:
            return np.asarray(leading @ self._projection[: leading.shape[1]], dtype=np.float32)
        placed = np.zeros((len(leading), WIDTH), dtype=np.float32)
        placed[:, : leading.shape[1]] = leading
        return placed

    def _add_text(self, placed: Matrix, text: _Text, *, start: int, feeds: Feeds) -> None:
        values = feeds[text.input][:, text.position]
        found = words.matrix(values, words=text.words, rare=text.rare) * np.float32(text.factor)
        if self._projection is None:
            placed[:, start : start + words.PLACES] = found
        else:
            placed += found @ self._projection[start : start + words.PLACES]


def embed(manifest: Manifest, rows: Sequence[Row]) -> Matrix:
    """The vectors of rows of features; use a loaded model's own where there is one."""
    return Space(manifest).embed(Decoder(manifest).feeds(rows))


def describe(distance: float, manifest: Manifest) -> str:
    """A distance in words, measured against how close training rows lie to each other."""
    quantiles = manifest.novelty["quantiles"]
    last = len(quantiles) - 1
    for share, said in (
        (0.1, "nearly the same"),
        (0.5, "very similar"),
        (0.9, "similar"),
        (0.99, "loosely similar"),
    ):
        if distance <= quantiles[round(share * last)]:
            return said
    return "not very similar"


def fit(
    table: Mapping[str, Sequence[Any]],
    manifest: Manifest,
    *,
    importance: Mapping[str, float],
    outcomes: NDArray[np.float64] | None = None,
    given: NDArray[Any] | None = None,
) -> dict[str, Any]:
    """The manifest's `neighbours` section, from training columns and the importance of each.

    `outcomes`, rows × classes, are the model's probabilities, by which the words of texts are weighed. `given`,
    rows × width, are the training rows' values of the model's own embedding, where it has one.
    """
    total = sum(importance.values()) or 1.0
    columns = []
    for column in manifest.columns:
        weight = float(importance.get(column.name, 0.0) / total)
        described: dict[str, Any] = {"name": column.name, "weight": weight}
        if column.dtype == "category":
            described |= {"kind": "category", "values": list(column.values or ())}
        elif column.dtype == "text":
            described |= {"kind": "text", **words.fit(table[column.name], outcomes)}
        else:
            described |= {"kind": "number", **_spread(table[column.name])}
        columns.append(described)
    fitted: dict[str, Any] = {"dimension": WIDTH, "seed": SEED, "columns": columns}
    if given is not None:
        centre = np.asarray(given, dtype=np.float64).mean(axis=0)
        # One scale for all: the model's own proportions are kept, and rows lie about one from the centre as elsewhere.
        scale = float(np.sqrt(((given - centre) ** 2).sum(axis=1).mean()))
        fitted["embedding"] = {"centre": centre.tolist(), "scale": scale if scale > 0 else 1.0}
    return fitted


def _spread(values: Sequence[Any]) -> dict[str, float]:
    numbers = np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)
    known = numbers[~np.isnan(numbers)]
    scale = float(known.std()) if known.size else 0.0
    return {"centre": float(known.mean()) if known.size else 0.0, "scale": scale if scale > 0 else 1.0}


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
    # A missing number sits at the centre: it makes a case neither alike nor strange.
    return _finite((values - block.centre) * block.factor)


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(np.nan_to_num(values, copy=False, nan=0.0, posinf=_LIMIT, neginf=-_LIMIT), -_LIMIT, _LIMIT)


def _projection(raw_width: int, *, seed: str) -> Matrix:
    # Signs out of a hash: the same on every machine and in every release of numpy.
    bits = np.frombuffer(hashlib.shake_256(seed.encode()).digest(raw_width * WIDTH // 8), dtype=np.uint8)
    signs = np.unpackbits(bits).astype(np.float32) * 2 - 1
    return np.asarray(signs.reshape(raw_width, WIDTH) / np.float32(WIDTH**0.5), dtype=np.float32)
