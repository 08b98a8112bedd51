"""Exact interventional SHAP values of a tree ensemble, leaf by leaf.

A leaf asks d features. Which of them the case answers is a pattern p of d bits, which of them a background row
answers a pattern q. Mixing both, the leaf can be reached only if p and q together cover all of them; then the
features that only the case answers must come from it (u of them) and those that only the row answers must not
(v of them). The Shapley values of that little game are known (Lundberg et al. 2020, algorithm 3): (u-1)! v! / (u+v)!
for each of the former, minus u! (v-1)! / (u+v)! for each of the latter.

The background is fixed, so for leaves that ask few features the mean over it is tabulated once for every p: a case
then costs one look-up per leaf, however large the background.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import beta

from inference.paths import Leaf, TooManyLeaves
from inference.trees import TreesUnsupported

# A table has 2^d · d numbers per leaf; leaves that ask more features are worked out pair by pair.
TABLE_FEATURES = 10
TABLE_BYTES = 64 * 1024 * 1024
MAX_FEATURES = 62
MAX_PAIRS = 3_000_000
_ROWS = 64
_CHUNK = 2_000_000
Floats = NDArray[np.float64]


class PathShap:
    """SHAP values of weighted sums of an ensemble's outputs, against one background (rows × features)."""

    def __init__(self, leaves: Sequence[Leaf], background: Floats) -> None:
        asked = sorted({feature for leaf in leaves for feature, _ in leaf.conditions})
        self._asked = np.array(asked, dtype=np.intp)
        self._width = background.shape[1]
        if asked and asked[-1] >= self._width:
            raise TreesUnsupported("The trees ask for a feature that they are not given.")
        place = {feature: index for index, feature in enumerate(asked)}
        rows = self._columns(background)
        by_size = sorted((leaf for leaf in leaves if leaf.conditions), key=lambda leaf: len(leaf.conditions))
        self._blocks: list[_Tabulated | _Paired] = []
        room = TABLE_BYTES
        for size, group in groupby(by_size, key=lambda leaf: len(leaf.conditions)):
            layout = _Layout.of(list(group), place)
            needed = 8 * len(layout.values) * size << size
            if size <= TABLE_FEATURES and needed <= room:
                room -= needed
                self._blocks.append(_Tabulated(layout, rows, len(asked)))
            else:
                self._blocks.append(_Paired(layout, rows, len(asked)))
        constant = [leaf.values for leaf in leaves if not leaf.conditions]
        self._constant = np.sum(constant, axis=0) if constant else None

    def base(self, weights: Floats) -> float:
        """The mean over the background of the outputs weighted."""
        total = 0.0 if self._constant is None else float(self._constant @ weights)
        return total + sum(block.mean(weights) for block in self._blocks)

    def score(self, features: Floats, weights: Floats) -> Floats:
        """The outputs weighted, per row."""
        total = np.full(len(features), 0.0 if self._constant is None else float(self._constant @ weights))
        for start in range(0, len(features), _ROWS):
            columns = self._columns(features[start : start + _ROWS])
            for block in self._blocks:
                total[start : start + _ROWS] += block.score(columns, weights)
        return total

    def values(self, features: Floats, weights: Floats) -> Floats:
        """SHAP values of the outputs weighted: rows × features."""
        found = np.zeros((len(features), self._width))
        for start in range(0, len(features), _ROWS):
            columns = self._columns(features[start : start + _ROWS])
            total = np.zeros((len(self._asked), columns.shape[1]))
            for block in self._blocks:
                total += block.values(columns, weights)
            found[start : start + _ROWS, self._asked] = total.T
        return found

    def _columns(self, features: Floats) -> Floats:
        """The features that are asked for, one per row; -∞ becomes a number above the open end of an interval."""
        return np.ascontiguousarray(np.maximum(features[:, self._asked], np.finfo(np.float64).min).T)


@dataclass
class _Layout:
    """Leaves that ask equally many features, as arrays: leaves × features asked."""

    features: NDArray[np.intp]
    lowest: Floats
    highest: Floats
    missing: NDArray[np.bool_]
    values: Floats
    # Per position: leaf, feature, members, and whether the value must be among them.
    sets: dict[int, list[tuple[int, int, tuple[float, ...], bool]]] = field(default_factory=dict)

    @classmethod
    def of(cls, leaves: Sequence[Leaf], place: dict[int, int]) -> "_Layout":
        conditions = [[condition for _, condition in leaf.conditions] for leaf in leaves]
        found = cls(
            features=np.array([[place[feature] for feature, _ in leaf.conditions] for leaf in leaves], dtype=np.intp),
            lowest=np.array([[one.lowest for one in row] for row in conditions]),
            highest=np.array([[one.highest for one in row] for row in conditions]),
            missing=np.array([[one.missing for one in row] for row in conditions]),
            values=np.array([leaf.values for leaf in leaves]),
        )
        for leaf, row in enumerate(conditions):
            for position, condition in enumerate(row):
                for members, is_among in condition.sets:
                    entry = (leaf, int(found.features[leaf, position]), members, is_among)
                    found.sets.setdefault(position, []).append(entry)
        return found

    @property
    def size(self) -> int:
        return len(self.features[0])

    def patterns(self, columns: Floats) -> NDArray[np.int64]:
        """Which of its features each row answers, as bits: leaves × rows."""
        found = np.zeros((len(self.features), columns.shape[1]), dtype=np.int64)
        gone = np.isnan(columns)
        has_gone = bool(gone.any())
        for position in range(self.size):
            which = self.features[:, position]
            values = columns[which]
            answered = (values > self.lowest[:, position, None]) & (values <= self.highest[:, position, None])
            for leaf, feature, members, is_among in self.sets.get(position, ()):
                answered[leaf] &= np.isin(columns[feature], members) == is_among
            if has_gone:
                answered |= gone[which] & self.missing[:, position, None]
            found |= answered.astype(np.int64) << position
        return found


