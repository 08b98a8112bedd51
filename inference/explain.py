"""Why a model answered as it did: exact for trees, by permutation for everything else."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from inference.decode import Feeds, Row
from inference.ensemble_probe import NoSingleEnsemble
from inference.explanation import Explanation, Method
from inference.trees import TreesUnsupported

if TYPE_CHECKING:
    from inference.model import Model

__all__ = ["Explainer", "Explanation", "build", "explain"]

logger = logging.getLogger(__name__)

BACKGROUND_ROWS = 100


class Explainer(Protocol):
    """What both methods offer."""

    @property
    def method(self) -> Method: ...

    @property
    def output_space(self) -> str: ...

    def explain(self, feeds: Feeds, classes: Sequence[int]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]: ...


def build(model: "Model") -> Explainer:
    """The explainer for a model: trees when its score is one readable ensemble, else permutation."""
    from inference.permutation_explainer import PermutationExplainer
    from inference.tree_explainer import TreeExplainer

    count = int(model.manifest.explainer.get("background_rows", BACKGROUND_ROWS))
    table = {name: values[:count] for name, values in model.background.items()}
    background = model.decoder.feeds_from_table(table)
    try:
        return TreeExplainer(model, background)
    except (NoSingleEnsemble, TreesUnsupported) as reason:
        logger.info("explain.permutation_chosen reason=%s", reason)
    return PermutationExplainer(model, background)


def explain(model: "Model", rows: Sequence[Row], *, classes: Sequence[str]) -> list[Explanation]:
    """One explanation per row, of the class named at the same place in `classes`."""
    if len(rows) != len(classes):
        raise ValueError(f"{len(rows)} rows but {len(classes)} classes to explain.")
    if not rows:
        return []
    unknown = sorted(set(classes) - set(model.manifest.classes))
    if unknown:
        raise ValueError(f"The model does not know the class `{unknown[0]}`.")
    explainer = model.explainer
    indices = [model.manifest.classes.index(name) for name in classes]
    base, served, phi = explainer.explain(model.decoder.feeds(rows), indices)
    names = model.manifest.column_names
    return [
        Explanation(
            method=explainer.method,
            output_space=explainer.output_space,
            explained_class=classes[row],
            base_value=float(base[row]),
            output_value=float(served[row]),
            attributions=tuple(
                (name, rows[row].get(name), float(part)) for name, part in zip(names, phi[row], strict=True)
            ),
            background_digest=model.background_digest,
            residual=abs(float(base[row] + phi[row].sum() - served[row])),
        )
        for row in range(len(rows))
    ]
