"""Model-agnostic SHAP values by walks from background to case, in batches through the session that serves."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference import partition, tracing, word_game
from inference.decode import Feeds
from inference.explanation import Attributed, Method, Words

if TYPE_CHECKING:
    from inference.model import Model

# Rows that the model answers for one explanation, at most.
EVALUATIONS = 50_000
_BATCH = 8_192
# Independent pairs of walks for every background row: at least two, as their difference tells the error.
_PAIRS, _MOST_PAIRS = 2, 6
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Units:
    """What a walk switches at once: `unit` and `group` per column. Units of one group are switched together."""

    unit: NDArray[np.intp]
    group: NDArray[np.intp]

    @property
    def number(self) -> int:
        return int(self.unit.max()) + 1


class PermutationExplainer:
    """Switches columns from a background row to the case in random order, then back in the reverse order.

    Every walk's steps telescope, so base value plus attributions equals the output exactly; the reverse order
    makes the estimate exact wherever no more than two columns interact. Every background row has walks of its
    own, so that the number of evaluations does not grow with the number of orders. Where there are too many
    columns to switch one by one, neighbouring or correlated ones go together, and only the groups that
    matter most are taken apart (Owen values).
    """

    output_space = "probability"

    def __init__(self, model: "Model", background: Feeds) -> None:
        self._model = model
        self._background = background
        self._size = len(next(iter(background.values())))
        self._start = model.probabilities(background)
        names = model.manifest.column_names
        self._columns = {
            item.name: np.array([names.index(name) for name in item.columns]) for item in model.manifest.inputs
        }
        budget = int(model.manifest.explainer.get("evaluations", EVALUATIONS))
        self._most = max(2, budget // (2 * _PAIRS * self._size))
        count = len(names)
        self._texts = [place for place, column in enumerate(model.manifest.columns) if column.dtype == "text"]
        self._pairs = min(max(_PAIRS, budget // (2 * self._size * count)), _MOST_PAIRS)
        self._keys = _keys(model.digest, (self._pairs * self._size, count), word="columns")
        self._group_keys = _keys(model.digest, (self._pairs * self._size, count), word="groups")
        self._groups: NDArray[np.intp] | None = None
        if count > self._most:
            self._groups = partition.groups(model.manifest, background, most=max(2, self._most // 2))
        self.method: Method = "permutation_shap" if self._groups is None else "partition_shap"

    def explain(self, feeds: Feeds, classes: Sequence[int]) -> Attributed:
        """Base values, output values as served, and sampled attributions with their standard errors."""
        wanted = np.asarray(classes)
        served = self._model.probabilities(feeds)[np.arange(len(wanted)), wanted]
        phi, error = np.zeros((2, len(wanted), len(self._model.manifest.column_names)))
        words: list[dict[int, Words]] = []
        self._evaluated = 0
        for row, index in enumerate(wanted):
            case = {name: values[row] for name, values in feeds.items()}
            phi[row], error[row] = self._explain_one(case, int(index), float(served[row]))
            words.append({place: self._words(case, place, int(index), phi[row, place]) for place in self._texts})
        return Attributed(
            self._start.mean(axis=0)[wanted],
            served,
            phi,
            words if self._texts else (),
            error=error,
            evaluations=self._evaluated // len(wanted),
        )

    def _explain_one(self, case: Mapping[str, NDArray[Any]], index: int, served: float) -> tuple[Floats, Floats]:
        count = self._keys.shape[1]
        if self._groups is None:
            alone = np.arange(count)
            return self._sampled(case, Units(alone, alone), index, served, pairs=self._pairs)
        first, _ = self._sampled(case, Units(self._groups, self._groups), index, served, pairs=1)
        apart = _refined(self._groups, first, most=self._most // 2)
        return self._sampled(case, apart, index, served, pairs=self._pairs)

    def _sampled(
        self, case: Mapping[str, NDArray[Any]], units: Units, index: int, served: float, *, pairs: int
    ) -> tuple[Floats, Floats]:
        """Mean and standard error over the walks; what is switched together shares its part evenly."""
        differs = self._differs(case, units)
        gains = np.zeros((pairs, self._size, units.number))
        for pair in range(pairs):
            part = slice(pair * self._size, (pair + 1) * self._size)
            order = np.argsort(_unit_keys(units, self._keys[part], self._group_keys[part]), axis=1)
            for direction in (order, order[:, ::-1]):
                gains[pair] += 0.5 * self._walk(case, units, direction, differs, index=index, served=served)
        members = np.bincount(units.unit)
        error = np.zeros(units.number)
        if pairs > 1:
            error = np.sqrt(gains.var(axis=0, ddof=1).sum(axis=0) / pairs) / self._size
        mean = gains.mean(axis=(0, 1))
        return (mean / members)[units.unit], (error / members)[units.unit]

    def _differs(self, case: Mapping[str, NDArray[Any]], units: Units) -> NDArray[np.bool_]:
        """Background row × unit: whether switching changes anything at all."""
        found = np.zeros((self._size, units.number), dtype=bool)
        for name, places in self._columns.items():
            theirs, mine = self._background[name], case[name][None, :]
            unequal = ~tracing.same(theirs, np.broadcast_to(mine, theirs.shape))
            for place, column in enumerate(places):
                found[:, units.unit[column]] |= unequal[:, place]
        return found

    def _walk(
        self,
        case: Mapping[str, NDArray[Any]],
        units: Units,
        order: NDArray[np.intp],
        differs: NDArray[np.bool_],
        *,
        index: int,
        served: float,
    ) -> Floats:
        """What each unit's switch changed, per background row; the order is background row × unit."""
        counts = np.take_along_axis(differs, order, axis=1).cumsum(axis=1)
        # The place of each unit among those that change anything; the first and the last state are known.
        rank = np.empty_like(counts)
        np.put_along_axis(rank, order, counts, axis=1)
        total = counts[:, -1]
        inner = np.maximum(total - 1, 0)
        row = np.repeat(np.arange(self._size), inner)
        step = 1 + np.arange(len(row)) - np.repeat(np.cumsum(inner) - inner, inner)
        reached = np.full((self._size, units.number + 1), served)
        reached[:, 0] = np.where(total > 0, self._start[:, index], served)
        reached[row, step] = self._states(case, units, rank, row, step)[:, index]
        gains = np.take_along_axis(reached, rank, axis=1) - np.take_along_axis(reached, np.maximum(rank - 1, 0), axis=1)
        return np.where(differs, gains, 0.0)

    def _states(
        self,
        case: Mapping[str, NDArray[Any]],
        units: Units,
        rank: NDArray[np.intp],
        row: NDArray[np.intp],
        step: NDArray[np.intp],
    ) -> Floats:
        """The model's answers where the first `step` units of a row's order have the case's values."""
        found = np.zeros((len(row), self._start.shape[1]))
        for start in range(0, len(row), _BATCH):
            at, upto = row[start : start + _BATCH], step[start : start + _BATCH, None]
            switched = rank[at] <= upto
            feeds = {
                name: np.where(switched[:, units.unit[places]], case[name][None, :], self._background[name][at])
                for name, places in self._columns.items()
            }
            found[start : start + _BATCH] = self._model.probabilities(feeds)
            self._evaluated += len(at)
        return found

    def _words(self, case: Mapping[str, NDArray[Any]], place: int, index: int, total: float) -> Words:
        name = next(name for name, places in self._columns.items() if place in places)
        at = int(np.flatnonzero(self._columns[name] == place)[0])

        def ask(texts: Sequence[str]) -> Floats:
            feeds = {key: np.repeat(values[None, :], len(texts), axis=0) for key, values in case.items()}
            feeds[name][:, at] = list(texts)
            self._evaluated += len(texts)
            return self._model.probabilities(feeds)[:, index]

        return word_game.words(str(case[name][at]), ask, total=total)


