"""The throw-away process of the upload gate: limits, upload on standard input, answer on standard output."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from inference import confinement
from inference.refusal import BundleRefused
from inference.upload_gate import BUDGET_ROWS, OUTPUT_BYTES, GateResult, RunBudget, refused

if TYPE_CHECKING:
    from inference.model import Model

_RUNS = 3


def check(upload: bytes, *, classes: Sequence[str]) -> GateResult:
    """Check an upload in this very process."""
    started = perf_counter()
    try:
        return _admit(upload, classes=classes, started=started)
    except BundleRefused as refusal:
        code, reason = refusal.code, str(refusal)
    except MemoryError:
        code, reason = "gate_memory", "The model needs more memory than a model may have; make it smaller."
    return refused(code, reason, seconds=perf_counter() - started, peak_rss=_peak_rss())


def _admit(upload: bytes, *, classes: Sequence[str], started: float) -> GateResult:
    from inference import archive, bundle, class_order, foreign, model
    from inference.session import CPU

    files: Mapping[str, bytes] = foreign.read_upload(upload)
    is_foreign = foreign.is_foreign(files)
    if is_foreign:
        from inference import conversion

        files = conversion.convert(files, order=classes)
    manifest = bundle.check(files)
    if is_reordered := class_order.is_other(manifest.classes, classes):
        files = class_order.reordered(files, classes)
        manifest = bundle.check(files)
    loading = perf_counter()
    if manifest.remote is not None:
        # There is no model to run here, and no network to ask the one that there is.
        budget = refused("", "", seconds=perf_counter() - started, peak_rss=_peak_rss())["run_budget"]
    else:
        loaded = model.load(files, providers=[CPU])
        budget = _budget(loaded, load_seconds=perf_counter() - loading, started=started)
    return {
        "state": "ready",
        "code": "",
        "reason": "",
        "digest": archive.digest(files),
        "run_budget": budget,
        "isolation": "",
        "bundle": archive.write_zip(files) if is_foreign or is_reordered else b"",
    }


def _budget(loaded: "Model", *, load_seconds: float, started: float) -> RunBudget:
    import numpy as np

    feeds = loaded.decoder.feeds_from_table(loaded.background)
    batch = {name: np.resize(values, (BUDGET_ROWS, values.shape[1])) for name, values in feeds.items()}
    alone = {name: values[:1] for name, values in batch.items()}
    try:
        batch_seconds = _fastest(lambda: loaded.probabilities(batch))
        row_seconds = _fastest(lambda: loaded.probabilities(alone))
    except Exception as error:  # the runtime raises types of its own, none of them public
        reason = f"model.onnx fails on the rows of background.parquet ({str(error)[:200]})."
        raise BundleRefused("model_fails", reason) from error
    return {
        "peak_rss": _peak_rss(),
        "seconds": perf_counter() - started,
        "load_seconds": load_seconds,
        "batch_rows": BUDGET_ROWS,
        "batch_seconds": batch_seconds,
        "row_seconds": row_seconds,
    }


def _fastest(run: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(_RUNS):
        started = perf_counter()
        run()
        best = min(best, perf_counter() - started)
    return best


def _peak_rss() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    memory_bytes, cpu_seconds = (int(value) for value in sys.argv[1:3])
    # Libraries may print; the answer has a descriptor of its own.
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    isolation = confinement.confine(memory_bytes=memory_bytes, cpu_seconds=cpu_seconds, file_bytes=OUTPUT_BYTES)
    header, _, upload = sys.stdin.buffer.read().partition(b"\n")
    result = check(upload, classes=json.loads(header)["classes"])
    made = result["bundle"]
    with answer:
        answer.write(json.dumps({**result, "isolation": isolation, "bundle": ""}).encode() + b"\n")
        answer.write(made)


if __name__ == "__main__":
    main()
