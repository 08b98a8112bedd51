"""What an explanation is, whichever method made it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Method = Literal["tree_shap_interventional", "linear_shap", "additive_shap", "permutation_shap", "partition_shap"]
TOLERANCE = 1e-4
# So many words of a text are told by themselves; the others are summed.
WORDS = 40


@dataclass(frozen=True)
class Words:
    """What the words of a text contributed, the largest first; with `rest`, the sum is the column's attribution."""

    words: tuple[tuple[str, float], ...]
    rest: float


def words_of(pairs: Sequence[tuple[str, float]], *, total: float) -> Words:
    """The largest of them by magnitude; everything else of the column's attribution is the rest."""
    largest = sorted(pairs, key=lambda pair: -abs(pair[1]))[:WORDS]
    return Words(tuple(largest), total - sum(part for _, part in largest))


@dataclass(frozen=True)
class Attributed:
    """What a method finds for a batch; `phi` is rows × input columns, `words` has the texts of each row by column."""

    base: NDArray[np.float64]
    served: NDArray[np.float64]
    phi: NDArray[np.float64]
    words: Sequence[Mapping[int, Words]] = ()
    error: NDArray[np.float64] | None = None  # standard error of each attribution; None when exact
    evaluations: int = 0  # model rows per explanation


@dataclass(frozen=True)
class Explanation:
    """One prediction's attributions: base value plus their sum gives the output value."""

    method: Method
    output_space: str
    explained_class: str
    base_value: float
    output_value: float
    attributions: tuple[tuple[str, Any, float], ...]  # (input column, its value, attribution)
    background_digest: str
    residual: float
    words: Mapping[str, Words] = field(default_factory=dict)  # by text column
    errors: Mapping[str, float] = field(default_factory=dict)  # standard error by column, where sampled
    evaluations: int = 0

    @property
    def additive(self) -> bool:
        """Whether the parts add up to what was served; where not, that is shown beside them."""
        return self.residual <= TOLERANCE * max(1.0, abs(self.output_value))

    @property
    def largest_error(self) -> float | None:
        """The largest standard error of an attribution; None where they are exact."""
        return max(self.errors.values(), default=None)
