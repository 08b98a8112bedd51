"""Which input column each column of an inner tensor was made of, read from the graph.

Preparation mostly works column by column: it imputes, scales, encodes one to many, cuts texts into tokens, and
puts the results side by side. Following it operator by operator holds for values that no sample ever showed;
what an operator here does not know is taken to mix everything it reads, and probing may still tell it apart.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference import score_graph, trees
from inference.decode import Feeds
from inference.manifest import Manifest
from inference.score_graph import NotAdditive, ScoreGraph

if TYPE_CHECKING:
    from onnx import NodeProto

# Not likely to be the size of anything else.
_ROWS = 7
_PROBED = 512
_BY_ELEMENT_WORDS = """
    Abs Add And Binarizer Cast CategoryMapper Ceil Clip Cos Div Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual
    HardSigmoid HardSwish Identity Imputer IsInf IsNaN LabelEncoder LeakyRelu Less LessOrEqual Log Max Mean Min Mod
    Mul Neg Not Or Pow Reciprocal Relu Round Scaler Selu Sigmoid Sign Sin Softplus Softsign Sqrt StringConcat
    StringNormalizer Sub Sum Tan Tanh Where Xor
"""
_BY_ELEMENT = frozenset(_BY_ELEMENT_WORDS.split())
_SIDE_BY_SIDE = frozenset({"Concat", "FeatureVectorizer"})


class Untraceable(NotAdditive):
    """An inner column is made of several input columns, or nobody can say of which."""


@dataclass(frozen=True)
class Traced:
    """Per column of the tensor: the input column it comes from, and the word or value it stands for, if any."""

    owners: NDArray[np.intp]
    labels: tuple[str | None, ...]


@dataclass(frozen=True)
class _Made:
    """Per element of a tensor's row: the set of input columns behind it, and a label."""

    columns: NDArray[np.object_]
    labels: NDArray[np.object_]

    @property
    def everything(self) -> frozenset[int]:
        return reduce(frozenset.union, self.columns.ravel(), frozenset())


def trace(scores: ScoreGraph, name: str, *, manifest: Manifest, sample: Feeds) -> Traced:
    """The owners of the columns of a rows × columns tensor; raises Untraceable."""
    made = _Tracer(scores, manifest, sample).made(name)
    if made.columns.ndim != 1:
        raise Untraceable("The trees or the linear layer read no table.")
    owners = np.array([next(iter(one)) if len(one) == 1 else -1 for one in made.columns], dtype=np.intp)
    unclear = np.flatnonzero(owners < 0)
    if len(unclear):
        owners[unclear] = _probed(scores, name, unclear, manifest=manifest, sample=sample)
    if (owners < 0).any():
        named = _declared(manifest, len(owners))
        if named is None:
            raise Untraceable("The graph does not show which input column each inner column comes from.")
        return Traced(named, tuple(made.labels))
    return Traced(owners, tuple(made.labels))


def _declared(manifest: Manifest, width: int) -> NDArray[np.intp] | None:
    if len(manifest.transformed) != width:
        return None
    place = {name: index for index, name in enumerate(manifest.column_names)}
    return np.array([place[name] for name in manifest.transformed], dtype=np.intp)


