"""One tree ensemble of a graph as a part of a score."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference import paths, trees
from inference.forest_shap import ForestShap
from inference.path_shap import PathShap
from inference.paths import TooManyLeaves
from inference.score_graph import Part
from inference.trees import Ensemble

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TreeScores:
    """scores = base + the leaves that were reached."""

    ensemble: Ensemble
    leaves: PathShap | ForestShap

    @property
    def num_outputs(self) -> int:
        return self.ensemble.num_outputs

    def base(self, weights: Floats) -> float:
        """The mean over the background of the outputs weighted."""
        return float(self.ensemble.base @ weights) + self.leaves.base(weights)

    def score(self, features: Floats, weights: Floats) -> Floats:
        """The outputs weighted, per row."""
        return float(self.ensemble.base @ weights) + self.leaves.score(features, weights)

    def values(self, features: Floats, weights: Floats) -> Floats:
        """SHAP values of the outputs weighted: rows × features."""
        return self.leaves.values(features, weights)


def read(part: Part, background: Floats) -> TreeScores:
    """The ensemble as its node has it, against a background of rows × features."""
    ensemble = trees.parse(part.node)
    try:
        return TreeScores(ensemble, PathShap(paths.leaves(ensemble), background))
    except TooManyLeaves:
        return TreeScores(ensemble, ForestShap(ensemble, background))
