"""MLServer in an environment of its own, made once below the user's cache and started on loopback."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from reviewapp.embedded import tether

VERSION = "1.7.1"
MODEL, MODEL_VERSION = "graph", "1"
START_SECONDS = 60.0


class NotInstalled(Exception):
    """The environment cannot be made here; the message says why."""


def environment(*, seconds: float = 300.0) -> Path:
    """The environment's folder, made when it is absent. Raises NotInstalled."""
    wanted = [f"mlserver=={VERSION}", f"onnxruntime=={version('onnxruntime')}"]
    name = hashlib.sha256(" ".join([*wanted, sys.version]).encode()).hexdigest()[:12]
    folder = _cache() / f"mlserver-{VERSION}-{name}"
    if (folder / "complete").exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        _uv("venv", "--python", sys.executable, "--relocatable", "--allow-existing", str(partial), seconds=seconds)
        _uv("pip", "install", "--python", str(partial / "bin/python"), *wanted, seconds=seconds)
        (partial / "complete").touch()
        with suppress(OSError):  # another run was faster
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


@contextmanager
def serving(graph: bytes, *, batch: int = 0, batch_seconds: float = 0.0) -> Iterator[str]:
    """MLServer with one graph, adaptive batching on where `batch` says so; yields its address. Raises NotInstalled."""
    python = environment() / "bin/python"
    with tempfile.TemporaryDirectory(prefix="reviewapp-mlserver-") as name:
        folder, ports = Path(name), free_ports(3)
        _write(folder, graph, ports=ports, batch=batch, batch_seconds=batch_seconds)
        variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": name, "PYTHONWARNINGS": "ignore"}
        with (folder / "log").open("wb") as log:
            process = tether.spawn(
                [str(python), "-m", "mlserver.cli.main", "start", name],
                env=variables,
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                url = f"http://127.0.0.1:{ports[0]}"
                _wait(url, process, folder / "log")
                yield url
            finally:
                tether.stop(process, signals=((signal.SIGTERM, 10.0),))


def _write(folder: Path, graph: bytes, *, ports: list[int], batch: int, batch_seconds: float) -> None:
    (folder / "model.onnx").write_bytes(graph)
    shutil.copy(Path(__file__).with_name("mlserver_model.py"), folder / "graph_model.py")
    server = {
        "host": "127.0.0.1",
        "http_port": ports[0],
        "grpc_port": ports[1],
        "metrics_port": ports[2],
        "parallel_workers": 0,
        "debug": False,
    }
    model = {
        "name": MODEL,
        "implementation": "graph_model.OnnxModel",
        "max_batch_size": batch,
        "max_batch_time": batch_seconds,
        "parameters": {"uri": str(folder / "model.onnx"), "version": MODEL_VERSION},
    }
    (folder / "settings.json").write_text(json.dumps(server))
    (folder / "model-settings.json").write_text(json.dumps(model))


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{url}/v2/models/{MODEL}/ready", timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise NotInstalled(f"MLServer does not start: {log.read_text(errors='replace')[-1500:]}")


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports: list[int] = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "reviewapp"


def _uv(*arguments: str, seconds: float) -> None:
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv if uv.exists() else shutil.which("uv") or "uv"), "--quiet", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"MLServer {VERSION} cannot be installed: {error}") from error
    if done.returncode != 0:
        raise NotInstalled(f"MLServer {VERSION} cannot be installed: {done.stderr.strip()[-500:]}")
