"""How good probabilities are, on rows the model has not seen."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = (0.9, 0.95, 0.99)
BINS = 15

Probabilities = NDArray[np.float64]
Truth = NDArray[np.intp]


def measure(probabilities: Probabilities, truth: Truth, classes: Sequence[str]) -> dict[str, Any]:
    """The figures of a bundle's `metrics`; probabilities are rows × classes."""
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = predicted == truth
    return {
        "rows": len(truth),
        "accuracy": float(right.mean()),
        "majority_share": float(np.bincount(truth, minlength=len(classes)).max() / len(truth)),
        "log_loss": log_loss(probabilities, truth),
        "auc": auc(probabilities, truth),
        "ece": expected_calibration_error(confidence, right),
        "mean_confidence": float(confidence.mean()),
        "levels": [_level(confidence, right, level) for level in LEVELS],
        "reliability": reliability(confidence, right),
        "per_class": [_of_class(name, predicted == place, truth == place) for place, name in enumerate(classes)],
    }


def log_loss(probabilities: Probabilities, truth: Truth) -> float:
    hit = np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)
    return float(-np.log(hit).mean())


def auc(probabilities: Probabilities, truth: Truth) -> float:
    """Area under the ROC curve: of the second of two classes, else the mean of each class against the rest."""
    places = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    return float(np.mean([rank_auc(probabilities[:, place], truth == place) for place in places]))


def rank_auc(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """The share of pairs in which the positive row has the higher score; 0.5 where there are no pairs."""
    from scipy.stats import rankdata

    number = int(positive.sum())
    pairs = number * (len(positive) - number)
    if not pairs:
        return 0.5
    return float((rankdata(score)[positive].sum() - number * (number + 1) / 2) / pairs)


def expected_calibration_error(confidence: Probabilities, right: NDArray[np.bool_]) -> float:
    """The mean distance between confidence and accuracy over fifteen equal steps of confidence."""
    return float(
        sum(one["rows"] * abs(one["accuracy"] - one["confidence"]) for one in reliability(confidence, right))
        / len(right)
    )


def reliability(confidence: Probabilities, right: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Confidence and accuracy of each step of confidence that has rows."""
    steps = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        {
            "rows": int(inside.sum()),
            "confidence": float(confidence[inside].mean()),
            "accuracy": float(right[inside].mean()),
        }
        for step in range(BINS)
        if (inside := steps == step).any()
    ]


def _level(confidence: Probabilities, right: NDArray[np.bool_], level: float) -> dict[str, Any]:
    sure = confidence >= level
    accuracy = float(right[sure].mean()) if sure.any() else None
    return {"at": level, "rows": int(sure.sum()), "share": float(sure.mean()), "accuracy": accuracy}


def _of_class(name: str, predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> dict[str, Any]:
    hits = int((predicted & true).sum())
    return {
        "class": name,
        "rows": int(true.sum()),
        "predicted": int(predicted.sum()),
        "precision": hits / int(predicted.sum()) if predicted.any() else None,
        "recall": hits / int(true.sum()) if true.any() else None,
    }
