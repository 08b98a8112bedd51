"""A whole installation with the demo's real data, started as a person starts it."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180
DEMO_SECONDS = 400


class Installation:
    """`manage.py up` on a free port; `demo` is what `manage.py demo --json` answered."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.url = ""
        self.demo: dict[str, Any] = {}
        self._lines: list[str] = []
        self._is_ready = threading.Event()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [*self._manage("up"), "--port", "0"],
            cwd=ROOT,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._is_ready.wait(START_SECONDS):
            raise AssertionError("it did not get ready:\n" + "".join(self._lines[-40:]))
        done = subprocess.run(
            [*self._manage("demo"), "--json", "--url", self.url],
            cwd=ROOT,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=DEMO_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        self.demo = json.loads(done.stdout.strip().splitlines()[-1])

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)
        self._reader.join(5)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _manage(self, command: str) -> list[str]:
        return [sys.executable, "manage.py", command]

    def _environment(self) -> dict[str, str]:
        """Ours, without the servers of the test run: this installation has its own."""
        ours = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        return {**ours, "REVIEWAPP_DATA_DIR": str(self.data)}

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)
            found = re.search(r"reviewapp is ready: (\S+?)/?\s*$", line)
            if found:
                self.url = found[1]
                self._is_ready.set()
