"""From a graph and its training rows to the files of a bundle."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference import neighbours, novelty, tables
from inference.decode import Decoder, Feeds
from inference.manifest import Manifest
from inference.neighbours import Space
from inference.session import CPU, Session
from inference.training import reference
from inference.training.refused import TrainingRefused

TOLERANCE = 1e-4
# Texts are padded to the longest of a batch.
BATCH_ROWS = 1_024
BACKGROUND_ROWS = 500
# Each column is shuffled once over so many rows to see what it means to the model.
IMPORTANCE_ROWS = 2_000
GOLDEN_ROWS = 32
Row = Mapping[str, Any]


class ExportRefused(TrainingRefused):
    """The exported graph does not answer as the fitted pipeline does."""


@dataclass(frozen=True)
class Fitted:
    """A trained pipeline: its graph, the same function in Python, its answers to rows it had not seen."""

    graph: bytes
    score: Callable[[Feeds], NDArray[np.float64]]
    cross_validated: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Held:
    """Rows to compare graph and pipeline on beside those to learn from, with their numbers in the data."""

    feeds: Feeds
    numbers: NDArray[np.int64]


def assemble(
    fitted: Fitted, draft: Manifest, *, rows: Sequence[Row], labels: Sequence[str], held: Held | None = None
) -> dict[str, bytes]:
    """The five files; refuses a graph that leaves the fitted pipeline by more than 1e-4 on any row."""
    session = Session(fitted.graph, providers=[CPU])
    feeds = Decoder(draft).feeds(rows)

    def score(batch: Feeds) -> NDArray[np.float64]:
        return in_batches(session, batch, output=draft.probabilities_output)

    if held is not None:
        _compare(score(held.feeds), fitted.score(held.feeds), draft, rows=[f"row {one}" for one in held.numbers])
    for kind, batch in (("training row", feeds), ("mixed row", _mixed(feeds))):
        names = [f"{kind} {place + 1}" for place in range(len(rows))]
        _compare(score(batch), fitted.score(batch), draft, rows=names)
    table = {name: [row.get(name) for row in rows] for name in draft.column_names}
    given = session.run(feeds, outputs=[draft.outputs["embedding"]])[0] if "embedding" in draft.outputs else None
    importance = _importance(feeds, draft, score=score)
    draft = replace(
        draft,
        neighbours=neighbours.fit(table, draft, importance=importance, outcomes=score(feeds), given=given),
        lineage={**_lineage(rows, labels), **draft.lineage},
        metrics={**_metrics(fitted, labels, draft.classes), **draft.metrics},
    )
    order = stratified_order(labels)
    chosen = order[:BACKGROUND_ROWS]
    embedded = Space(draft).embed(feeds, given)
    own = np.full(len(order), -1, dtype=np.intp)
    own[chosen] = np.arange(len(chosen))
    manifest = replace(draft, novelty=novelty.fit(embedded, embedded[chosen], own=own))
    golden = order[-GOLDEN_ROWS:]
    stored = score({name: values[golden] for name, values in feeds.items()})
    return {
        "model.onnx": fitted.graph,
        "bundle.json": _json(manifest.to_json()),
        "background.parquet": tables.write_rows(manifest, [rows[index] for index in chosen]),
        "reference.json": _json(reference.describe(table, labels, manifest=manifest)),
        "golden.parquet": tables.write_golden(manifest, [rows[index] for index in golden], stored.tolist()),
    }


def stratified_order(labels: Sequence[str]) -> NDArray[np.intp]:
    """An order whose every beginning holds the classes in about their overall shares."""
    values = np.asarray(labels)
    shuffled = np.random.default_rng(0).permutation(len(values))
    place = np.empty(len(values))
    for label in np.unique(values):
        members = shuffled[values[shuffled] == label]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.argsort(place, kind="stable")


def _mixed(feeds: Feeds) -> Feeds:
    """Rows nobody trained on: each column taken from a row of its own."""
    draw = np.random.default_rng(1)
    return {
        name: np.stack([values[draw.permutation(len(values)), place] for place in range(values.shape[1])], axis=1)
        for name, values in feeds.items()
    }


def in_batches(session: Session, feeds: Feeds, *, output: str) -> NDArray[np.float64]:
    """The output for all rows, run a batch at a time."""
    rows = len(next(iter(feeds.values())))
    parts = []
    for start in range(0, rows, BATCH_ROWS):
        batch = {name: values[start : start + BATCH_ROWS] for name, values in feeds.items()}
        parts.append(np.asarray(session.run(batch, outputs=[output])[0], dtype=np.float64))
    return np.concatenate(parts)


def _compare(
    found: NDArray[np.float64], expected: NDArray[np.float64], manifest: Manifest, *, rows: Sequence[str]
) -> None:
    distance = np.abs(found - expected)
    if bool((distance <= TOLERANCE).all()):  # NaN fails the comparison
        return
    apart = np.flatnonzero(~(distance <= TOLERANCE).all(axis=1))
    row, place = divmod(int(np.nan_to_num(distance, nan=np.inf).argmax()), distance.shape[1])
    raise ExportRefused(
        f"The graph answers up to {distance[row, place]:.2g} away from the fitted pipeline (allowed {TOLERANCE:g}): "
        "most "
        f"in {rows[row]}, class {manifest.classes[place]}, with {found[row, place]:.6f} for "
        f"{expected[row, place]:.6f}; "
        f"{len(apart):,} of {len(rows):,} rows differ. Nothing was exported."
    )


def _importance(feeds: Feeds, manifest: Manifest, *, score: Any) -> dict[str, float]:
    """How much the probabilities move, on average, when one column is shuffled among the training rows."""
    rows = len(next(iter(feeds.values())))
    if rows > IMPORTANCE_ROWS:
        kept = np.random.default_rng(0).choice(rows, IMPORTANCE_ROWS, replace=False)
        feeds = {name: values[kept] for name, values in feeds.items()}
    plain = score(feeds)
    shuffle = np.random.default_rng(0).permutation(len(plain))
    importance: dict[str, float] = {}
    for item in manifest.inputs:
        for place, name in enumerate(item.columns):
            mixed = feeds[item.name].copy()
            mixed[:, place] = mixed[shuffle, place]
            moved = np.abs(score({**feeds, item.name: mixed}) - plain).sum(axis=1) / 2
            importance[name] = float(moved.mean())
    return importance


def _lineage(rows: Sequence[Row], labels: Sequence[str]) -> dict[str, Any]:
    import onnx
    import onnxruntime
    import sklearn

    content = json.dumps([[dict(row) for row in rows], list(labels)], sort_keys=True, default=str).encode()
    return {
        "data_digest": hashlib.sha256(content).hexdigest(),
        "training_rows": len(rows),
        "libraries": {library.__name__: library.__version__ for library in (np, onnx, onnxruntime, sklearn)},
    }


def _metrics(fitted: Fitted, labels: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    probabilities = fitted.cross_validated
    if probabilities is None:
        return {}
    truth = np.array([classes.index(label) for label in labels])
    hit = np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)
    return {
        "method": "cross-validation on the training rows",
        "accuracy": float((probabilities.argmax(axis=1) == truth).mean()),
        "log_loss": float(-np.log(hit).mean()),
        "mean_confidence": float(probabilities.max(axis=1).mean()),
    }


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"
