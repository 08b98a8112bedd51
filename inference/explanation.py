"""What an explanation is, whichever method made it."""

from dataclasses import dataclass
from typing import Any, Literal

Method = Literal["tree_shap_interventional", "permutation_shap"]
TOLERANCE = 1e-4


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

    @property
    def additive(self) -> bool:
        """Whether the parts add up to what was served; if not, the explanation must not be shown."""
        return self.residual <= TOLERANCE * max(1.0, abs(self.output_value))
