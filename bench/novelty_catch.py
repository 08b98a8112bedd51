"""What novelty catches: one class is hidden from training, and its cases arrive all the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inference import neighbours, novelty
from inference.decode import Decoder
from inference.manifest import Column, GraphInput, Manifest
from inference.neighbours import Space
from inference.novelty import Novelty

FLOORS = (0.02, 0.05)
BACKGROUND = 500
SPLITS = 3


@dataclass(frozen=True)
class Caught:
    """Shares below each floor, averaged over the hidden classes: of cases of the hidden class, and of known ones."""

    name: str
    hidden: Sequence[float]
    known: Sequence[float]


def measure() -> list[Caught]:
    from sklearn.datasets import load_digits, load_wine

    sets = {"digits": load_digits(return_X_y=True), "wine": load_wine(return_X_y=True)}
    return [_measure(name, *found) for name, found in sets.items()]


def _measure(name: str, rows: NDArray[np.float64], truth: NDArray[np.intp]) -> Caught:
    hidden, known = [], []
    for split in range(SPLITS):
        for left_out in np.unique(truth):
            draw = np.random.default_rng(split)
            rest = draw.permutation(np.flatnonzero(truth != left_out))
            cut = int(0.6 * len(rest))
            guard, space, decoder = _guard(rows[rest[:cut]], truth[rest[:cut]])
            for found, chosen in ((hidden, np.flatnonzero(truth == left_out)), (known, rest[cut:])):
                share = guard.share_stranger(space.embed(decoder.feeds_from_table(_table(rows[chosen]))))
                found.append([float((share < floor).mean()) for floor in FLOORS])
    return Caught(name, np.mean(hidden, axis=0).tolist(), np.mean(known, axis=0).tolist())


def _guard(rows: NDArray[np.float64], truth: NDArray[np.intp]) -> tuple[Novelty, Space, Decoder]:
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(n_estimators=60, max_depth=3, n_jobs=1, random_state=0, verbose=-1).fit(rows, truth)
    plain = np.asarray(model.predict_proba(rows))
    shuffle = np.random.default_rng(0).permutation(len(rows))
    importance = {}
    for place in range(rows.shape[1]):
        mixed = rows.copy()
        mixed[:, place] = mixed[shuffle, place]
        importance[f"c{place}"] = float(np.abs(np.asarray(model.predict_proba(mixed)) - plain).sum(axis=1).mean())
    columns = tuple(Column(name, "float") for name in importance)
    manifest = Manifest(
        name="known classes",
        created="2026-01-01T00:00:00Z",
        classes=tuple(map(str, np.unique(truth))),
        columns=columns,
        inputs=(GraphInput("numbers", "float", tuple(importance)),),
        outputs={"probabilities": "probabilities"},
    )
    table = _table(rows)
    manifest = replace(manifest, neighbours=neighbours.fit(table, manifest, importance=importance))
    space, decoder = Space(manifest), Decoder(manifest)
    placed = space.embed(decoder.feeds_from_table(table))
    reference = placed[:BACKGROUND]
    own = np.full(len(placed), -1, dtype=np.intp)
    own[: len(reference)] = np.arange(len(reference))
    manifest = replace(manifest, novelty=novelty.fit(placed, reference, own=own))
    return Novelty(manifest, reference, width=space.active_width), space, decoder


def _table(rows: NDArray[np.float64]) -> Mapping[str, Sequence[float]]:
    return {f"c{place}": rows[:, place].tolist() for place in range(rows.shape[1])}


def table(caught: Sequence[Caught]) -> str:
    lines = ["| set | hidden class below 2% / 5% | known classes below 2% / 5% |", "|---|---|---|"]
    for one in caught:
        hidden, known = (" / ".join(f"{share:.0%}" for share in shares) for shares in (one.hidden, one.known))
        lines.append(f"| {one.name} | {hidden} | {known} |")
    return "\n".join(lines)
