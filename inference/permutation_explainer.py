"""Model-agnostic SHAP values by paired permutations, evaluated in batches through the session that serves."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference.decode import Feeds
from inference.explanation import Method

if TYPE_CHECKING:
    from inference.model import Model

PERMUTATIONS = 10
_BATCH = 16_384


class PermutationExplainer:
    """Switches columns from background to case in random order, then back in the reverse order.

    Every permutation's steps telescope, so base value plus attributions equals the output exactly; the reverse
    order makes the estimate exact wherever no more than two columns interact.
    """

    method: Method = "permutation_shap"
    output_space = "probability"

    def __init__(self, model: "Model", background: Feeds) -> None:
        self._model = model
        self._background = background
        self._size = len(next(iter(background.values())))
        self._pairs = max(1, int(model.manifest.explainer.get("permutations", PERMUTATIONS)) // 2)
        self._base = model.probabilities(background).mean(axis=0)
        names = model.manifest.column_names
        self._columns = {
            item.name: np.array([names.index(name) for name in item.columns]) for item in model.manifest.inputs
        }
        self._orders = _orders(model.digest, len(names), count=self._pairs)

    def explain(self, feeds: Feeds, classes: Sequence[int]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Base values, output values as served, and attributions (rows × input columns)."""
        wanted = np.asarray(classes)
        served = self._model.probabilities(feeds)[np.arange(len(wanted)), wanted]
        phi = np.stack(
            [
                self._explain_one({name: values[row] for name, values in feeds.items()}, int(index))
                for row, index in enumerate(wanted)
            ]
        )
        return self._base[wanted], served, phi

    def _explain_one(self, case: dict[str, NDArray[Any]], index: int) -> NDArray[np.float64]:
        columns = self._orders.shape[1]
        total = np.zeros(columns)
        for order in self._orders:
            for walk in (order, order[::-1]):
                value = self._walk(case, walk)[:, index]
                total[walk] += np.diff(value)
        return total / (2 * self._pairs)

    def _walk(self, case: dict[str, NDArray[Any]], order: NDArray[np.intp]) -> NDArray[np.float64]:
        """Mean output over the background after 0, 1, 2 … columns were switched to the case's values."""
        columns = len(order)
        rank = np.empty(columns, dtype=np.intp)
        rank[order] = np.arange(columns)
        step = max(1, _BATCH // self._size)
        means = []
        for start in range(0, columns + 1, step):
            switched = np.arange(start, min(start + step, columns + 1))[:, None] > rank[None, :]
            mixed = self._model.probabilities(self._mix(case, switched))
            means.append(mixed.reshape(len(switched), self._size, -1).mean(axis=1))
        return np.concatenate(means)

    def _mix(self, case: dict[str, NDArray[Any]], switched: NDArray[np.bool_]) -> Feeds:
        feeds: Feeds = {}
        for name, places in self._columns.items():
            mask = switched[:, None, places]
            mixed = np.where(mask, case[name][None, None, :], self._background[name][None, :, :])
            feeds[name] = np.ascontiguousarray(mixed.reshape(-1, len(places)))
        return feeds


def _orders(digest: str, columns: int, *, count: int) -> NDArray[np.intp]:
    """Orders that depend on the bundle alone, so that an explanation can be repeated."""
    orders = []
    for index in range(count):
        stream = hashlib.shake_256(f"{digest}:{index}".encode()).digest(8 * columns)
        orders.append(np.argsort(np.frombuffer(stream, dtype=">u8"), kind="stable"))
    return np.array(orders)
