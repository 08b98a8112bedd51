"""How familiar an input is: the share of training rows stranger than it, from 1 (typical) down to 0."""

from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference import fields
from inference.manifest import Manifest
from inference.neighbours import WIDTH, Matrix

NEIGHBOUR = 5
LEVELS = 501
_MAX_LEVELS = 10_001


class Novelty:
    """Distances to the reference rows, read against the distances training rows have."""

    def __init__(self, manifest: Manifest, reference: Matrix, *, width: int = WIDTH) -> None:
        self._neighbour = int(manifest.novelty["neighbour"])
        self._quantiles = np.array(manifest.novelty["quantiles"], dtype=np.float64)
        self._levels = np.linspace(0.0, 1.0, len(self._quantiles))
        self._reference = reference[:, :width]

    def share_stranger(self, embedding: Matrix) -> NDArray[np.float64]:
        """Per row, the share of training rows that lie farther from their neighbours than it does."""
        found = distances(embedding[:, : self._reference.shape[1]], self._reference, neighbour=self._neighbour)
        return 1.0 - np.interp(found, self._quantiles, self._levels)


def distances(rows: Matrix, reference: Matrix, *, neighbour: int) -> NDArray[np.float64]:
    """The distance of each row to its n-th nearest reference row."""
    squares = np.einsum("ij,ij->i", reference, reference) - 2.0 * (rows @ reference.T)
    nearest = np.partition(squares, neighbour - 1, axis=1)[:, neighbour - 1]
    own = np.einsum("ij,ij->i", rows, rows)
    return np.asarray(np.sqrt(np.maximum(nearest.astype(np.float64) + own, 0.0)))


def fit(training: Matrix, reference: Matrix, *, own: NDArray[np.intp]) -> dict[str, Any]:
    """The manifest's `novelty` section; `own[i]` is training row i's place in the reference, or -1.

    A row that is in the reference itself is its own nearest, so it is asked for one neighbour more.
    """
    inside = own >= 0
    found = np.empty(len(training), dtype=np.float64)
    if inside.any():
        found[inside] = distances(training[inside], reference, neighbour=NEIGHBOUR + 1)
    if (~inside).any():
        found[~inside] = distances(training[~inside], reference, neighbour=NEIGHBOUR)
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
    if column.get("kind") == "category":
        if described[name].dtype != "category" or tuple(column.get("values", ())) != described[name].values:
            raise fields.invalid(where, "must list the column's values")
        return
    if column.get("kind") != "number" or not described[name].is_numeric:
        raise fields.invalid(where, "must be of the kind `number` or `category`, as the column is")
    if not all(_is_number(column.get(part)) for part in ("centre", "scale")) or column["scale"] <= 0:
        raise fields.invalid(where, "needs a centre and a scale above zero")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
