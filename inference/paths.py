"""A tree ensemble as its leaves: for every leaf, what each feature on the way must be for it to be reached.

However often a path asks for a feature, the answer is one interval, perhaps with single values asked for or
ruled out. In this form every branch mode is alike, and SHAP values are a sum over leaves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inference.trees import EQ, GT, GTE, LEAF, LEQ, LT, MEMBER, NEQ, Ensemble, Tree, TreesUnsupported

MAX_LEAVES = 60_000


@dataclass(frozen=True)
class Condition:
    """lowest < value ≤ highest, or missing where that is allowed; `sets` are (members, whether among them)."""

    lowest: float = -np.inf
    highest: float = np.inf
    missing: bool = True
    sets: tuple[tuple[tuple[float, ...], bool], ...] = ()

    @property
    def is_possible(self) -> bool:
        return self.missing or self.lowest < self.highest


@dataclass(frozen=True)
class Leaf:
    """Conditions by feature, and what the leaf adds to each output."""

    conditions: tuple[tuple[int, Condition], ...]
    values: NDArray[np.float64]


class TooManyLeaves(TreesUnsupported):
    """A forest that takes too long and too much room leaf by leaf."""


def leaves(ensemble: Ensemble) -> list[Leaf]:
    """Every leaf that adds anything; raises TooManyLeaves."""
    if sum(int((tree.modes == LEAF).sum()) for tree in ensemble.trees) > MAX_LEAVES:
        raise TooManyLeaves(f"The ensemble has more than {MAX_LEAVES} leaves.")
    return [leaf for tree in ensemble.trees for leaf in _of_tree(tree)]


def _of_tree(tree: Tree) -> Iterator[Leaf]:
    waiting: list[tuple[int, dict[int, Condition]]] = [(0, {})]
    while waiting:
        node, so_far = waiting.pop()
        if tree.modes[node] == LEAF:
            if tree.values[node].any():
                yield Leaf(tuple(sorted(so_far.items())), tree.values[node])
            continue
        feature = int(tree.features[node])
        before = so_far.get(feature, Condition())
        for child, is_true in ((tree.when_true[node], True), (tree.when_false[node], False)):
            after = _narrowed(before, tree, node, is_true)
            if after.is_possible:  # otherwise nothing ever gets there
                waiting.append((int(child), {**so_far, feature: after}))


def _narrowed(before: Condition, tree: Tree, node: int, is_true: bool) -> Condition:
    mode, threshold = int(tree.modes[node]), float(tree.thresholds[node])
    missing = before.missing and bool(tree.missing_is_true[node]) == is_true
    if mode in {LEQ, LT, GTE, GT}:
        edge = threshold if mode in {LEQ, GT} else float(np.nextafter(threshold, -np.inf))
        if (mode in {LEQ, LT}) == is_true:
            return replace(before, highest=min(before.highest, edge), missing=missing)
        return replace(before, lowest=max(before.lowest, edge), missing=missing)
    if mode in {EQ, NEQ}:
        members: Sequence[float] = (threshold,)
    elif mode == MEMBER:
        members = tree.members[node].tolist()
    else:
        raise TreesUnsupported(f"The ensemble branches in the unknown mode {mode}.")
    return replace(before, sets=(*before.sets, (tuple(members), is_true != (mode == NEQ))), missing=missing)
