"""What somebody who knows every answer would let act alone. Pure."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike


def threshold(confidences: ArrayLike, is_wrong: ArrayLike, *, target_error: float) -> float | None:
    """The loosest threshold of a class at and above which at most the target is wrong; None where there is none."""
    scores, wrong = np.asarray(confidences, dtype=np.float64), np.asarray(is_wrong, dtype=np.bool_)
    order = np.argsort(-scores, kind="stable")
    scores, errors = scores[order], np.cumsum(wrong[order])
    # Cases of one confidence act together or not at all.
    is_last = np.append(scores[1:] != scores[:-1], True) if scores.size else np.zeros(0, dtype=np.bool_)
    kept = np.flatnonzero(is_last & (errors <= target_error * np.arange(1, scores.size + 1)))
    return float(scores[kept[-1]]) if kept.size else None


def automation(
    answers: ArrayLike, confidences: ArrayLike, is_wrong: ArrayLike, *, classes: Sequence[str], target_error: float
) -> tuple[float, Mapping[str, float | None]]:
    """The share of all cases that the oracle automates, and its thresholds by class."""
    said, scores = np.asarray(answers), np.asarray(confidences, dtype=np.float64)
    wrong = np.asarray(is_wrong, dtype=np.bool_)
    thresholds, acting = {}, 0
    for name in classes:
        own = said == name
        thresholds[name] = found = threshold(scores[own], wrong[own], target_error=target_error)
        acting += 0 if found is None else int((scores[own] >= found).sum())
    return acting / max(said.size, 1), thresholds
