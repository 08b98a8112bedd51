"""Named places where a fault test may kill the process. Armed by REVIEWAPP_CRASHPOINT=name only."""

import os
import signal

_armed = os.environ.get("REVIEWAPP_CRASHPOINT", "")


def crashpoint(name: str) -> None:
    """Die here as by kill -9, if armed, and once only: the file named by REVIEWAPP_CRASHPOINT_ONCE marks it as used."""
    if name != _armed:
        return
    marker = os.environ.get("REVIEWAPP_CRASHPOINT_ONCE")
    if marker:
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
    os.kill(os.getpid(), signal.SIGKILL)
