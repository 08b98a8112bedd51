"""Checks an uploaded model in a throw-away process, which is all that a hostile model can harm."""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic, perf_counter
from typing import IO, Literal, TypedDict, cast

logger = logging.getLogger(__name__)

TIMEOUT_S = 30.0
MEMORY_BYTES = 4 * 1024**3
# An answer and, for another's export, the bundle made of it.
OUTPUT_BYTES = 220 * 1024**2
ANSWER_BYTES = 1024**2
BUDGET_ROWS = 256
_TICK_S = 5.0


class RunBudget(TypedDict):
    """What loading and scoring cost when the bundle was checked: the yardstick for later runs."""

    peak_rss: int  # bytes
    seconds: float  # of the whole check
    load_seconds: float  # until the first answer can be had, golden rows included
    batch_rows: int
    batch_seconds: float  # for `batch_rows` rows at once
    row_seconds: float  # for one row alone


class GateResult(TypedDict):
    """The gate's answer; `code` and `reason` are empty when the bundle is ready."""

    state: Literal["ready", "refused"]
    code: str
    reason: str
    digest: str
    run_budget: RunBudget
    isolation: str  # how the network was taken away: see `confinement`
    bundle: bytes  # the bundle that was made here, as a zip; empty for a bundle that stays as it came


def examine(
    upload: bytes,
    *,
    classes: Sequence[str] = (),
    timeout_s: float = TIMEOUT_S,
    memory_bytes: int = MEMORY_BYTES,
    heartbeat: Callable[[], None] | None = None,
) -> GateResult:
    """Check, load and score a zipped upload in a child process under limits; never raises for its content.

    Another's export (see `foreign`) is first made into a bundle there. Where `classes` are the model's in another
    order, it is made into a bundle with that order.
    `heartbeat` is called every few seconds while the child works.
    """
    started = perf_counter()
    # Files and not pipes: what a hostile child says is bounded by its own limits and never piles up in memory here.
    with (
        tempfile.TemporaryDirectory(prefix="reviewapp-gate-") as empty,
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as complaint,
    ):
        given.write(json.dumps({"classes": list(classes)}).encode() + b"\n" + upload)
        given.seek(0)
        child = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [sys.executable, "-m", "inference.gate_child", str(memory_bytes), str(max(1, int(timeout_s)))],
            stdin=given,
            stdout=answer,
            stderr=complaint,
            cwd=empty,
            env=_environment(empty),
            start_new_session=True,
        )
        is_in_time = _wait(child, timeout_s=timeout_s, heartbeat=heartbeat)
        seconds = perf_counter() - started
        if not is_in_time or child.returncode == -signal.SIGXCPU:
            reason = f"Checking the model took longer than {timeout_s:g} s; make it smaller."
            return refused("gate_timeout", reason, seconds=seconds)
        if child.returncode != 0:
            return _crashed(child.returncode, _end_of(complaint), seconds=seconds)
        return _read(answer)


def _wait(child: "subprocess.Popen[bytes]", *, timeout_s: float, heartbeat: Callable[[], None] | None) -> bool:
    """Whether the child ended by itself in time; afterwards it is gone in any case."""
    deadline = monotonic() + timeout_s
    try:
        while (left := deadline - monotonic()) > 0:
            try:
                child.wait(min(left, _TICK_S))
            except subprocess.TimeoutExpired:
                if heartbeat is not None:
                    heartbeat()
            else:
                return True
        return False
    finally:
        if child.poll() is None:
            # Its session holds whatever it may have started.
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _environment(empty: str) -> dict[str, str]:
    """No secret of the parent's reaches the child."""
    return {
        "PATH": os.defpath,
        "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "HOME": empty,
        "TMPDIR": empty,
    }


def _end_of(stream: IO[bytes], *, most: int = 2000) -> bytes:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - most))
    return stream.read(most)


def _read(answer: IO[bytes]) -> GateResult:
    answer.seek(0)
    result = cast("GateResult", json.loads(answer.readline(ANSWER_BYTES)))  # written by gate_child
    result["bundle"] = answer.read(OUTPUT_BYTES)
    return result


def _crashed(code: int, complaint: bytes, *, seconds: float) -> GateResult:
    if b"MemoryError" in complaint or b"bad_alloc" in complaint:
        reason = "Checking the model needed more memory than a model may have; make it smaller."
        return refused("gate_memory", reason, seconds=seconds)
    logger.warning("upload_gate.child_failed code=%d stderr=%s", code, complaint.decode(errors="replace"))
    return refused("gate_crashed", f"Checking the model ended its process (code {code}).", seconds=seconds)


def refused(code: str, reason: str, *, seconds: float = 0.0, peak_rss: int = 0) -> GateResult:
    """The answer for an upload that may not run."""
    return {
        "state": "refused",
        "code": code,
        "reason": reason,
        "digest": "",
        "run_budget": {
            "peak_rss": peak_rss,
            "seconds": seconds,
            "load_seconds": 0.0,
            "batch_rows": BUDGET_ROWS,
            "batch_seconds": 0.0,
            "row_seconds": 0.0,
        },
        "isolation": "",
        "bundle": b"",
    }
