"""The product's scoring server as an operator starts it, and what a server's processes have cost."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from reviewapp.embedded import paths, tether

START_SECONDS = 60.0


@contextmanager
def serving(files: Mapping[str, bytes], *options: str) -> Iterator[str]:
    """`python -m inference.serve` with one bundle; yields the model's address."""
    from inference import bundle

    with tempfile.TemporaryDirectory(prefix="reviewapp-serve-") as name:
        folder = Path(name)
        (folder / "bundle.zip").write_bytes(bundle.write_zip(files))
        argv = [sys.executable, "-m", "inference.serve", str(folder / "bundle.zip"), "--port", "0", *options]
        with (folder / "said").open("wb") as said, (folder / "log").open("wb") as log:
            env = {**os.environ, "OMP_NUM_THREADS": "1"}
            process = tether.spawn(argv, env=env, cwd=paths.BASE_DIR, stdout=said, stderr=log)
            try:
                yield _address(process, folder)
            finally:
                tether.stop(process, signals=((signal.SIGTERM, 15.0),))


def _address(process: subprocess.Popen[bytes], folder: Path) -> str:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        said = (folder / "said").read_text()
        if said.endswith("\n"):
            return next(word for word in said.split() if word.startswith("http"))
        time.sleep(0.02)
    raise RuntimeError(f"The scoring server does not start: {(folder / 'log').read_text()[-1500:]}")


def processor_seconds(port: int) -> float:
    """What the process that listens on a local port, and those it started, have used of the processor so far."""
    owner = _owner(port)
    return sum(_used(process) for process in (owner, *_children(owner)))


def _owner(port: int) -> int:
    wanted = {
        f"socket:[{fields[9]}]"
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for fields in (line.split() for line in Path(table).read_text().splitlines()[1:])
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port
    }
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if str(link.readlink()) in wanted:
                return int(link.parts[2])
    raise RuntimeError(f"nobody listens on port {port}")


def _children(parent: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found += [child, *_children(child)]
    return found


def _used(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
