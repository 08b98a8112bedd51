"""Celery carries wake-ups only: a message says "look in the table", and losing or doubling one is harmless."""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from celery import Celery, signals
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewapp.settings")

from django.conf import settings
from django.db import transaction

from reviewapp import broker

log = structlog.get_logger(__name__)

QUEUES = ("default", "webhooks", "monitoring", "inference", "explain", "train")

broker.repair()
app = Celery("reviewapp")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = [Queue(name) for name in QUEUES]
# Named here, so that a web process can send a wake-up without importing what it wakes.
app.conf.task_routes = {
    "cases.drain_inference": {"queue": "inference"},
    "cases.drain_explain": {"queue": "explain"},
    "cases.drain_checks": {"queue": "train"},
    "cases.drain_replays": {"queue": "inference"},
    "webhooks.*": {"queue": "webhooks"},
    "monitoring.*": {"queue": "monitoring"},
}
app.autodiscover_tasks()


@signals.setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Celery would install its own handlers if nobody listened."""


def task(*, name: str) -> Callable[[Callable[..., None]], Any]:
    """A wake-up task: acknowledged late, never retried by Celery (the row it looks for is the retry)."""
    return app.task(name=name, ignore_result=True)


class Waker:
    """Publishes wake-ups from a thread of its own, so that no request ever waits for Redis.

    Wake-ups for one task are coalesced: a token in Redis says that a message is already under way, and the task
    takes the token away before it looks. After a failure nothing is tried for `PAUSE` seconds: the sweeper finds
    the work meanwhile.
    """

    PAUSE = 30.0
    TOKEN_MS = 2_000

    def __init__(self) -> None:
        self._due: set[str] = set()
        self._condition = threading.Condition()
        self._pid = 0
        self._paused_until = 0.0
        self._client: redis.Redis | None = None

    def wake(self, name: str) -> None:
        """Ask for one run of the named task, soon; never blocks and never fails."""
        with self._condition:
            if self._pid != os.getpid():
                self._start()
            self._due.add(name)
            self._condition.notify()

    def taken(self, name: str) -> None:
        """The named task has begun to look: later work needs a new message."""
        try:
            self._redis().delete(self._token(name))
        except redis.RedisError:
            log.warning("wakeup.token_kept", task=name)

    def _start(self) -> None:
        self._pid = os.getpid()
        self._client = None
        threading.Thread(target=self._publish_forever, name="waker", daemon=True).start()

    def _publish_forever(self) -> None:
        while True:
            with self._condition:
                while not self._due:
                    self._condition.wait()
                due, self._due = self._due, set()
            if time.monotonic() < self._paused_until:
                continue
            for name in due:
                self.publish(name)

    def publish(self, name: str) -> bool:
        """Send one wake-up now; False when the broker cannot be reached."""
        try:
            if self._redis().set(self._token(name), b"1", nx=True, px=self.TOKEN_MS):
                app.send_task(name)
        except Exception as error:  # noqa: BLE001 whatever is wrong with the broker, the row in PostgreSQL stands
            self._paused_until = time.monotonic() + self.PAUSE
            log.warning("wakeup.failed", task=name, error=type(error).__name__)
            return False
        return True

    def _redis(self) -> redis.Redis:
        if self._client is None:
            self._client = redis.Redis.from_url(settings.REDIS_CLIENT_URL, socket_timeout=2, socket_connect_timeout=2)
        return self._client

    @staticmethod
    def _token(name: str) -> str:
        return f"reviewapp:wake:{name}"


waker = Waker()


def enqueue(name: str) -> None:
    """Hurry a task whose work is already a row, once the present transaction has committed."""
    transaction.on_commit(lambda: waker.wake(name), robust=True)
