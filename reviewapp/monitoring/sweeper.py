"""The sweeper: finds work that nobody was told of, and does it itself while the broker is away.

It needs PostgreSQL only. Of several sweepers one leads, by an advisory lock on a connection of its own; everything it
does may be done twice, so a moment with two leaders harms nothing.
"""

import os
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    connections,
)

from reviewapp.celery import waker
from reviewapp.monitoring import heartbeats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

log = structlog.get_logger(__name__)

# "rvsweep" in ASCII: an arbitrary number that nobody else in the database takes.
LOCK = 0x72767377656570
PROCESS = "sweeper"
INTERVAL = 1.0
# A sweeper that waits for its turn asks no oftener: each time is a connection.
STANDBY = 2.0
BEAT_EVERY = 5.0
# A broker that has failed for so long is replaced by our own hands.
PATIENCE = 10.0
# Work that waits on although its wake-ups are published is taken by nobody: then too.
STUCK = 60.0
# While it is away it is tried no oftener than this: a hung one costs seconds each time.
PROBE_EVERY = 5.0
LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Lane:
    """One kind of work: the task to wake, whether something waits too long, and how to do it here.

    Lanes of one crew are drained by one thread, so what is not made for threads stays in one.
    """

    task: str
    crew: str
    is_due: Callable[[], bool]
    drain: Callable[[], object]
    free: Callable[[], int] | None = None


class NotLeading(Exception):
    """Another sweeper leads."""


@dataclass
class Sweeper:
    """Sweeps over the lanes until `stop` is set."""

    lanes: Sequence[Lane]
    stop: threading.Event = field(default_factory=threading.Event)
    failing_since: float | None = None
    _probed_at: float = float("-inf")
    _beat_at: float = float("-inf")
    _crews: dict[str, threading.Thread] = field(default_factory=dict)
    _due_since: dict[str, float] = field(default_factory=dict)
    _woken: int = 0
    _freed: int = 0

    def run(self) -> None:
        """Lead when nobody else does; come back, ever more slowly, after the database was away."""
        pause = INTERVAL
        while not self.stop.is_set():
            try:
                with leadership() as check:
                    log.info("sweeper.leading")
                    pause = INTERVAL
                    while not self.stop.is_set():
                        check()
                        self.sweep()
                        self.stop.wait(INTERVAL)
            except NotLeading:
                self.stop.wait(STANDBY)
            except (DatabaseError, InterfaceError) as error:
                log.warning("sweeper.database_away", error=type(error).__name__, retry_in=pause)
                self.stop.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def sweep(self) -> None:
        """One pass over everything; a part that fails is logged and does not stop the others."""
        close_old_connections()
        for lane in self.lanes:
            self._attempt(lane, self._free)
        due = [lane for lane in self.lanes if self._attempt(lane, _is_due)]
        for lane in due:
            self._wake(lane)
        now = time.monotonic()
        self._due_since = {lane.task: self._due_since.get(lane.task, now) for lane in due}
        if self.failing_since is not None and now - self.failing_since >= PATIENCE:
            self._drain(due)
        else:
            self._drain([lane for lane in due if now - self._due_since[lane.task] >= STUCK])
        if time.monotonic() - self._beat_at >= BEAT_EVERY:
            self._beat()

    @property
    def is_broker_away(self) -> bool:
        return self.failing_since is not None

    def _free(self, lane: Lane) -> bool:
        self._freed += lane.free() if lane.free else 0
        return False

    def _attempt(self, lane: Lane, part: Callable[[Lane], bool]) -> bool:
        try:
            return part(lane)
        except Exception as error:
            if isinstance(error, (OperationalError, InterfaceError)) and not connection.is_usable():
                raise
            log.exception("sweeper.failed", task=lane.task)
            return False

    def _wake(self, lane: Lane) -> None:
        now = time.monotonic()
        if self.failing_since is not None and now - self._probed_at < PROBE_EVERY:
            return
        self._probed_at = now
        if waker.publish(lane.task):
            self._woken += 1
            if self.failing_since is not None:
                log.info("sweeper.broker_back")
            self.failing_since = None
        elif self.failing_since is None:
            self.failing_since = now

    def _drain(self, due: Sequence[Lane]) -> None:
        crews: dict[str, list[Lane]] = defaultdict(list)
        for lane in due:
            crews[lane.crew].append(lane)
        for crew, lanes in crews.items():
            thread = self._crews.get(crew)
            if thread is None or not thread.is_alive():
                log.info("sweeper.draining", tasks=[lane.task for lane in lanes])
                self._crews[crew] = threading.Thread(
                    target=_drain_lanes, args=(lanes,), name=f"sweeper-{crew}", daemon=True
                )
                self._crews[crew].start()

    def _beat(self) -> None:
        self._beat_at = time.monotonic()
        heartbeats.beat(
            process=PROCESS,
            detail={
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "woken": self._woken,
                "freed": self._freed,
                "is_broker_away": self.is_broker_away,
            },
        )


@contextmanager
def leadership() -> "Iterator[Callable[[], object]]":
    """Hold the lock; what is yielded raises a DatabaseError when it was lost. Raises NotLeading at once if taken."""
    own = connections.create_connection("default")
    try:
        if not _ask(own, "SELECT pg_try_advisory_lock(%s)", LOCK):
            raise NotLeading
        yield lambda: _ask(own, "SELECT %s::bigint", LOCK)
    finally:
        own.close()


def _ask(own: "BaseDatabaseWrapper", sql: str, value: int) -> object:
    if own.connection is not None and own.connection.closed:
        raise InterfaceError("the connection that holds the lock has ended")
    with own.cursor() as cursor:
        cursor.execute(sql, [value])
        return cursor.fetchone()[0]


def _is_due(lane: Lane) -> bool:
    return lane.is_due()


def _drain_lanes(lanes: Sequence[Lane]) -> None:
    try:
        for lane in lanes:
            try:
                lane.drain()
            except Exception:
                log.exception("sweeper.drain_failed", task=lane.task)
    finally:
        connections.close_all()
