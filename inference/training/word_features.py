"""Category columns as features: one per value, or, where there are many, what each value says of the classes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from inference.training.onnx_graph import Part

WORDS = "words"
MIN_OF_VALUE = 10
# A value seen less often says too little about the classes.
MIN_OF_RATE = 5
_FOLDS = 5
# A name that no value of the data has: texts hold no NUL.
_NO_VALUE = "\x00"

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class OneHot:
    """A feature per value; a value that was never seen has none of them."""

    column: str
    place: int
    values: tuple[str, ...]

    @property
    def owners(self) -> tuple[str, ...]:
        return (self.column,) * len(self.values)

    def apply(self, words: NDArray[Any]) -> Floats:
        found = words[:, self.place][:, None] == np.array(self.values, dtype=object)
        return np.asarray(found, dtype=np.float32)

    def nodes(self) -> tuple[Part, list[str]]:
        name = f"word_{self.place}"
        nodes = [
            helper.make_node("Gather", [WORDS, f"{name}_place"], [name], axis=1),
            helper.make_node(
                "OneHotEncoder",
                [name],
                [f"{name}_encoded"],
                domain="ai.onnx.ml",
                cats_strings=list(self.values),
                zeros=1,
            ),
            helper.make_node("Flatten", [f"{name}_encoded"], [f"{name}_flat"], axis=1),
        ]
        return (nodes, [_place(name, self.place)]), [f"{name}_flat"]


@dataclass(frozen=True)
class Rates:
    """A feature per class: how often rows with this value have it, drawn towards the mean where there are few."""

    column: str
    place: int
    values: tuple[str, ...]
    rates: Floats  # values × classes, the first class left out where there are two
    unknown: Floats  # per class, for a value never seen

    @property
    def owners(self) -> tuple[str, ...]:
        return (self.column,) * len(self.unknown)

    def apply(self, words: NDArray[Any]) -> Floats:
        table = np.concatenate([self.rates, self.unknown[None]])
        known = {value: place for place, value in enumerate(self.values)}
        last = len(self.values)
        return np.asarray(table[[known.get(value, last) for value in words[:, self.place]]])

    def nodes(self) -> tuple[Part, list[str]]:
        name = f"word_{self.place}"
        nodes = [helper.make_node("Gather", [WORDS, f"{name}_place"], [name], axis=1)]
        outputs = []
        for place, unknown in enumerate(self.unknown.tolist()):
            outputs.append(f"{name}_rate_{place}")
            # The operator wants one key at least, and there is none where every value is rare.
            table: dict[str, Any] = {
                "keys_strings": list(self.values) or [_NO_VALUE],
                "values_floats": self.rates[:, place].tolist() or [unknown],
                "default_float": unknown,
            }
            nodes.append(helper.make_node("LabelEncoder", [name], [outputs[-1]], domain="ai.onnx.ml", **table))
        return (nodes, [_place(name, self.place)]), outputs


WordFeatures = OneHot | Rates


def fit(
    column: str, place: int, words: NDArray[Any], truth: NDArray[np.intp], *, max_one_hot: int, scaled: bool
) -> tuple[WordFeatures, Floats]:
    """The features of a column and their values on the training rows.

    A rate is worked out for each row from other rows: with its own in it, rare values would give the answer away.
    """
    # An array of strings would give every row the room of the longest text.
    counts = Counter(words.tolist())
    if len(counts) <= max_one_hot:
        frequent = sorted(value for value, times in counts.items() if times >= MIN_OF_VALUE)
        one_hot = OneHot(column, place, tuple(frequent or sorted(counts)))
        padded = np.empty((len(words), place + 1), dtype=object)
        padded[:, place] = words
        return one_hot, one_hot.apply(padded)
    common = {value for value, times in counts.items() if times >= MIN_OF_RATE}
    return _rates(column, place, words, truth, frequent=common, scaled=scaled)


def _rates(
    column: str, place: int, words: NDArray[Any], truth: NDArray[np.intp], *, frequent: set[str], scaled: bool
) -> tuple[Rates, Floats]:
    from sklearn.model_selection import StratifiedKFold
    from sklearn.preprocessing import TargetEncoder

    # One name for all rare values.
    known = np.array([[word if word in frequent else _NO_VALUE] for word in words], dtype=object)
    kind = "multiclass" if truth.max() > 1 else "binary"
    encoder = TargetEncoder(target_type=kind, cv=StratifiedKFold(_FOLDS, shuffle=True, random_state=0))
    own = encoder.fit_transform(known, truth)
    (listed,) = encoder.categories_
    table = np.stack(encoder.encodings_, axis=1)
    means = np.atleast_1d(np.asarray(encoder.target_mean_, dtype=np.float64))
    centre, scale = (own.mean(axis=0), np.maximum(own.std(axis=0), 1e-6)) if scaled else (0.0, 1.0)
    named = [position for position, value in enumerate(listed) if value != _NO_VALUE]
    rare = [position for position, value in enumerate(listed) if value == _NO_VALUE]
    unknown = table[rare[0]] if rare else means
    rates = Rates(
        column,
        place,
        tuple(str(listed[position]) for position in named),
        ((table[named] - centre) / scale).astype(np.float32),
        ((unknown - centre) / scale).astype(np.float32),
    )
    return rates, ((own - centre) / scale).astype(np.float32)


def _place(name: str, place: int) -> Any:
    return numpy_helper.from_array(np.array([place], dtype=np.int64), f"{name}_place")


def owners(parts: Sequence[WordFeatures]) -> list[str]:
    return [owner for part in parts for owner in part.owners]
