"""How familiar an input is: the share of training rows stranger than it, from 1 (typical) down to 0."""

from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference import fields
from inference.manifest import Manifest
from inference.neighbours import WIDTH, Matrix

# The nearest of the few hundred reference rows: what the fifth or tenth of all training rows would be.
NEIGHBOUR = 1
LEVELS = 501
_MAX_LEVELS = 10_001
_MAX_WIDTH = 4_096
_BATCH = 4_096


class Novelty:
    """Distances to the reference rows, read against the distances training rows have."""

    def __init__(self, manifest: Manifest, reference: Matrix, *, width: int = WIDTH) -> None:
        self._neighbour = int(manifest.novelty["neighbour"])
        self._quantiles = np.array(manifest.novelty["quantiles"], dtype=np.float64)
        self._levels = np.linspace(0.0, 1.0, len(self._quantiles))
        self._width = width
        self._reference = Reference(reference[:, :width])

    def share_stranger(self, embedding: Matrix) -> NDArray[np.float64]:
        """Per row, the share of training rows that lie farther from their neighbours than it does."""
        found = self._reference.distances(embedding[:, : self._width], neighbour=self._neighbour)
        return 1.0 - np.interp(found, self._quantiles, self._levels)


class Reference:
    """Rows to which distances are measured; what does not depend on the other row is worked out once."""

    def __init__(self, rows: Matrix) -> None:
        self._turned = np.ascontiguousarray(-2.0 * rows.T, dtype=np.float32)
        self._squares = np.einsum("ij,ij->i", rows, rows)

    def distances(self, rows: Matrix, *, neighbour: int) -> NDArray[np.float64]:
        """The distance of each row to its n-th nearest reference row."""
        squares = np.ascontiguousarray(rows) @ self._turned
        squares += self._squares
        if neighbour == 1:
            nearest = squares.min(axis=1)
        else:
            squares.partition(neighbour - 1, axis=1)
            nearest = squares[:, neighbour - 1]
        own = np.einsum("ij,ij->i", rows, rows)
        return np.asarray(np.sqrt(np.maximum(nearest.astype(np.float64) + own, 0.0)))


def fit(training: Matrix, reference: Matrix, *, own: NDArray[np.intp]) -> dict[str, Any]:
    """The manifest's `novelty` section; `own[i]` is training row i's place in the reference, or -1.

    A row that is in the reference itself is its own nearest, so it is asked for one neighbour more.
    """
    inside, measured = own >= 0, Reference(reference)
    found = np.empty(len(training), dtype=np.float64)
    for start in range(0, len(training), _BATCH):
        part = slice(start, start + _BATCH)
        for is_own in (False, True):
            chosen = np.flatnonzero(inside[part] == is_own) + start
            found[chosen] = measured.distances(training[chosen], neighbour=NEIGHBOUR + is_own)
    quantiles = np.quantile(found, np.linspace(0.0, 1.0, LEVELS))
    return {"neighbour": NEIGHBOUR, "quantiles": [float(value) for value in quantiles]}


def check(manifest: Manifest) -> None:
    """Refuse a manifest whose neighbours or novelty section cannot be computed with."""
    if manifest.neighbours.get("dimension") != WIDTH:
        raise fields.invalid("`neighbours.dimension`", f"must be {WIDTH}")
    fields.text(manifest.neighbours, "seed", required=True)
    columns = fields.objects(manifest.neighbours, "columns")
    if not columns:
        raise fields.invalid("`neighbours.columns`", "must not be empty")
    for column in columns:
        _check_column(dict(column), manifest)
    _check_embedding(manifest)
    quantiles, neighbour = manifest.novelty.get("quantiles"), manifest.novelty.get("neighbour")
    if not isinstance(neighbour, int) or not 1 <= neighbour <= 20:
        raise fields.invalid("`novelty.neighbour`", "must be a whole number from 1 to 20")
    if not isinstance(quantiles, list) or not 2 <= len(quantiles) <= _MAX_LEVELS:
        raise fields.invalid("`novelty.quantiles`", f"must list between 2 and {_MAX_LEVELS} distances")
    if not all(_is_number(value) and value >= 0 for value in quantiles) or sorted(quantiles) != quantiles:
        raise fields.invalid("`novelty.quantiles`", "must be rising distances, none negative")


def _check_column(column: dict[str, Any], manifest: Manifest) -> None:
    described = {item.name: item for item in manifest.columns}
    name = column.get("name")
    where = f"`neighbours.columns` at `{name}`"
    if name not in described:
        raise fields.invalid(where, "must name a described column")
    if not _is_number(column.get("weight")) or column["weight"] < 0:
        raise fields.invalid(where, "needs a weight that is not negative")
    if column.get("kind") == "text":
        if (
            described[name].dtype != "text"
            or not _are_weights(column.get("words"))
            or not _is_number(column.get("rare"))
        ):
            raise fields.invalid(where, "needs weights of `words`, and of `rare` ones")
        return
    if column.get("kind") == "category":
        if described[name].dtype != "category" or tuple(column.get("values", ())) != described[name].values:
            raise fields.invalid(where, "must list the column's values")
        return
    if column.get("kind") != "number" or not described[name].is_numeric:
        raise fields.invalid(where, "must be of the kind `number`, `category` or `text`, as the column is")
    if not all(_is_number(column.get(part)) for part in ("centre", "scale")) or column["scale"] <= 0:
        raise fields.invalid(where, "needs a centre and a scale above zero")


def _check_embedding(manifest: Manifest) -> None:
    given = manifest.neighbours.get("embedding")
    if (given is not None) != ("embedding" in manifest.outputs):
        raise fields.invalid("`neighbours.embedding`", "must be there exactly when `outputs` names an embedding")
    if given is None:
        return
    centre = given.get("centre") if isinstance(given, dict) else None
    if not isinstance(centre, list) or not 1 <= len(centre) <= _MAX_WIDTH or not all(map(_is_number, centre)):
        raise fields.invalid("`neighbours.embedding`", f"needs a centre of 1 to {_MAX_WIDTH} numbers")
    if not _is_number(given.get("scale")) or given["scale"] <= 0:
        raise fields.invalid("`neighbours.embedding`", "needs a scale above zero")


def _are_weights(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_number(weight) and weight >= 0 for weight in value.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
