"""Columns that belong together, where there are too many to switch one by one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.decode import Feeds
from inference.manifest import Manifest


def groups(manifest: Manifest, background: Feeds, *, most: int) -> NDArray[np.intp]:
    """A group for every column, at most `most` of them: squares of a picture, or columns that move together."""
    if manifest.image is not None:
        return _squares(manifest.image, most=most)
    return _correlated(_ranks(manifest, background), most=most)


def _squares(image: Mapping[str, int], *, most: int) -> NDArray[np.intp]:
    height, width = image["height"], image["width"]
    side = 1
    while -(-height // side) * -(-width // side) > most:
        side += 1
    down, across = np.meshgrid(np.arange(height) // side, np.arange(width) // side, indexing="ij")
    return np.asarray((down * -(-width // side) + across).ravel(), dtype=np.intp)


def _ranks(manifest: Manifest, background: Feeds) -> NDArray[np.float64]:
    """The background as ranks: rows × columns, whatever the columns hold."""
    from scipy.stats import rankdata

    by_name: dict[str, NDArray[Any]] = {}
    for item in manifest.inputs:
        for place, name in enumerate(item.columns):
            by_name[name] = background[item.name][:, place]
    coded = [np.unique(by_name[name], return_inverse=True)[1] for name in manifest.column_names]
    return np.stack([rankdata(values) for values in coded], axis=1)


def _correlated(ranks: NDArray[np.float64], *, most: int) -> NDArray[np.intp]:
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    spread = ranks.std(axis=0)
    centred = (ranks - ranks.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    distance = 1.0 - np.abs(centred.T @ centred) / len(ranks)
    distance = np.clip((distance + distance.T) / 2, 0.0, None)
    np.fill_diagonal(distance, 0.0)
    tree = hierarchy.linkage(squareform(distance, checks=False), method="average")
    # Runs of the tree's leaves, and not its branches: cut into branches, one group often has nearly all columns.
    found = np.empty(len(distance), dtype=np.intp)
    found[hierarchy.leaves_list(tree)] = np.arange(len(distance)) * most // len(distance)
    return found
