"""Input columns to the features a model is fitted on, and the nodes that make the same of them when serving."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from inference.decode import Feeds
from inference.manifest import Column, GraphInput
from inference.training import word_features
from inference.training.number_features import NUMBERS, AsTheyAre, Scaled
from inference.training.onnx_graph import Part
from inference.training.text_features import TextFeatures
from inference.training.word_features import WORDS, WordFeatures

# Trees split on whatever they get; linear models and nets need comparable scales and a feature per value.
Style = Literal["trees", "scaled"]
MAX_ONE_HOT: dict[Style, int] = {"trees": 12, "scaled": 40}
MAX_TERMS: dict[Style, int] = {"trees": 200, "scaled": 5_000}

Matrix = Any  # float32, rows × features: an array, or a sparse one where there is text


def inputs(columns: Sequence[Column]) -> tuple[GraphInput, ...]:
    """One graph input for all numbers, one for all categories, one for each text."""
    numbers = tuple(column.name for column in columns if column.is_numeric)
    words = tuple(column.name for column in columns if column.dtype == "category")
    texts = [column.name for column in columns if column.dtype == "text"]
    found = [GraphInput(NUMBERS, "float", numbers)] if numbers else []
    found += [GraphInput(WORDS, "string", words)] if words else []
    return (*found, *(GraphInput(f"text_{place}", "string", (name,)) for place, name in enumerate(texts)))


@dataclass(frozen=True)
class Features:
    """How each graph input becomes features."""

    numbers: AsTheyAre | Scaled | None
    words: tuple[WordFeatures, ...]
    texts: tuple[TextFeatures, ...]

    @property
    def owners(self) -> tuple[str, ...]:
        """The input column of each feature."""
        found = list(self.numbers.owners) if self.numbers else []
        found += word_features.owners(self.words)
        return (*found, *(owner for text in self.texts for owner in text.owners))

    def apply(self, feeds: Feeds) -> Matrix:
        dense = [self.numbers.apply(feeds[NUMBERS])] if self.numbers else []
        dense += [part.apply(feeds[WORDS]) for part in self.words]
        return _joined(dense, [text.apply(feeds[text.input][:, 0]) for text in self.texts])

    def nodes(self, output: str) -> Part:
        """Nodes from the graph inputs to the features."""
        blocks = [*([self.numbers] if self.numbers else []), *self.words, *self.texts]
        found = [block.nodes() for block in blocks]
        names = [name for _, parts in found for name in parts]
        nodes = [node for (made, _), _ in found for node in made]
        constants = [constant for (_, given), _ in found for constant in given]
        return [*nodes, helper.make_node("Concat", names, [output], axis=1)], constants


def fit(columns: Sequence[Column], feeds: Feeds, truth: NDArray[np.intp], *, style: Style) -> tuple[Features, Matrix]:
    """The features, and their values on the training rows, which may differ from what `apply` gives for these."""
    numbers, dense = None, []
    numeric = [column for column in columns if column.is_numeric]
    if numeric:
        numbers = _numbers(numeric, feeds[NUMBERS], style=style)
        dense.append(numbers.apply(feeds[NUMBERS]))
    words: list[WordFeatures] = []
    for place, column in enumerate(column for column in columns if column.dtype == "category"):
        part, values = word_features.fit(
            column.name,
            place,
            feeds[WORDS][:, place],
            truth,
            max_one_hot=MAX_ONE_HOT[style],
            scaled=style == "scaled",
        )
        words.append(part)
        dense.append(values)
    texts = [
        TextFeatures.fit(column.name, f"text_{place}", feeds[f"text_{place}"][:, 0], limit=MAX_TERMS[style])
        for place, column in enumerate(column for column in columns if column.dtype == "text")
    ]
    kept = tuple(text for text in texts if text is not None)
    matrix = _joined(dense, [text.apply(feeds[text.input][:, 0]) for text in kept])
    return Features(numbers, tuple(words), kept), matrix


def _numbers(columns: Sequence[Column], values: NDArray[Any], *, style: Style) -> AsTheyAre | Scaled:
    names = [column.name for column in columns]
    if style == "trees":
        return AsTheyAre(tuple(names))
    return Scaled.fit(
        names,
        values,
        nullable=[column.nullable for column in columns],
        whole=[column.dtype == "int" for column in columns],
    )


def _joined(dense: list[NDArray[np.float32]], sparse: list[Any]) -> Matrix:
    if not sparse:
        return np.concatenate(dense, axis=1)
    from scipy.sparse import csr_matrix, hstack

    return hstack([*map(csr_matrix, dense), *sparse], format="csr", dtype=np.float32)
