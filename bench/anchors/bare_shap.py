"""SHAP's own calls on the model that serves and its background, with nothing before or after them."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from inference.model import Model

# As many as SHAP itself takes for its permutation explainer.
PERMUTATIONS = 10


class BareShap:
    """shap.TreeExplainer, interventional, one thread."""

    def __init__(self, model: "Model") -> None:
        import shap

        from inference import trees
        from inference.forest_shap import as_shap_model
        from inference.score_graph import ScoreGraph

        (item,) = model.manifest.inputs
        self._columns = item.columns
        graph = ScoreGraph(model.graph, threads=1, provider=model.provider)
        (part,) = graph.parts(model.manifest.probabilities_output)
        background = background_of(model)
        masker = shap.maskers.Independent(_as_served(background), max_samples=len(background))
        self._explainer = shap.TreeExplainer(
            as_shap_model(trees.parse(part.node), np.ones(1)), data=masker, feature_perturbation="interventional"
        )

    def matrix(self, rows: list[dict[str, float]]) -> Any:
        return _as_served(np.array([[row[name] for name in self._columns] for row in rows]))

    def values(self, matrix: Any) -> Any:
        """Attributions, rows × columns."""
        return self._explainer.shap_values(matrix, check_additivity=False).reshape(len(matrix), -1)


class BarePermutations:
    """shap.PermutationExplainer on the session that serves, one thread."""

    def __init__(self, model: "Model") -> None:
        import shap

        (item,) = model.manifest.inputs
        self._columns = item.columns
        background = background_of(model)
        self._explainer = shap.PermutationExplainer(
            lambda matrix: model.probabilities({item.name: matrix.astype(np.float32)}),
            shap.maskers.Independent(background, max_samples=len(background)),
            seed=0,
        )
        self._evaluations = PERMUTATIONS * (2 * len(self._columns) + 1)

    def matrix(self, rows: list[dict[str, float]]) -> Any:
        return np.array([[row[name] for name in self._columns] for row in rows], dtype=np.float64)

    def values(self, matrix: Any) -> Any:
        """Attributions, rows × columns × classes."""
        return self._explainer(matrix, max_evals=self._evaluations, silent=True).values


def background_of(model: "Model") -> Any:
    """The rows that explanations are made against: rows × columns."""
    from inference import explain

    (item,) = model.manifest.inputs
    number = int(model.manifest.explainer.get("background_rows", explain.BACKGROUND_ROWS))
    return np.array([model.background[name][:number] for name in item.columns], dtype=np.float64).T


def _as_served(matrix: Any) -> Any:
    """The graph compares float32 values; so must whoever wants its answers."""
    return matrix.astype(np.float32).astype(np.float64)
