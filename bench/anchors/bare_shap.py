"""SHAP's own call on the model's trees and background, with nothing before or after it."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from inference.model import Model


class BareShap:
    """shap.TreeExplainer, interventional, one thread."""

    def __init__(self, model: "Model") -> None:
        import shap

        from inference import ensemble_probe, explain, trees

        (item,) = model.manifest.inputs
        self._columns = item.columns
        _, node = ensemble_probe.find(model.graph, probabilities=model.manifest.probabilities_output)
        number = int(model.manifest.explainer.get("background_rows", explain.BACKGROUND_ROWS))
        background = np.array([model.background[name][:number] for name in self._columns], dtype=np.float64).T
        masker = shap.maskers.Independent(_as_served(background), max_samples=number)
        self._explainer = shap.TreeExplainer(
            trees.parse(node).for_shap(0), data=masker, feature_perturbation="interventional"
        )

    def matrix(self, rows: list[dict[str, float]]) -> Any:
        return _as_served(np.array([[row[name] for name in self._columns] for row in rows]))

    def values(self, matrix: Any) -> Any:
        """Attributions, rows × columns."""
        return self._explainer.shap_values(matrix, check_additivity=False).reshape(len(matrix), -1)


def _as_served(matrix: Any) -> Any:
    """The graph compares float32 values; so must whoever wants its answers."""
    return matrix.astype(np.float32).astype(np.float64)
