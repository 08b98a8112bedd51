"""What people answer in a trial: the table's own answer, and after a shift another one for a part of the cases."""

import hashlib
from collections.abc import Sequence

from reviewapp.monitoring.trial.plan import Shift


def share_flipped(confidence: float, factor: float) -> float:
    """Of the cases that a calibrated model has right at a confidence, how many have to turn wrong.

    1 − c of all are wrong before, so (f − 1)(1 − c) more have to be, out of the c that are right.
    """
    return min(1.0, (factor - 1) * (1 - confidence) / confidence)


def answer(
    external_id: str, known: str, *, predicted: str, confidence: float, classes: Sequence[str], shift: Shift | None
) -> str:
    """The answer to a case that arrives after the shift, or without one. The same case is always answered alike."""
    if shift is None or known != predicted or _draw(external_id) >= share_flipped(confidence, shift.factor):
        return known
    return classes[(classes.index(known) + 1) % len(classes)]


def _draw(external_id: str) -> float:
    return int.from_bytes(hashlib.sha256(b"shift " + external_id.encode()).digest()[:8], "big") / 2**64