class _Tracer:
    def __init__(self, scores: ScoreGraph, manifest: Manifest, sample: Feeds) -> None:
        place = {name: index for index, name in enumerate(manifest.column_names)}
        self._scores = scores
        self._sample = {name: np.resize(values, (_ROWS, values.shape[1])) for name, values in sample.items()}
        self._known: dict[str, _Made] = {}
        for item in manifest.inputs:
            columns = np.empty(len(item.columns), dtype=object)
            columns[:] = [frozenset({place[column]}) for column in item.columns]
            self._known[item.name] = _Made(columns, np.full(len(columns), None, dtype=object))

    def made(self, name: str) -> _Made:
        # Nodes stand in the order in which they can be computed, so that nothing here has to recurse.
        needed = self._scores.upstream(name)
        for node in self._scores.model.graph.node:
            for position, output in enumerate(node.output):
                if output in needed and output not in self._known and output not in self._scores.constants:
                    self._known[output] = self._of(node, position)
        return self._known[name]

    def _of(self, node: "NodeProto", position: int) -> _Made:
        inputs = [self._known[name] for name in node.input if name in self._known]
        if not inputs:
            return _Made(np.array(frozenset(), dtype=object), np.array(None, dtype=object))
        rule = _rule(node.op_type)
        found = None
        if rule is not None:
            try:
                found = rule(self, node, inputs, position)
            except (IndexError, KeyError, TypeError, ValueError):
                found = None  # a use of the operator that the rule does not cover
        return found or self._mixed(node.output[position], inputs)

    def _mixed(self, output: str, inputs: Sequence[_Made]) -> _Made:
        """Every element made of everything that went in; only the shape has to be asked for."""
        union = reduce(frozenset.union, (one.everything for one in inputs))
        shape = self.shape(output)
        columns = np.empty(shape, dtype=object)
        for place in np.ndindex(*shape):
            columns[place] = union
        labels = next((one.labels for one in inputs if one.labels.shape == shape), np.full(shape, None, dtype=object))
        return _Made(columns, labels)

    def shape(self, name: str) -> tuple[int, ...]:
        """The size of one row of a tensor."""
        (value,) = score_graph.run(self._scores.session([name]), self._sample, [name])
        if value.ndim == 0 or len(value) != _ROWS:
            raise Untraceable("An inner tensor does not keep the rows apart.")
        return value.shape[1:]

    def constant(self, node: "NodeProto", position: int) -> NDArray[Any]:
        return self._scores.constants[node.input[position]]


def _by_element(tracer: _Tracer, node: "NodeProto", inputs: Sequence[_Made], position: int) -> _Made:  # noqa: ARG001
    for name in node.input:
        constant = tracer._scores.constants.get(name)
        if constant is not None and constant.ndim > 1 and len(constant) > 1:
            raise ValueError("a constant with rows of its own")
    constants = [
        np.zeros(constant.shape[1:] if constant.ndim > 1 else constant.shape)
        for name in node.input
        if (constant := tracer._scores.constants.get(name)) is not None and node.domain != "ai.onnx.ml"
    ]
    sizes = [one.columns.shape for one in inputs] + [one.shape for one in constants]
    if len({len(size) for size in sizes if size}) > 1:
        raise ValueError("tensors of different rank")
    shape = np.broadcast_shapes(*sizes)
    columns = [np.broadcast_to(one.columns, shape) for one in inputs]
    union = columns[0].copy()
    for other in columns[1:]:
        for place in np.ndindex(*shape):
            union[place] |= other[place]
    labels = next((one.labels for one in inputs if one.labels.shape == shape), np.full(shape, None, dtype=object))
    return _Made(union, labels)


def _side_by_side(tracer: _Tracer, node: "NodeProto", inputs: Sequence[_Made], position: int) -> _Made:  # noqa: ARG001
    axis = trees.attributes_of(node).get("axis", 1)
    if len(inputs) != len(node.input) or axis == 0:
        raise ValueError("a constant among the columns")
    along = axis - 1 if axis > 0 else axis
    return _Made(
        np.concatenate([one.columns for one in inputs], axis=along),
        np.concatenate([one.labels for one in inputs], axis=along),
    )


def _picked(tracer: _Tracer, node: "NodeProto", inputs: Sequence[_Made], position: int) -> _Made:  # noqa: ARG001
    (source,) = inputs
    chosen = tracer.constant(node, 1).astype(np.int64)
    axis = -1
    if node.op_type == "Gather":
        axis = trees.attributes_of(node).get("axis", 0)
        if axis == 0:
            raise ValueError("rows picked")
        axis -= axis > 0
    else:
        chosen = chosen.reshape(-1)
    return _Made(np.take(source.columns, chosen, axis=axis), np.take(source.labels, chosen, axis=axis))


