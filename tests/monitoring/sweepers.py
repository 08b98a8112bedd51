"""Real `manage.py sweeper` processes against the test database."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from urllib.parse import quote

from django.conf import settings
from django.db import connection


def start(**env: str) -> subprocess.Popen[bytes]:
    return manage("sweeper", **env)


def manage(*command: str, **env: str) -> subprocess.Popen[bytes]:
    """A management command in a process of its own, on the database of the running test."""
    at = connection.settings_dict
    password = f":{quote(at['PASSWORD'], safe='')}" if at["PASSWORD"] else ""
    url = f"postgresql://{at['USER']}{password}@:{at['PORT']}/{at['NAME']}?host={quote(at['HOST'], safe='')}"
    return subprocess.Popen(
        [sys.executable, str(settings.BASE_DIR / "manage.py"), *command],
        env={**os.environ, "DATABASE_URL": url, "SECRET_KEY": settings.SECRET_KEY, **env},
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()


def eventually(condition: Callable[[], object], *, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)
