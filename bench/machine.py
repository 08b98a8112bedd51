"""What a figure was measured on; without it no figure can be compared with another."""

import os
import platform
import re
import subprocess
import tempfile
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from reviewapp.embedded import binaries

PACKAGES = (
    "django",
    "djangorestframework",
    "celery",
    "psycopg",
    "redis",
    "gunicorn",
    "numpy",
    "onnxruntime",
    "shap",
    "scikit-learn",
)


def describe(directory: Path, *, is_small: bool) -> dict[str, Any]:
    """The machine, what runs on it, and what a durable write costs in `directory`."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "postgresql": _said_by(str(binaries.postgres("postgres")), "--version"),
        "redis": _said_by(str(binaries.redis_server()), "--version").partition(" sha=")[0],
        "fdatasync_us": fdatasync_us(directory, is_small=is_small),
        "load": os.getloadavg(),
    }


def fdatasync_us(directory: Path, *, is_small: bool) -> dict[str, Any]:
    """Microseconds of one 8 kB write with fdatasync: by pg_test_fsync (half a minute), else measured here."""
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        path = Path(folder) / "file"
        found = None
        if not is_small:
            program = str(binaries.postgres("postgres").with_name("pg_test_fsync"))
            with suppress(OSError, subprocess.SubprocessError):
                said = _said_by(program, "--secs-per-test=1", f"--filename={path}")
                found = re.search(r"fdatasync\s+[\d.]+ ops/sec\s+(\d+) usecs/op", said)
        if found:
            return {"value": int(found[1]), "by": "pg_test_fsync"}
        return {"value": _own_fdatasync(path), "by": "own loop"}


def _own_fdatasync(path: Path, *, writes: int = 500) -> int:
    block = b"\0" * 8192
    with path.open("wb") as file:
        started = time.perf_counter()
        for _ in range(writes):
            os.pwrite(file.fileno(), block, 0)
            os.fdatasync(file.fileno())
        return round((time.perf_counter() - started) / writes * 1e6)


def _said_by(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def _cpu() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor()
