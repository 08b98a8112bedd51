"""Servers that a killed supervisor left on a data directory; two on one directory would spoil it."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def running_in(directory: Path, program: str) -> list[int]:
    """The processes of the named program whose working directory this is; empty where there is no /proc."""
    found = []
    for entry in PROC.glob("[0-9]*"):
        with suppress(OSError):
            if (entry / "cwd").readlink() == directory and (entry / "exe").readlink().name == program:
                found.append(int(entry.name))
    return found


def end(directory: Path, program: str) -> None:
    """Waits for them to go by themselves, then ends them; safe only under the lock of the directory."""
    directory = Path(os.path.realpath(directory))
    if _gone(directory, program):
        return
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for pid in running_in(directory, program):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if _gone(directory, program):
            return


def _gone(directory: Path, program: str) -> bool:
    deadline = time.monotonic() + 3.0
    while running_in(directory, program):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