def _reshaped(tracer: _Tracer, node: "NodeProto", inputs: Sequence[_Made], position: int) -> _Made:
    (source,) = inputs
    shape = tracer.shape(node.output[position])
    # Row by row the elements keep their order, as long as each row stays by itself.
    return _Made(source.columns.reshape(shape), source.labels.reshape(shape))


def _one_hot(tracer: _Tracer, node: "NodeProto", inputs: Sequence[_Made], position: int) -> _Made:  # noqa: ARG001
    (source,) = inputs
    found = trees.attributes_of(node)
    kinds = [str(_text(one)) for one in found.get("cats_strings") or found.get("cats_int64s") or ()]
    columns = np.repeat(source.columns[..., None], len(kinds), axis=-1)
    return _Made(columns, np.broadcast_to(np.array(kinds, dtype=object), columns.shape))


def _terms(tracer: _Tracer, node: "NodeProto", inputs: Sequence[_Made], position: int) -> _Made:
    mixed = tracer._mixed(node.output[position], inputs)
    found = trees.attributes_of(node)
    pool = [_text(one) for one in found.get("pool_strings", ())]
    if not pool:
        return mixed
    labels = np.full(mixed.columns.shape, None, dtype=object)
    counts, at = [*found["ngram_counts"], len(pool)], 0
    for size, (start, end) in enumerate(pairwise(counts), start=1):
        for first in range(start, end, size):
            labels[found["ngram_indexes"][at]] = " ".join(pool[first : first + size])
            at += 1
    return _Made(mixed.columns, labels)


def _split(tracer: _Tracer, node: "NodeProto", inputs: Sequence[_Made], position: int) -> _Made:
    if trees.attributes_of(node).get("axis", 0) not in {1, -1}:
        raise ValueError("rows split")
    sizes = [tracer.shape(name)[0] for name in node.output]
    start = sum(sizes[:position])
    piece = slice(start, start + sizes[position])
    return _Made(inputs[0].columns[piece], inputs[0].labels[piece])


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


_Rule = Callable[[_Tracer, "NodeProto", Sequence[_Made], int], _Made]
_RULES: Mapping[str, _Rule] = {
    "ArrayFeatureExtractor": _picked,
    "Gather": _picked,
    "Flatten": _reshaped,
    "Reshape": _reshaped,
    "Squeeze": _reshaped,
    "Unsqueeze": _reshaped,
    "OneHotEncoder": _one_hot,
    "Split": _split,
    "TfIdfVectorizer": _terms,
}


def _rule(operator: str) -> _Rule | None:
    if operator in _BY_ELEMENT:
        return _by_element
    return _side_by_side if operator in _SIDE_BY_SIDE else _RULES.get(operator)


def same(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """Where two tensors hold the same; missing is the same as missing."""
    equal = one == other
    return np.asarray(equal | (np.isnan(one) & np.isnan(other)) if one.dtype.kind == "f" else equal)


def _probed(
    scores: ScoreGraph, name: str, unclear: NDArray[np.intp], *, manifest: Manifest, sample: Feeds
) -> NDArray[np.intp]:
    """The only input column that moves each unclear one when its values are exchanged between rows; else -1."""
    if len(manifest.column_names) > _PROBED:
        return np.full(len(unclear), -1)
    session = scores.session([name])
    (before,) = score_graph.run(session, sample, [name])
    found = np.full(len(unclear), -1, dtype=np.intp)
    for place, column in enumerate(manifest.column_names):
        item = next(item for item in manifest.inputs if column in item.columns)
        feeds = {key: values.copy() for key, values in sample.items()}
        at = item.columns.index(column)
        feeds[item.name][:, at] = np.roll(feeds[item.name][:, at], 1)
        (after,) = score_graph.run(session, feeds, [name])
        moved = ~same(before, after)[:, unclear].all(axis=0)
        found[moved & (found >= 0)] = -2  # by a second one
        found[moved & (found == -1)] = place
    return np.where(found == -2, -1, found)
