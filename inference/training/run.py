"""From a file of rows with known answers to a bundle: split, fit, choose, calibrate, export, compare, measure."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.decode import Decoder, Feeds
from inference.manifest import Manifest
from inference.training import (
    candidates,
    columns,
    dates,
    features,
    halves,
    images,
    leaks,
    onnx_graph,
    source,
    split,
    target,
)
from inference.training.assemble import Fitted, Held, assemble
from inference.training.calibration import Beta, Calibration, Temperature
from inference.training.candidates import Candidate, Scores
from inference.training.isotonic import refined
from inference.training.measure import log_loss, measure
from inference.training.refused import TrainingRefused
from inference.training.split import Split
from inference.training.target import Answers

# What the space of similar cases, novelty and the background are worked out from.
SAMPLE_ROWS = 10_000
STEPS = 7

Say = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """What to learn from a file, and what is known beforehand."""

    target: str
    name: str
    time: str = ""
    id: str = ""
    exclude: tuple[str, ...] = ()
    image: tuple[int, int] | None = None
    text: tuple[str, ...] = ()
    # Of a stream that exists already: its classes in order, and what its contract says of each column.
    classes: tuple[str, ...] = ()
    contract: Mapping[str, tuple[Sequence[str], bool]] = field(default_factory=dict)
    owner: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Trained:
    """A bundle, what to know about it, and the pipeline it was exported from."""

    files: dict[str, bytes]
    manifest: Manifest
    notes: list[str]
    warnings: list[str]
    rows: list[dict[str, Any]]  # the validation rows as upstream would send them
    truth: NDArray[np.intp]
    score: Callable[[Feeds], NDArray[np.float64]]


@dataclass(frozen=True)
class _Data:
    """The rows, understood."""

    source: source.Source
    found: columns.Inferred
    answers: Answers
    parts: Split
    notes: list[str]
    span: tuple[float, float] | None
    cutoff: float | None


def train(path: Path, task: Task, *, say: Say = lambda _: None) -> Trained:
    """Train on a file. Raises TrainingRefused with a sentence for people, ExportRefused, or OSError."""
    started = perf_counter()
    say("reading the rows")
    data = _understood(source.read(path), task)
    draft = _draft(data, task)
    say("looking for leaks")
    warnings = _warnings(data)
    decoder = Decoder(draft)
    feeds = decoder.feeds_from_table(data.found.table)
    chosen, calibration, tried = _chosen(data, draft, feeds, image=task.image is not None, say=say)
    say("exporting and comparing")
    draft = replace(
        draft,
        transformed=chosen.features.owners,
        explainer=chosen.kind.explainer(len(draft.classes)),
        calibration={**calibration.to_json(), "rows": len(data.parts.tuning)},
    )
    fitted = Fitted(_graph(chosen, calibration, draft), lambda batch: calibration.apply(chosen.scores(batch)))
    held = _rows(feeds, data.parts.validation)
    truth = data.answers.truth[data.parts.validation]
    figures = measure(fitted.score(held), truth, draft.classes)
    warnings += _useless(figures, truth, data)
    metrics = {
        "method": data.parts.method,
        **figures,
        "candidates": tried,
        "seconds": round(perf_counter() - started, 1),
    }
    say("working out similar cases and novelty")
    files = _bundle(fitted, replace(draft, metrics=metrics), data, held)
    return Trained(
        files=files,
        manifest=_read(files),
        notes=[*data.notes, *data.found.notes],
        warnings=warnings,
        rows=_dicts(data.found, data.parts.validation),
        truth=truth,
        score=fitted.score,
    )


def _understood(read: source.Source, task: Task) -> _Data:
    for option, names in (
        ("--exclude", task.exclude),
        ("--text", task.text),
        ("--time", [task.time]),
        ("--id", [task.id]),
    ):
        for name in filter(None, names):
            read.field(name, option=option)
    read, kept_out = halves.trainable(read, target=task.target)
    read, note = target.answered(read, task.target)
    answers = target.answers(read, task.target, classes=task.classes)
    if task.id:
        _check_ids(read, task.id)
    seconds = dates.times(read.field(task.time, option="--time"), read.numbers) if task.time else None
    parts = split.by_time(answers, seconds, column=task.time) if seconds is not None else split.by_chance(answers)
    inputs = read.without({task.target, task.time, task.id, *task.exclude} - {""})
    wanted = columns.Wanted(texts=task.text, is_image=task.image is not None, contract=task.contract)
    found = columns.infer(inputs, wanted)
    if task.image is not None:
        found = images.as_pixels(found, task.image, numbers=read.numbers)
    span = (float(seconds.min()), float(seconds.max())) if seconds is not None else None
    # Whatever the model was fitted, chosen or calibrated on has shaped it.
    shaping = np.concatenate([parts.training, parts.tuning])
    cutoff = float(seconds[shaping].max()) if seconds is not None else None
    return _Data(read, found, answers, parts, [one for one in (kept_out, note) if one], span, cutoff)


def _check_ids(read: source.Source, name: str) -> None:
    values = read.field(name, option="--id").values.to_pylist()
    first: dict[Any, int] = {}
    for number, value in zip(read.numbers.tolist(), values, strict=True):
        if value is None:
            raise TrainingRefused(f"Column `{name}`, row {number} has no id; fill it in or train without --id.")
        if value in first:
            raise TrainingRefused(
                f"Column `{name}` has the id “{value}” in row {first[value]} and again in row {number}; keep one of "
                "the two, "
                "or train without --id if the rows are different cases."
            )
        first[value] = number


def _draft(data: _Data, task: Task) -> Manifest:
    found = tuple(data.found.columns)
    return Manifest(
        name=task.name,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        classes=data.answers.classes,
        columns=found,
        inputs=features.inputs(found),
        outputs={"probabilities": onnx_graph.PROBABILITIES},
        owner=task.owner,
        licence=task.licence,
        lineage=_lineage(data, task),
        image={"height": task.image[0], "width": task.image[1]} if task.image else None,
    )


def _lineage(data: _Data, task: Task) -> dict[str, Any]:
    import lightgbm
    import onnx
    import onnxruntime
    import sklearn

    def moment(seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).isoformat()

    told: dict[str, Any] = {
        "data": data.source.file,
        "data_digest": data.source.digest,
        "rows": len(data.source),
        "training_rows": len(data.parts.training),
        "tuning_rows": len(data.parts.tuning),
        "validation_rows": len(data.parts.validation),
        "target": task.target,
        "excluded": list(task.exclude),
        "code_digest": _code_digest(),
        "libraries": {one.__name__: one.__version__ for one in (np, sklearn, lightgbm, onnx, onnxruntime)},
    }
    if task.time and data.span is not None and data.cutoff is not None:
        told |= {"time_column": task.time}
        if data.span[1] > 10_000:  # a plain number such as a year is no second since 1970
            told |= {"time_span": [moment(one) for one in data.span], "training_cut_off": moment(data.cutoff)}
    return told


def _code_digest() -> str:
    """What trained: a digest of this package's own files, whatever they were deployed with."""
    whole = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        whole.update(path.read_bytes())
    return whole.hexdigest()


