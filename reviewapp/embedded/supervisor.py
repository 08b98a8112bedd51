"""Keeps processes running in one terminal and leaves none behind: a single thread around one selector."""

import itertools
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import Self

from reviewapp.embedded.child import Child, ProcessSpec
from reviewapp.embedded.console import Console, LineReader
from reviewapp.embedded.paths import Unavailable

TICK = 0.2
LAST_WORD = 1.0  # seconds between a child's last signal and the kill of its group


class Interrupted(Exception):
    """Somebody asked for the end: Ctrl-C, SIGTERM or a closed terminal."""


class Supervisor:
    """A context: children are added inside, and all of them are stopped in order on the way out."""

    def __init__(self, console: Console) -> None:
        self.children: list[Child] = []
        self._console = console
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._interrupts = 0
        self._is_stopping = False
        self._former: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        for end in (self._wake_read, self._wake_write):
            end.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup
            self._former[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in self._former.items():
                signal.signal(number, handler)  # type: ignore[arg-type]
            for key in list(self._selector.get_map().values()):
                if isinstance(key.fileobj, int):
                    os.close(key.fileobj)
            self._selector.close()
            self._wake_read.close()
            self._wake_write.close()

    def add(self, spec: ProcessSpec) -> Child:
        """Starts a process and keeps it running from now on."""
        child = Child(spec)
        self._start(child)
        self.children.append(child)
        return child

    def wait_for(self, condition: Callable[[], bool], *, needs: Child | None = None) -> None:
        """Turns until the condition holds; refuses when the process it depends on has ended meanwhile."""
        while not condition():
            self._turn(TICK / 4)
            if needs is not None and not needs.is_running:
                raise Unavailable(f"{needs.spec.name} did not start; its lines above say why.")

    def run_once(self, spec: ProcessSpec) -> int:
        """Runs a process to its end, unsupervised, and answers its exit status."""
        child = Child(spec)
        self._start(child)
        self.children.append(child)
        try:
            while child.is_running:
                self._turn(TICK, respawn=self._all_but(child))
        finally:
            if not child.is_running:
                self.children.remove(child)
        return child.status if child.status is not None else 1

    def run(self) -> None:
        """Turns until somebody asks for the end."""
        while True:
            self._turn(TICK)

    def stop(self) -> None:
        """Ends every child, stage after stage, each by its deadline; a second Ctrl-C shortens them all."""
        self._is_stopping = True
        begun, hurried = time.monotonic(), max(self._interrupts, 1)
        ordered = sorted(self.children, key=lambda child: child.spec.stage)
        for _, members in itertools.groupby(ordered, key=lambda child: child.spec.stage):
            stage = list(members)
            for child in stage:
                child.ask_to_stop()
            by = begun + max(child.spec.stop_by for child in stage)
            while any(c.is_running for c in stage) and time.monotonic() < by and self._interrupts <= hurried:
                self._turn(0.05)
            self._end_now(stage)

    def _end_now(self, stage: list[Child]) -> None:
        for child in stage:
            child.force(child.spec.last_signal)
        by = time.monotonic() + LAST_WORD
        while any(child.is_running for child in stage):
            if time.monotonic() > by:
                for child in stage:
                    child.force(signal.SIGKILL)
            self._turn(0.05)

    def _turn(self, timeout: float, respawn: Callable[[Child], bool] = lambda _: True) -> None:
        for key, _ in self._selector.select(timeout):
            if key.fileobj is self._wake_read:
                self._wake_read.recv(4096)
            elif isinstance(key.fileobj, int):
                self._read(key.fileobj, key.data)
        for child in self.children:
            if child.reap():
                self._drain()
                self._after_end(child, respawn(child))
            elif child.restart_at is not None and time.monotonic() >= child.restart_at:
                self._start(child)
        if self._interrupts and not self._is_stopping:
            raise Interrupted

    def _start(self, child: Child) -> None:
        descriptor = child.start(time.monotonic())
        if descriptor is not None:
            self._selector.register(descriptor, selectors.EVENT_READ, LineReader(child.spec.name))

    def _after_end(self, child: Child, is_kept: bool) -> None:
        if self._is_stopping or not is_kept:
            return
        pause = child.plan_restart(time.monotonic())
        text = f"ended with {_meaning(child.status)}, starts again in {pause:.0f} s"
        self._console.line(child.spec.name, text)

    def _drain(self) -> None:
        """What an ended process said last is shown before anything is said about its end."""
        for key in list(self._selector.get_map().values()):
            while isinstance(key.fileobj, int) and self._read(key.fileobj, key.data):
                pass

    def _read(self, descriptor: int, reader: LineReader) -> bool:
        try:
            chunk = os.read(descriptor, 65536)
        except BlockingIOError:
            return False
        for line in reader.feed(chunk) if chunk else reader.end():
            self._console.line(reader.name, line)
        if not chunk:
            self._selector.unregister(descriptor)
            os.close(descriptor)
        return bool(chunk)

    @staticmethod
    def _all_but(one: Child) -> Callable[[Child], bool]:
        return lambda child: child is not one

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._interrupts += 1


def _meaning(status: int | None) -> str:
    if status is not None and status < 0:
        return signal.Signals(-status).name
    return f"status {status}"
