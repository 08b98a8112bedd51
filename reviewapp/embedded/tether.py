"""Starts programs that cannot outlive the process that started them, not even its kill -9."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reviewapp.embedded.account import Account

PR_SET_PDEATHSIG = 1
OURSELVES = Account()
# Bound before any fork: between fork and exec nothing may be imported or looked up.
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def spawn(
    argv: list[str],
    *,
    env: Mapping[str, str] | None = None,
    account: Account = OURSELVES,
    death_signal: signal.Signals = signal.SIGKILL,
    cwd: Path | None = None,
    stdin: int = subprocess.DEVNULL,
    **streams: Any,
) -> subprocess.Popen[bytes]:
    """Starts a program in a session of its own, tethered to the calling thread: use the main one.

    The kernel sends `death_signal` when that thread ends. The tie survives `unshare` and a change of user,
    but not a fork: what the program starts itself has to notice that its parent is gone.
    """
    return subprocess.Popen(  # noqa: S603 the programs are ours
        argv,
        env=env,
        cwd=cwd,
        stdin=stdin,
        start_new_session=True,
        preexec_fn=_bind(os.getpid(), death_signal),  # noqa: PLW1509 prctl only, bound beforehand
        **account.popen,
        **streams,
    )


def _bind(parent: int, death_signal: signal.Signals) -> Callable[[], None] | None:
    if _prctl is None:
        return None
    prctl, number = _prctl, int(death_signal)

    def bind() -> None:
        prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the tie was made
            os._exit(1)

    return bind


def stop(process: subprocess.Popen[bytes], *, signals: tuple[tuple[signal.Signals, float], ...]) -> None:
    """Sends each signal in turn and waits its seconds, until the process has ended."""
    for number, seconds in (*signals, (signal.SIGKILL, 5.0)):
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
