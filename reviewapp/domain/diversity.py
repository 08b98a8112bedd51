"""Choosing what to show of the nearest: near-duplicates do not fill the list, and at like distance the honest lead."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Distances this close count as alike, and cases this close to each other as nearly the same. Rows of a model's space
# lie about one from its middle, whatever the model.
ALIKE = 0.05


@dataclass(frozen=True, slots=True)
class Candidate:
    """A settled case near another: its distance, what it was settled as, and whether that was answered unseen."""

    distance: float
    answer: str
    is_honest: bool


def choose(candidates: Sequence[Candidate], places: NDArray[np.float32] | None, *, limit: int) -> list[tuple[int, int]]:
    """Up to `limit` of the candidates, by index, each with how many near-duplicates it stands for; nearest first.

    `places`, candidates × width, are their vectors; without them nothing is folded. A case settled otherwise is never
    folded into another. Where too few differ, the duplicates fill the list.
    """
    order = sorted(range(len(candidates)), key=lambda index: _rank(candidates[index]))
    kept: list[int] = []
    folded: list[tuple[int, int]] = []
    for index in order:
        twin = next((other for other in kept if _are_twins(candidates, places, index, other)), None)
        if twin is None:
            kept.append(index)
        else:
            folded.append((index, twin))
    filling = [index for index, _ in folded[: max(limit - len(kept), 0)]]
    numbers = Counter(twin for index, twin in folded if index not in filling)
    shown = sorted([*kept[:limit], *filling], key=lambda index: _rank(candidates[index]))
    return [(index, numbers[index]) for index in shown]


def _rank(one: Candidate) -> tuple[int, bool, float]:
    return round(one.distance / ALIKE), not one.is_honest, one.distance


def _are_twins(candidates: Sequence[Candidate], places: NDArray[np.float32] | None, one: int, other: int) -> bool:
    # Two that lie at different distances from a third cannot lie close together.
    is_apart = abs(candidates[one].distance - candidates[other].distance) > ALIKE
    if places is None or is_apart or candidates[one].answer != candidates[other].answer:
        return False
    return bool(np.linalg.norm(places[one] - places[other]) <= ALIKE)
