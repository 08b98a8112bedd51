"""Pytest plugin: gives a run its own embedded servers, unless DATABASE_URL and REDIS_URL name some.

It is loaded by name before Django's settings, which read the data directory from the environment.
"""

import atexit
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from reviewapp.embedded import paths
from reviewapp.embedded.postgres import EmbeddedPostgres
from reviewapp.embedded.redis import EmbeddedRedis

PREFIX = "reviewapp-tests-"
# Their tests are refused a database, or start servers of their own.
WITHOUT_SERVERS = ("tests/domain/", "tests/inference/", "tests/embedded/", "tests/bench/")

# With several processes each has servers of its own, and inherits the directory of the one that started it.
_own_data = Path(os.environ.get("REVIEWAPP_DATA_DIR", PREFIX)).name.startswith(PREFIX)
if _own_data:
    os.environ["REVIEWAPP_DATA_DIR"] = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
    atexit.register(lambda: _remove(Path(os.environ["REVIEWAPP_DATA_DIR"])))
os.environ.setdefault("WEBHOOK_ALLOW_PRIVATE", "1")
# The tests start some two hundred processes; without bytecode each of them would compile the product anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# OpenMP's threads would wait for one another at full speed, and these processes share the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_running: list[EmbeddedPostgres | EmbeddedRedis] = []


def pytest_collection_finish(session: pytest.Session) -> None:
    """Starts the servers once it is known that a test may need them; collecting and distributing need none."""
    if not session.config.option.collectonly and any(_may_need_servers(item) for item in session.items):
        start()
    _spare_the_collector()


def pytest_unconfigure() -> None:
    while _running:
        _running.pop().stop()


def start() -> None:
    """Starts what no variable names; the servers end with this process, however it ends."""
    data = Path(os.environ["REVIEWAPP_DATA_DIR"])
    _remove_remains(data.parent)
    if not os.environ.get("DATABASE_URL"):
        _start(EmbeddedPostgres(data, durable=False))
    if not os.environ.get("REDIS_URL"):
        _start(EmbeddedRedis(data))


def _start(server: EmbeddedPostgres | EmbeddedRedis) -> None:
    _running.append(server)
    server.start()


def _spare_the_collector() -> None:
    """What collecting has loaded stays to the end: walking it again and again takes a tenth of a run's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _may_need_servers(item: pytest.Item) -> bool:
    return not item.nodeid.startswith(WITHOUT_SERVERS)


def _remove_remains(directory: Path) -> None:
    """Data of earlier runs that were killed."""
    for remains in _directories_of_tests(directory):
        pid = remains.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            _remove(remains)


def _directories_of_tests(directory: Path) -> Iterable[Path]:
    return directory.glob(f"{PREFIX}*") if _own_data else ()


def _remove(data: Path) -> None:
    shutil.rmtree(paths.runtime_dir(data), ignore_errors=True)
    shutil.rmtree(data, ignore_errors=True)
