"""One supervised process: what it is, and its life of starts, failures and an end."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from reviewapp.embedded import tether
from reviewapp.embedded.account import Account

LONGEST_PAUSE = 30.0
HEALTHY_AFTER = 60.0


@dataclass(frozen=True)
class ProcessSpec:
    """What to run and how it ends: stage after stage, `stop_by` seconds after the stop began."""

    name: str
    argv: list[str]
    stage: int = 0
    stop_by: float = 5.0
    stop_signal: signal.Signals = signal.SIGTERM
    last_signal: signal.Signals = signal.SIGKILL
    death_signal: signal.Signals = signal.SIGKILL
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    account: Account = field(default_factory=Account)
    cwd: Path | None = None
    pass_fds: tuple[int, ...] = ()
    is_shown_raw: bool = False


class Child:
    """A process that is started again, after a growing pause, whenever it ends unasked."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self.restart_at: float | None = None
        self.status: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._failures = 0

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self, now: float) -> int | None:
        """Starts the process; the answer is the descriptor its output arrives at, unless it is shown raw."""
        stream = None if self.spec.is_shown_raw else subprocess.PIPE
        self._process = tether.spawn(
            self.spec.argv,
            env=self.spec.env,
            account=self.spec.account,
            death_signal=self.spec.death_signal,
            cwd=self.spec.cwd,
            pass_fds=self.spec.pass_fds,
            stdout=stream,
            stderr=subprocess.STDOUT if stream else None,
        )
        self._started_at, self.restart_at, self.status = now, None, None
        if self._process.stdout is None:
            return None
        descriptor = os.dup(self._process.stdout.fileno())
        self._process.stdout.close()
        os.set_blocking(descriptor, False)
        return descriptor

    def reap(self) -> bool:
        """Whether it has ended since the last look; the rest of its group is ended with it.

        The group is signalled before the process is reaped: until then its number cannot name another group.
        """
        if self._process is None:
            return False
        if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
        self._signal_group(signal.SIGKILL)
        self.status = self._process.wait()
        self._process = None
        return True

    def plan_restart(self, now: float) -> float:
        """The pause before the next start: 1, 2, 4 … 30 s; a minute of health forgets the failures."""
        if now - self._started_at >= HEALTHY_AFTER:
            self._failures = 0
        pause = float(min(2**self._failures, LONGEST_PAUSE))
        self._failures += 1
        self.restart_at = now + pause
        return pause

    def ask_to_stop(self) -> None:
        self.restart_at = None
        if self._process is not None:
            os.kill(self._process.pid, self.spec.stop_signal)

    def force(self, number: signal.Signals) -> None:
        """Signals the whole group."""
        if self._process is not None:
            self._signal_group(number)

    def _signal_group(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
