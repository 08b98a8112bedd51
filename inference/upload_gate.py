"""Checks an uploaded bundle in a throw-away process, which is all that a hostile model can harm."""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Literal, TypedDict, cast

logger = logging.getLogger(__name__)

TIMEOUT_S = 30.0
MEMORY_BYTES = 4 * 1024**3
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


class RunBudget(TypedDict):
    """What loading and scoring cost: the yardstick for later runs."""

    peak_rss: int
    seconds: float


class GateResult(TypedDict):
    """The gate's answer; `code` and `reason` are empty when the bundle is ready."""

    state: Literal["ready", "refused"]
    code: str
    reason: str
    digest: str
    run_budget: RunBudget


def examine(archive: bytes, *, timeout_s: float = TIMEOUT_S, memory_bytes: int = MEMORY_BYTES) -> GateResult:
    """Check, load and score a zipped bundle in a child process under limits; never raises for its content."""
    started = perf_counter()
    with tempfile.TemporaryDirectory(prefix="reviewapp-gate-") as empty:
        child = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [sys.executable, "-m", "inference.upload_gate", str(memory_bytes), str(max(1, int(timeout_s)))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=empty,
            env=_environment(empty),
            start_new_session=True,
        )
        try:
            answer, complaint = child.communicate(archive, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            return _too_slow(timeout_s, seconds=perf_counter() - started)
    if child.returncode == -signal.SIGXCPU:
        return _too_slow(timeout_s, seconds=perf_counter() - started)
    if child.returncode != 0:
        return _crashed(child.returncode, complaint, seconds=perf_counter() - started)
    return cast("GateResult", json.loads(answer))  # written by main() below


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


def _too_slow(timeout_s: float, *, seconds: float) -> GateResult:
    reason = f"Checking the bundle took longer than {timeout_s:g} s; make the model smaller."
    return _refused("gate_timeout", reason, seconds=seconds)


def _crashed(code: int, complaint: bytes, *, seconds: float) -> GateResult:
    if b"MemoryError" in complaint or b"bad_alloc" in complaint:
        reason = "Checking the bundle needed more memory than a model may have; make the model smaller."
        return _refused("gate_memory", reason, seconds=seconds)
    logger.warning("upload_gate.child_failed code=%d stderr=%s", code, complaint[-2000:].decode(errors="replace"))
    return _refused("gate_crashed", f"Checking the bundle ended its process (code {code}).", seconds=seconds)


def _refused(code: str, reason: str, *, seconds: float, peak_rss: int = 0) -> GateResult:
    return {
        "state": "refused",
        "code": code,
        "reason": reason,
        "digest": "",
        "run_budget": {"peak_rss": peak_rss, "seconds": seconds},
    }


def _confine(memory_bytes: int, cpu_seconds: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    # Enough for Python to try out its temporary directory, too little to fill a disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes

        # Takes the network away where the kernel lets a process do so; elsewhere the other limits hold.
        ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _examine_here(archive: bytes) -> GateResult:
    import resource

    from inference import bundle, model
    from inference.refusal import BundleRefused
    from inference.session import CPU

    started = perf_counter()
    try:
        files = bundle.read_zip(archive)
        loaded = model.load(files, providers=[CPU])
        code = reason = ""
    except BundleRefused as refusal:
        code, reason = refusal.code, str(refusal)
    except MemoryError:
        code, reason = (
            "gate_memory",
            "The bundle needs more memory than a model may have; make the model smaller.",
        )
    seconds = perf_counter() - started
    peak_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if code:
        return _refused(code, reason, seconds=seconds, peak_rss=peak_rss)
    budget: RunBudget = {"peak_rss": peak_rss, "seconds": seconds}
    return {"state": "ready", "code": "", "reason": "", "digest": loaded.digest, "run_budget": budget}


def main() -> None:
    """The child: limits from the command line, the zip from standard input, the answer to standard output."""
    memory_bytes, cpu_seconds = (int(value) for value in sys.argv[1:3])
    _confine(memory_bytes, cpu_seconds)
    result = _examine_here(sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()