def _refined(groups: NDArray[np.intp], phi: Floats, *, most: int) -> Units:
    """The groups with the largest attributions taken apart, as far as the number of units allows."""
    sizes = np.bincount(groups)
    worth = np.abs(np.bincount(groups, weights=phi))
    room, apart = most, set[int]()
    for group in np.argsort(-worth, kind="stable"):
        if sizes[group] > 1 and sizes[group] - 1 <= room and worth[group] > 0:
            apart.add(int(group))
            room -= int(sizes[group]) - 1
    labels = np.where(np.isin(groups, list(apart)), len(sizes) + np.arange(len(groups)), groups)
    return Units(np.unique(labels, return_inverse=True)[1], groups)


def _unit_keys(units: Units, keys: NDArray[np.float64], group_keys: NDArray[np.float64]) -> Floats:
    """Keys to sort units by, so that the units of one group stay together."""
    first = np.unique(units.unit, return_index=True)[1]
    group = units.group[first]
    # The rank of the group, and within it a number below one.
    return np.argsort(np.argsort(group_keys, axis=1), axis=1)[:, group] + keys[:, first]


def _keys(digest: str, shape: tuple[int, int], *, word: str) -> Floats:
    """Numbers in [0, 1) that depend on the bundle alone, so that an explanation can be repeated."""
    stream = hashlib.shake_256(f"{digest}:{word}".encode()).digest(4 * shape[0] * shape[1])
    return np.frombuffer(stream, dtype=">u4").reshape(shape) / 2.0**32
