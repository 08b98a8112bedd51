"""Exact SHAP values of scores that are a sum of tree ensembles and linear layers, behind any preparation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from inference import class_order, linear_layer, score_cut, score_graph, tracing, tree_ensemble, trees
from inference.decode import Feeds
from inference.explanation import Attributed, Method, Words, words_of
from inference.linear_layer import LinearLayer
from inference.score_graph import NotAdditive, Part, ScoreGraph
from inference.tracing import Traced
from inference.tree_ensemble import TreeScores

if TYPE_CHECKING:
    from inference.model import Model

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Read:
    """A part as it was read: how its outputs enter the shown scores, and what its features were made of."""

    features: str
    layer: TreeScores | LinearLayer
    weights: Floats  # own outputs × shown scores
    traced: Traced
    columns: int

    @cached_property
    def owner(self) -> sparse.csr_array:
        owners = self.traced.owners
        return sparse.csr_array((np.ones(len(owners)), (owners, np.arange(len(owners)))), (self.columns, len(owners)))

    @cached_property
    def words(self) -> dict[int, NDArray[np.intp]]:
        """By input column, the features that stand for a word or value of it."""
        named = np.array([label is not None for label in self.traced.labels])
        owners = self.traced.owners
        return {int(column): np.flatnonzero(named & (owners == column)) for column in np.unique(owners[named])}


class AdditiveExplainer:
    """Interventional SHAP on the score nearest to the probabilities that is still a sum of its parts."""

    def __init__(self, model: "Model", background: Feeds) -> None:
        manifest = model.manifest
        self._names = manifest.column_names
        self._texts = [place for place, column in enumerate(manifest.columns) if column.dtype == "text"]
        self._scores = ScoreGraph(model.graph, threads=model.threads, provider=model.provider)
        # The graph's own order of the classes: the trees and layers know of no other.
        name, self._order = class_order.before(self._scores, manifest.probabilities_output)
        probabilities = _unordered(model.probabilities(background), self._order)
        parts, self._traced = _traced_parts(self._scores, model, background, last=name)
        self._cut = score_cut.find(
            self._scores, parts, probabilities=name, classes=len(manifest.classes), background=background
        )
        self._outputs = [*dict.fromkeys(part.features for part in parts), self._cut.target]
        self._session = self._scores.session(self._outputs, raw=self._cut.raw)
        tensors, score = self._run(background)
        view = score_cut.view(score, probabilities)
        self._shown = view.matrix
        self.output_space = str(manifest.explainer.get("output_space") or view.space)
        score_cut.check_follows(
            self._scores,
            self._cut,
            tensor=score,
            shown=score @ self._shown,
            probabilities=probabilities,
            name=name,
        )
        self._constant = self._cut.constant @ self._shown
        samples = self._tensors_of(parts, background)
        self._parts = [self._read(part, tensors[part.features], samples[part.score]) for part in parts]
        self.method: Method = _method(self._parts)

    def explain(self, feeds: Feeds, classes: Sequence[int]) -> Attributed:
        """Base values, output values as served, attributions of the input columns and of the words of texts."""
        tensors, score = self._run(feeds)
        shown = score @ self._shown
        base, served = np.zeros(len(classes)), np.zeros(len(classes))
        phi = np.zeros((len(classes), len(self._names)))
        words: list[dict[int, Words]] = [{} for _ in classes]
        chosen = [self._output_of(index) for index in classes]
        outputs, signs = np.array([output for output, _ in chosen]), np.array([sign for _, sign in chosen])
        # One call per output, not per class: both classes of a single score share it, with opposite signs.
        for output in np.unique(outputs):
            rows = np.flatnonzero(outputs == output)
            base[rows] = self._constant[output]
            for part in self._parts:
                weights = part.weights[:, output]
                found = part.layer.values(tensors[part.features][rows], weights)
                base[rows] += part.layer.base(weights)
                phi[rows] += (part.owner @ found.T).T
                self._add_words(words, rows, part, tensors[part.features][rows], found * signs[rows, None])
            served[rows] = signs[rows] * shown[rows, output]
        phi *= signs[:, None]
        told = [_summed(one, phi[row]) for row, one in enumerate(words)]
        return Attributed(base * signs, served, phi, told if self._texts else ())

    def _add_words(
        self, words: list[dict[int, Words]], rows: NDArray[np.intp], part: _Read, features: Floats, found: Floats
    ) -> None:
        for column in self._texts:
            places = part.words.get(column)
            if places is None:
                continue
            for at, row in enumerate(rows):
                # A word that the text does not have is part of the rest.
                present = places[features[at, places] != 0]
                pairs = [(str(part.traced.labels[place]), float(found[at, place])) for place in present]
                before = words[row].get(column, Words((), 0.0))
                words[row][column] = Words((*before.words, *pairs), 0.0)

    def _run(self, feeds: Feeds) -> tuple[dict[str, Floats], Floats]:
        found = score_graph.run(self._session, feeds, self._outputs)
        tensors = {name: _as_compared(value) for name, value in zip(self._outputs[:-1], found[:-1], strict=True)}
        return tensors, score_graph.columns(found[-1])

    def _tensors_of(self, parts: Sequence[Part], feeds: Feeds) -> dict[str, Floats]:
        names = [part.score for part in parts]
        found = score_graph.run(self._scores.session(names, raw=self._cut.raw), feeds, names)
        return {name: score_graph.columns(value) for name, value in zip(names, found, strict=True)}

    def _read(self, part: Part, features: Floats, tensor: Floats) -> _Read:
        if part.node.op_type in trees.OPERATORS:
            layer: TreeScores | LinearLayer = tree_ensemble.read(part, features)
        else:
            layer = linear_layer.read(self._scores, part, features)
        units = np.eye(layer.num_outputs)
        own = np.stack([layer.score(features, unit) for unit in units], axis=1)
        constant, matrix = score_cut.own_outputs(part, tensor, own)
        shown = self._cut.matrices[part.score] @ self._shown
        self._constant = self._constant + constant @ shown
        return _Read(part.features, layer, matrix @ shown, self._traced[part.features], len(self._names))

    def _output_of(self, index: int) -> tuple[int, float]:
        index = index if self._order is None else int(self._order[index])
        if self._shown.shape[1] == 1:
            return 0, 1.0 if index == 1 else -1.0
        return index, 1.0


def _unordered(probabilities: Floats, order: NDArray[np.intp] | None) -> Floats:
    return probabilities if order is None else probabilities[:, np.argsort(order)]


def _traced_parts(
    scores: ScoreGraph, model: "Model", background: Feeds, *, last: str
) -> tuple[list[Part], Mapping[str, Traced]]:
    """The parts with the owners of their features; a linear layer that only rescales scores is looked behind."""
    passed = list[str]()
    parts = scores.parts(last)
    while behind := [part.score for part in parts if _only_rescales(scores, part)]:
        passed += behind
        parts = scores.parts(last, passed=passed)
    names = {part.features for part in parts}
    return parts, {name: tracing.trace(scores, name, manifest=model.manifest, sample=background) for name in names}


def _only_rescales(scores: ScoreGraph, part: Part) -> bool:
    """Whether a layer calibrates the scores of another: it reads one score, or its matrix is diagonal."""
    if not scores.has_part_before(part):
        return False
    if part.node.op_type not in {"Gemm", "MatMul"}:
        return len(trees.attributes_of(part.node).get("coefficients", ())) == 1
    matrix = scores.constants[part.node.input[1]]
    if matrix.ndim != 2:
        return False
    if 1 in matrix.shape:
        return matrix.size <= 2
    return len(matrix) == len(matrix[0]) and bool((matrix == np.diag(np.diag(matrix))).all())


def _as_compared(tensor: NDArray[np.generic]) -> Floats:
    """Features as the operators see them: whole numbers become float32 before they are compared."""
    if tensor.ndim != 2:
        raise NotAdditive("The trees or the linear layer read no table.")
    return np.asarray(tensor if tensor.dtype.kind == "f" else tensor.astype(np.float32), dtype=np.float64)


def _method(parts: Sequence[_Read]) -> Method:
    kinds = {type(part.layer) for part in parts}
    if kinds == {TreeScores}:
        return "tree_shap_interventional"
    return "linear_shap" if kinds == {LinearLayer} else "additive_shap"


def _summed(words: Mapping[int, Words], phi: Floats) -> dict[int, Words]:
    """The same word of several parts as one, the largest first, with what else makes the column's attribution."""
    found = {}
    for column, listed in words.items():
        totals: dict[str, float] = {}
        for word, part in listed.words:
            totals[word] = totals.get(word, 0.0) + part
        found[column] = words_of(list(totals.items()), total=float(phi[column]))
    return found
