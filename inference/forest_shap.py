"""Exact SHAP values of forests too large to be held leaf by leaf, by SHAP's own walk down the trees."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.trees import GT, GTE, LEAF, LEQ, LT, Ensemble, Tree, TreesUnsupported

Floats = NDArray[np.float64]
# SHAP's walk keeps thresholds in single precision and nodes in numbers of sixteen bits.
MAX_NODES = 2**15 - 1


class ForestShap:
    """SHAP values of weighted sums of an ensemble's outputs, against one background (rows × features)."""

    def __init__(self, ensemble: Ensemble, background: Floats) -> None:
        if any(not np.isin(tree.modes, [LEQ, LT, GTE, GT, LEAF]).all() for tree in ensemble.trees):
            raise TreesUnsupported("A large forest that asks for single values is explained by sampling.")
        if any(len(tree.modes) > MAX_NODES for tree in ensemble.trees):
            raise TreesUnsupported(f"A forest with trees of more than {MAX_NODES} nodes is explained by sampling.")
        if not all(map(_is_single, [background, *(tree.thresholds for tree in ensemble.trees)])):
            raise TreesUnsupported("A large forest in double precision is explained by sampling.")
        self._ensemble = ensemble
        self._background = background
        self._explainers: dict[bytes, Any] = {}

    def base(self, weights: Floats) -> float:
        """The mean over the background of the outputs weighted."""
        return float(np.ravel(self._explainer(weights).expected_value)[0])

    def score(self, features: Floats, weights: Floats) -> Floats:
        """The outputs weighted, per row."""
        return np.asarray(self._explainer(weights).model.predict(features), dtype=np.float64).reshape(len(features))

    def values(self, features: Floats, weights: Floats) -> Floats:
        """SHAP values of the outputs weighted: rows × features."""
        found = self._explainer(weights).shap_values(features, check_additivity=False)
        return np.asarray(found, dtype=np.float64).reshape(features.shape)

    def _explainer(self, weights: Floats) -> Any:
        key = weights.tobytes()
        if key not in self._explainers:
            import shap

            # Given a plain array, SHAP would quietly keep 100 rows of it.
            masker = shap.maskers.Independent(self._background, max_samples=len(self._background))
            self._explainers[key] = shap.TreeExplainer(
                as_shap_model(self._ensemble, weights), data=masker, feature_perturbation="interventional"
            )
        return self._explainers[key]


def as_shap_model(ensemble: Ensemble, weights: Floats) -> dict[str, Any]:
    """The trees, without the ensemble's base values, in the form in which SHAP takes models it does not know."""
    return {
        "trees": [_as_dict(tree, weights) for tree in ensemble.trees],
        "base_offset": 0.0,
        "internal_dtype": np.float64,
        "input_dtype": np.float64,
        "tree_output": "raw_value",
    }


def _is_single(values: Floats) -> bool:
    return bool(((values == values.astype(np.float32)) | np.isnan(values)).all())


def _as_dict(tree: Tree, weights: Floats) -> dict[str, Any]:
    goes_left_when_true = np.isin(tree.modes, [LEQ, LT])
    # SHAP goes left where value ≤ threshold; x < t is x ≤ the number just below t.
    is_open = np.isin(tree.modes, [LT, GTE])
    below = np.nextafter(tree.thresholds.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
    return {
        "children_left": np.where(goes_left_when_true, tree.when_true, tree.when_false).astype(np.int32),
        "children_right": np.where(goes_left_when_true, tree.when_false, tree.when_true).astype(np.int32),
        "children_default": np.where(tree.missing_is_true, tree.when_true, tree.when_false).astype(np.int32),
        "features": tree.features.astype(np.int32),
        "thresholds": np.where(is_open, below, tree.thresholds),
        "values": (tree.values @ weights)[:, None],
        # Only path-dependent SHAP reads the weights, and converters do not keep them.
        "node_sample_weight": np.ones(len(tree.modes)),
    }
