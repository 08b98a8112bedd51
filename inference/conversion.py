"""From another's export to the files of a bundle; runs the model, so only in the upload gate's child process."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference import adaptation, class_order, foreign, graph, graph_outputs, neighbours, novelty, samples, tables
from inference.decode import Decoder, Feeds
from inference.foreign import Declaration
from inference.graph_outputs import Chosen
from inference.manifest import Manifest
from inference.neighbours import Space
from inference.refusal import BundleRefused
from inference.session import CPU, Session

if TYPE_CHECKING:
    from onnx import ModelProto

GOLDEN_ROWS = 32
_SUM_TOLERANCE = 1e-3


def convert(files: Mapping[str, bytes], *, order: Sequence[str] = ()) -> dict[str, bytes]:
    """The five files of a bundle that answers as the export does, its classes in the order of `order` if they fit.

    Equal exports give equal bundles. Raises BundleRefused for an export that cannot be served.
    """
    declared = foreign.with_classes(foreign.declaration_of(files), tuple(order))
    model = adaptation.open_graph(files[foreign.MODEL], files.get(foreign.TENSORS, b""))
    chosen = graph_outputs.choose(model, declared)
    declared = _with_classes_of(chosen, declared)
    wanted = {**(declared.outputs or {}), "probabilities": chosen.tensor}
    model = adaptation.keep_only(model, wanted)
    inputs = adaptation.feed_columns(model, declared)
    graph.check_safe(model)
    draft = Manifest(
        name=declared.name,
        created=declared.created or "not stated",
        classes=declared.classes,
        columns=declared.columns,
        inputs=inputs,
        outputs=wanted,
        explainer=dict(declared.explainer or {}),
        metrics=dict(declared.metrics or {}),
        owner=declared.owner,
        licence=declared.licence,
        image=dict(declared.image) if declared.image else None,
    )
    # The same rules as for a manifest that came with its bundle.
    draft = Manifest.from_json(draft.to_json())
    rows, source = samples.rows_for(files, declared)
    feeds = Decoder(draft).feeds(rows)
    shown = _run(Session(model.SerializeToString(), providers=[CPU]), feeds, chosen.tensor)
    _check_width(shown, declared.classes, rows=len(rows))
    picked = graph_outputs.class_order(chosen, declared.classes)
    if class_order.is_other(declared.classes, order):
        picked = [picked[declared.classes.index(name)] for name in order]
        draft = replace(draft, classes=tuple(order))
    output = adaptation.as_probabilities(
        model,
        chosen,
        shown=shown,
        order=picked,
        also={name for part, name in wanted.items() if part != "probabilities"},
    )
    lineage = {**(declared.lineage or {}), "upload": _lineage(files, model, source=source)}
    draft = replace(draft, outputs={**wanted, "probabilities": output}, lineage=lineage)
    return _assemble(model.SerializeToString(deterministic=True), draft, rows=rows)


def _with_classes_of(chosen: Chosen, declared: Declaration) -> Declaration:
    if not declared.classes:
        declared = replace(declared, classes=tuple(str(label) for label in chosen.labels))
    return declared


def _run(session: Session, feeds: Feeds, output: str) -> NDArray[Any]:
    try:
        (found,) = session.run(feeds, outputs=[output])
    except Exception as error:  # the runtime raises types of its own, none of them public
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BundleRefused(
            "model_fails", f"model.onnx fails on rows of the declared columns ({first[:300]})."
        ) from error
    return np.asarray(found)


def _check_width(shown: NDArray[Any], classes: Sequence[str], *, rows: int) -> None:
    if shown.dtype.kind != "f":
        raise BundleRefused("no_probabilities", f"model.onnx: the chosen output is {shown.dtype}, not probabilities.")
    width = shown.size / rows
    if width == len(classes) or (width == 1 and len(classes) == 2):
        return
    numbers = "one number" if width == 1 else f"{width:g} numbers"
    remedy = (
        "A regressor tells a quantity and no class; train a classifier, or declare two classes if the number is the "
        "probability of the second."
        if width == 1
        else "If it takes one row only, export it with a free number of rows."
    )
    raise BundleRefused(
        "classes_differ",
        f"model.onnx answers {numbers} per row, but {len(classes)} classes are declared: {', '.join(classes)}. "
        f"{remedy}",
    )


def _assemble(model: bytes, draft: Manifest, *, rows: samples.Rows) -> dict[str, bytes]:
    from inference.training import reference

    session, feeds = Session(model, providers=[CPU]), Decoder(draft).feeds(rows)

    def score(batch: Feeds) -> NDArray[np.float64]:
        return np.asarray(_run(session, batch, draft.probabilities_output), dtype=np.float64)

    probabilities = score(feeds)
    _check_probabilities(probabilities)
    table = {name: [row.get(name) for row in rows] for name in draft.column_names}
    importance = _importance(feeds, draft, score=score)
    given = _run(session, feeds, draft.outputs["embedding"]) if "embedding" in draft.outputs else None
    space = neighbours.fit(table, draft, importance=importance, outcomes=probabilities, given=given)
    draft = replace(draft, neighbours=space)
    vectors = Space(draft).embed(feeds, given)
    manifest = replace(draft, novelty=novelty.fit(vectors, vectors, own=np.arange(len(rows))))
    answers = [draft.classes[place] for place in probabilities.argmax(axis=1)]
    golden = min(len(rows), GOLDEN_ROWS)
    return {
        "model.onnx": model,
        "bundle.json": _json(manifest.to_json()),
        "background.parquet": tables.write_rows(manifest, rows),
        "reference.json": _json(reference.describe(table, answers, manifest=manifest)),
        "golden.parquet": tables.write_golden(manifest, rows[:golden], probabilities[:golden].tolist()),
    }


def _check_probabilities(found: NDArray[np.float64]) -> None:
    # Written so that NaN fails each comparison.
    if (found >= 0.0).all() and (np.abs(found.sum(axis=1) - 1.0) <= _SUM_TOLERANCE).all():
        return
    gaps = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if len(gaps):
        raise BundleRefused(
            "not_probabilities",
            f"model.onnx answers no number (NaN or infinite) for {len(gaps)} of {len(found)} sample rows, the first is "
            f"row {gaps[0] + 1}; a model that cannot take missing or unusual values has to replace them first.",
        )
    low, high = float(found.min()), float(found.max())
    raise BundleRefused(
        "not_probabilities",
        f"model.onnx answers numbers from {low:.3g} to {high:.3g} that are no probabilities; if they are scores, say "
        "`activation`: `softmax` (a score per class) or `sigmoid` (one score) in manifest.json.",
    )


def _importance(feeds: Feeds, manifest: Manifest, *, score: Any) -> dict[str, float]:
    """How much the probabilities move, on average, when one column is shuffled among the rows."""
    plain = score(feeds)
    shuffle = np.random.default_rng(0).permutation(len(plain))
    importance: dict[str, float] = {}
    for item in manifest.inputs:
        for place, name in enumerate(item.columns):
            mixed = feeds[item.name].copy()
            mixed[:, place] = mixed[shuffle, place]
            importance[name] = float(np.abs(score({**feeds, item.name: mixed}) - plain).sum(axis=1).mean() / 2)
    # A model that answers these rows all alike still has columns.
    return importance if any(importance.values()) else dict.fromkeys(importance, 1.0)


def _lineage(files: Mapping[str, bytes], model: "ModelProto", *, source: str) -> dict[str, Any]:
    return {
        "model": hashlib.sha256(files[foreign.MODEL]).hexdigest(),
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "background": source,
    }


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"
