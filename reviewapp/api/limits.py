"""What keeps one client from taking a process for itself: a token bucket per key, and few waiters."""

import threading
import time
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

# Beyond this many keys the fullest buckets are forgotten: a full bucket remembers nothing.
MAX_BUCKETS = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Buckets:
    """Token buckets, refilled with time. `take` answers 0, or the seconds until the next token."""

    def __init__(self, *, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()

    def take(self, name: str, *, now: float) -> float:
        with self._lock:
            bucket = self._buckets.get(name)
            if bucket is None:
                if len(self._buckets) >= MAX_BUCKETS:
                    self._forget(now)
                bucket = self._buckets[name] = _Bucket(self._burst, now)
            bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)
            bucket.at = now
            if bucket.tokens < 1:
                return (1 - bucket.tokens) / self._rate
            bucket.tokens -= 1
            return 0.0

    def _forget(self, now: float) -> None:
        idle = self._burst / self._rate
        self._buckets = {name: one for name, one in self._buckets.items() if now - one.at < idle}
        if len(self._buckets) >= MAX_BUCKETS:
            self._buckets.clear()


class IngestLimit(BaseThrottle):
    """Requests of one key to this process. It protects from accidents, not from attackers: in doubt it lets pass."""

    buckets = Buckets(rate=max(settings.INGEST_RATE, 1), burst=2 * max(settings.INGEST_RATE, 1))

    def __init__(self) -> None:
        self._wait = 0.0

    def allow_request(self, request: Request, view: Any) -> bool:  # noqa: ARG002
        key = getattr(request.auth, "prefix", None)
        if key is None or settings.INGEST_RATE <= 0:
            return True
        self._wait = self.buckets.take(key, now=time.monotonic())
        return self._wait == 0.0

    def wait(self) -> float:
        return self._wait


# Each waiter holds a thread of the server: the fifth is answered at once.
WAITERS = threading.BoundedSemaphore(4)
