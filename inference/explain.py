"""Why a model answered as it did: exact for trees and linear layers, sampled for everything else."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from inference.decode import Feeds, Row
from inference.explanation import Attributed, Explanation, Method
from inference.score_graph import NotAdditive
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

    def explain(self, feeds: Feeds, classes: Sequence[int]) -> Attributed: ...


def build(model: "Model") -> Explainer:
    """The explainer for a model: exact where its score is a sum of trees and linear layers, else by sampling."""
    from inference.additive_explainer import AdditiveExplainer
    from inference.permutation_explainer import PermutationExplainer

    count = int(model.manifest.explainer.get("background_rows", BACKGROUND_ROWS))
    table = {name: values[:count] for name, values in model.background.items()}
    background = model.decoder.feeds_from_table(table)
    if model.is_remote:
        return PermutationExplainer(model, background)  # what answers is elsewhere, and so are its trees
    try:
        return AdditiveExplainer(model, background)
    except (NotAdditive, TreesUnsupported) as reason:
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
    found = explainer.explain(model.decoder.feeds(rows), indices)
    return [_of_row(model, found, place, row=row, name=classes[place]) for place, row in enumerate(rows)]


def _of_row(model: "Model", found: Attributed, place: int, *, row: Row, name: str) -> Explanation:
    names = model.manifest.column_names
    phi = found.phi[place]
    errors = () if found.error is None else found.error[place].tolist()
    return Explanation(
        method=model.explainer.method,
        output_space=model.explainer.output_space,
        explained_class=name,
        base_value=float(found.base[place]),
        output_value=float(found.served[place]),
        attributions=tuple((column, row.get(column), part) for column, part in zip(names, phi.tolist(), strict=True)),
        background_digest=model.background_digest,
        residual=abs(float(found.base[place] + phi.sum() - found.served[place])),
        words={names[column]: words for column, words in found.words[place].items()} if found.words else {},
        errors=dict(zip(names, errors, strict=False)),
        evaluations=found.evaluations,
    )