def _warnings(data: _Data) -> list[str]:
    found = leaks.find(
        data.found.columns,
        data.found.table,
        rows=data.parts.training,
        truth=data.answers.truth,
        classes=data.answers.classes,
    )
    return [str(leak) for leak in found]


def _useless(figures: Mapping[str, Any], truth: NDArray[np.intp], data: _Data) -> list[str]:
    """A sentence where the model says less of the rows held out than the mere shares of the classes."""
    shares = np.bincount(data.answers.truth[data.parts.training], minlength=len(data.answers.classes))
    blind = log_loss(np.tile(shares / shares.sum(), (len(truth), 1)), truth)
    if figures["log_loss"] < blind:
        return []
    sentence = (
        "On rows it has not seen the model says no more than how frequent each class is; add rows, or columns that "
        "have to do with the answer, before anything is decided by it."
    )
    return [sentence]


def _chosen(
    data: _Data, draft: Manifest, feeds: Feeds, *, image: bool, say: Say
) -> tuple[Candidate, Calibration, list[dict[str, Any]]]:
    """The candidate whose calibrated probabilities tell the tuning rows best."""
    truth = data.answers.truth
    training, tuning = ((_rows(feeds, rows), truth[rows]) for rows in (data.parts.training, data.parts.tuning))
    prepared = candidates.Prepared(draft.columns, training=training, tuning=tuning, classes=len(draft.classes))
    best: tuple[float, Candidate, Beta | Temperature] | None = None
    tried = []
    for kind in candidates.kinds(draft.columns, is_image=image):
        say(f"fitting: {kind.name}")
        started = perf_counter()
        candidate = prepared.fit(kind)
        scores = candidate.scores(tuning[0])
        first = _calibrated(scores, tuning[1])
        loss = log_loss(first.apply(scores), tuning[1])
        tried.append({"kind": kind.name, "log_loss": loss, "seconds": round(perf_counter() - started, 1)})
        if best is None or loss < best[0]:
            best = (loss, candidate, first)
    assert best is not None
    for one in tried:
        one["chosen"] = one["kind"] == best[1].kind.name
    calibration: Calibration = best[2]
    if isinstance(calibration, Beta):
        calibration = refined(calibration, best[1].scores(tuning[0])[:, -1], tuning[1] == 1)
    return best[1], calibration, tried


def _calibrated(scores: Scores, truth: NDArray[np.intp]) -> Beta | Temperature:
    if scores.shape[1] == 2:
        return Beta.fit(scores[:, -1], truth == 1)
    return Temperature.fit(scores, truth)


def _graph(chosen: Candidate, calibration: Calibration, draft: Manifest) -> bytes:
    return onnx_graph.build(
        draft.name,
        draft.inputs,
        parts=[*chosen.parts("scores"), calibration.nodes("scores", onnx_graph.PROBABILITIES)],
        classes=len(draft.classes),
    )


def _bundle(fitted: Fitted, draft: Manifest, data: _Data, held: Feeds) -> dict[str, bytes]:
    training = data.parts.training
    if len(training) > SAMPLE_ROWS:
        training = np.sort(np.random.default_rng(0).choice(training, SAMPLE_ROWS, replace=False))
    return assemble(
        fitted,
        draft,
        rows=_dicts(data.found, training),
        labels=data.answers.take(training).labels,
        held=Held(held, data.source.numbers[data.parts.validation]),
    )


def _rows(feeds: Feeds, rows: NDArray[np.intp]) -> Feeds:
    return {name: values[rows] for name, values in feeds.items()}


def _dicts(found: columns.Inferred, rows: NDArray[np.intp]) -> list[dict[str, Any]]:
    places = rows.tolist()
    picked = [[found.table[column.name][place] for place in places] for column in found.columns]
    names = [column.name for column in found.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*picked, strict=True)]


def _read(files: Mapping[str, bytes]) -> Manifest:
    from inference import bundle

    return bundle.read_manifest(files)
