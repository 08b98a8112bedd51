"""Ends a run of the model that takes too long."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any


class Watchdog:
    """One sleeping thread for all runs of a process; a thread per run would cost more than a small batch."""

    def __init__(self) -> None:
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._pid = os.getpid()
        self._condition = threading.Condition()
        self._armed: dict[int, tuple[float, Any]] = {}
        self._wakes_at = float("inf")
        self._thread: threading.Thread | None = None

    @contextmanager
    def watch(self, options: Any, *, timeout_s: float) -> Iterator[None]:
        """Set `options.terminate` when the block is still running after the timeout."""
        if self._pid != os.getpid():
            self._start_afresh()  # threads and held locks do not survive a fork
        key = id(options)
        deadline = monotonic() + timeout_s
        with self._condition:
            self._armed[key] = (deadline, options)
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep_watch, name="inference-watchdog", daemon=True)
                self._thread.start()
            # Mostly the thread already sleeps until an earlier moment and needs no waking.
            if deadline < self._wakes_at:
                self._condition.notify()
        try:
            yield
        finally:
            with self._condition:
                self._armed.pop(key, None)

    def _keep_watch(self) -> None:
        with self._condition:
            while True:
                now = monotonic()
                for deadline, options in self._armed.values():
                    if deadline <= now:
                        options.terminate = True
                waiting = [deadline for deadline, _ in self._armed.values() if deadline > now]
                self._wakes_at = min(waiting, default=float("inf"))
                self._condition.wait(self._wakes_at - now if waiting else None)


watchdog = Watchdog()
