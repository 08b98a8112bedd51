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

TOLERANCE = 1e-4
BACKGROUND_ROWS = 500
GOLDEN_ROWS = 32
Row = Mapping[str, Any]


class ExportRefused(RuntimeError):
    """The exported graph does not answer as the fitted pipeline does."""


@dataclass(frozen=True)
class Fitted:
    """A trained pipeline: its graph, the same function in Python, its answers to rows it had not seen."""

    graph: bytes
    score: Callable[[Feeds], NDArray[np.float64]]
    cross_validated: NDArray[np.float64]


def assemble(fitted: Fitted, draft: Manifest, *, rows: Sequence[Row], labels: Sequence[str]) -> dict[str, bytes]:
    """The five files; refuses a graph that leaves the fitted pipeline by more than 1e-4 on any row."""
    session = Session(fitted.graph, providers=[CPU])
    feeds = Decoder(draft).feeds(rows)

    def score(batch: Feeds) -> NDArray[np.float64]:
        (found,) = session.run(batch, outputs=[draft.probabilities_output])
        return np.asarray(found, dtype=np.float64)

    for batch in (feeds, _mixed(feeds)):
        _compare(score(batch), fitted.score(batch))
    table = {name: [row.get(name) for row in rows] for name in draft.column_names}
    draft = replace(
        draft,
        neighbours=neighbours.fit(table, draft, importance=_importance(feeds, draft, score=score)),
        lineage={**_lineage(rows, labels), **draft.lineage},
        metrics={**_metrics(fitted.cross_validated, labels, draft.classes), **draft.metrics},
    )
    order = stratified_order(labels)
    chosen = order[:BACKGROUND_ROWS]
    embedded = Space(draft).embed(feeds)
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


def _compare(found: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    worst = float(np.abs(found - expected).max())
    if not worst <= TOLERANCE:
        raise ExportRefused(
            f"The graph answers up to {worst:.2g} away from the fitted pipeline (allowed {TOLERANCE:g})."
        )


def _importance(feeds: Feeds, manifest: Manifest, *, score: Any) -> dict[str, float]:
    """How much the probabilities move, on average, when one column is shuffled among the training rows."""
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


def _metrics(probabilities: NDArray[np.float64], labels: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
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
