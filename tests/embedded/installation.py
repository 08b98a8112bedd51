"""A whole installation started by `manage.py up` in a process of its own, as a person would start it."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self
from urllib.error import URLError
from urllib.request import urlopen

from reviewapp.embedded.paths import BASE_DIR, runtime_dir

MANAGE = [sys.executable, str(BASE_DIR / "manage.py")]
PATIENCE = 120.0


def environment(**changes: str) -> dict[str, str]:
    """Without what this test run has set for itself."""
    own = ("REVIEWAPP_DATA_DIR", "DATABASE_URL", "REDIS_URL", "WEBHOOK_ALLOW_PRIVATE", "PORT")
    return {**{name: value for name, value in os.environ.items() if name not in own}, **changes}


def eventually(condition: Callable[[], bool], *, within: float = PATIENCE) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def processes_of(data: Path) -> dict[int, str]:
    """Every process that works for the data directory, by its environment, its directory or its arguments."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            cwd = (entry / "cwd").readlink()
            arguments = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            told = f"REVIEWAPP_DATA_DIR={data}\0".encode() in (entry / "environ").read_bytes()
        except OSError:
            continue
        if int(entry.name) != os.getpid() and (told or cwd.is_relative_to(data) or str(data) in arguments):
            found[int(entry.name)] = arguments
    return found


class Installation:
    """Started on entering, ended on leaving; its output is kept line by line."""

    def __init__(self, data: Path, *arguments: str, **env: str) -> None:
        self.data = data
        self.lines: list[str] = []
        self._arguments = ["up", "--data-dir", str(data), *(arguments or ("--port", "0"))]
        self._env = env

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [*MANAGE, *self._arguments],
            env=environment(**self._env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGTERM)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        for pid in processes_of(self.data):
            os.kill(pid, signal.SIGKILL)

    @property
    def url(self) -> str:
        line = self.wait_for_line(r"^reviewapp is ready: (http://127\.0\.0\.1:\d+/)$")
        return line.removeprefix("reviewapp is ready: ")

    def wait_for_line(self, pattern: str) -> str:
        def line() -> str | None:
            return next((line for line in self.lines if re.search(pattern, line)), None)

        assert eventually(lambda: line() is not None), "\n".join(self.lines)
        return line() or ""

    def answers(self) -> bool:
        try:
            with urlopen(f"{self.url}readyz", timeout=5) as response:
                return bool(response.status == 200)
        except (URLError, OSError):
            return False

    def pid_of(self, words: str) -> int:
        """The process whose arguments contain the words; the oldest, when they fork."""
        return min(pid for pid, arguments in processes_of(self.data).items() if words in arguments)

    def end(self, number: signal.Signals) -> float:
        """Signals the supervisor and answers how many seconds it took to end."""
        begun = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        return time.monotonic() - begun

    @property
    def socket_directory(self) -> str:
        return str(runtime_dir(self.data))

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