class _Block:
    """What both kinds of leaves share: their scores, and where their features lie."""

    def __init__(self, layout: _Layout, rows: Floats, width: int) -> None:
        self._layout = layout
        self._width = width
        self._full = (1 << layout.size) - 1
        self._background = layout.patterns(rows)
        self._reached = (self._background == self._full).mean(axis=1)
        self._weighted: dict[bytes, tuple[Floats, list[sparse.csr_array]]] = {}

    def mean(self, weights: Floats) -> float:
        return float(self._reached @ (self._layout.values @ weights))

    def score(self, columns: Floats, weights: Floats) -> Floats:
        reached = self._layout.patterns(columns) == self._full
        return np.asarray((self._layout.values @ weights) @ reached)

    def _placed(self, weights: Floats) -> tuple[Floats, list[sparse.csr_array]]:
        """Each leaf's weighted value, and per position the matrix that adds leaves up by feature."""
        key = weights.tobytes()
        if key not in self._weighted:
            worth = self._layout.values @ weights
            leaves = np.flatnonzero(worth)
            self._weighted[key] = (
                worth,
                [
                    sparse.csr_array(
                        (worth[leaves], (self._layout.features[leaves, position], leaves)),
                        shape=(self._width, len(worth)),
                    )
                    for position in range(self._layout.size)
                ],
            )
        return self._weighted[key]


class _Tabulated(_Block):
    def __init__(self, layout: _Layout, rows: Floats, width: int) -> None:
        super().__init__(layout, rows, width)
        leaves, kinds = len(layout.values), self._full + 1
        at = self._background + kinds * np.arange(leaves)[:, None]
        shares = np.bincount(at.ravel(), minlength=leaves * kinds).reshape(leaves, kinds) / rows.shape[1]
        self._table = np.stack([shares @ _game(layout.size, position) for position in range(layout.size)])
        self._table = self._table.reshape(layout.size, -1)
        self._starts = kinds * np.arange(leaves)[:, None]

    def values(self, columns: Floats, weights: Floats) -> Floats:
        at = self._layout.patterns(columns) + self._starts
        _, placed = self._placed(weights)
        total = np.zeros((self._width, columns.shape[1]))
        for position, matrix in enumerate(placed):
            total += matrix @ self._table[position].take(at)
        return total


class _Paired(_Block):
    def __init__(self, layout: _Layout, rows: Floats, width: int) -> None:
        super().__init__(layout, rows, width)
        if layout.size > MAX_FEATURES:
            raise TreesUnsupported(f"A leaf of the ensemble asks more than {MAX_FEATURES} features.")
        leaves, patterns, counts = [], [], []
        for leaf, row in enumerate(self._background):
            found, times = np.unique(row, return_counts=True)
            leaves.append(np.full(len(found), leaf))
            patterns.append(found)
            counts.append(times)
        self._leaf = np.concatenate(leaves)
        if len(self._leaf) > MAX_PAIRS:
            raise TooManyLeaves(f"The ensemble has more than {MAX_PAIRS} kinds of leaf and background row.")
        self._lacking = self._full & ~np.concatenate(patterns)
        self._share = np.concatenate(counts) / rows.shape[1]
        self._joining, self._leaving = _weights(layout.size)

    def values(self, columns: Floats, weights: Floats) -> Floats:
        worth, _ = self._placed(weights)
        lacked = self._full & ~self._layout.patterns(columns)
        rows = columns.shape[1]
        total = np.zeros(self._width * rows)
        step = max(1, _CHUNK // rows)
        for start in range(0, len(self._leaf), step):
            leaf, lacking = self._leaf[start : start + step], self._lacking[start : start + step]
            pair, row = np.nonzero((lacked[leaf] & lacking[:, None]) == 0)
            leaf = leaf[pair]
            theirs, mine = lacking[pair], lacked[leaf, row]
            joining, leaving = np.bitwise_count(theirs), np.bitwise_count(mine)
            share = self._share[start : start + step][pair] * worth[leaf]
            gain, loss = share * self._joining[joining, leaving], share * self._leaving[joining, leaving]
            for position in range(self._layout.size):
                part = gain * (theirs >> position & 1) - loss * (mine >> position & 1)
                at = self._layout.features[leaf, position] * rows + row
                total += np.bincount(at, weights=part, minlength=len(total))
        return total.reshape(self._width, rows)


@cache
def _weights(size: int) -> tuple[Floats, Floats]:
    """What joining and leaving features get, by how many of either there are."""
    u, v = np.meshgrid(np.arange(size + 1), np.arange(size + 1), indexing="ij")
    joining, leaving = np.zeros(u.shape), np.zeros(u.shape)
    joining[1:] = beta(u[1:], v[1:] + 1)  # (u-1)! v! / (u+v)!
    leaving[:, 1:] = beta(u[:, 1:] + 1, v[:, 1:])
    return joining, leaving


def _game(size: int, position: int) -> Floats:
    """One feature's Shapley value in one leaf's game: background pattern × case pattern."""
    patterns = np.arange(1 << size)
    theirs, mine = patterns[:, None], patterns[None, :]
    joining, leaving = _weights(size)
    lacking = size - np.bitwise_count(patterns).astype(np.intp)
    at = np.ix_(lacking, lacking)
    gain = joining[at] * (theirs >> position & 1 == 0) - leaving[at] * (mine >> position & 1 == 0)
    return np.where((theirs | mine) == len(patterns) - 1, gain, 0.0)
