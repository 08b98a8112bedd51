"""One POST to a receiver: no redirects, no private addresses, a bounded time and a bounded answer."""

import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import requests
import urllib3
from django.conf import settings
from requests_hardened import Config, HTTPSession
from requests_hardened.ip_filter import InvalidIPAddress

from reviewapp.domain.errors import Invalid
from reviewapp.webhooks.addresses import check_url

TOTAL_SECONDS = 15.0
MAX_READ = 64 * 1024
MAX_KEPT = 1024

_this_thread = threading.local()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status, or the error that stood in its place."""

    status: int | None
    seconds: float
    error: str = ""
    text: str = ""
    retry_after: float | None = None

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def post(url: str, *, headers: Mapping[str, str], content: bytes) -> Answer:
    """Send once and answer what happened; never raises for anything a receiver can do."""
    started = time.monotonic()
    deadline = _Deadline(TOTAL_SECONDS)
    try:
        check_url(url)
        with deadline, _session() as session:
            response = session.post(url, data=content, headers=dict(headers), stream=True, timeout=TOTAL_SECONDS)
            with response:
                # Raw bytes: a compressed answer is never inflated.
                text = response.raw.read(MAX_READ, decode_content=False)[:MAX_KEPT]
    except (requests.RequestException, urllib3.exceptions.HTTPError, Invalid, OSError, ValueError) as error:
        return Answer(None, time.monotonic() - started, error=_explained(error, deadline))
    if deadline.is_over:
        return Answer(None, time.monotonic() - started, error=_TOO_SLOW)
    return Answer(
        response.status_code,
        time.monotonic() - started,
        error="" if response.ok and response.status_code < 300 else f"answered {response.status_code}",
        text=text.decode(errors="replace").replace("\x00", "\N{REPLACEMENT CHARACTER}"),
        retry_after=_retry_after(response.headers.get("Retry-After")),
    )


_TOO_SLOW = f"no complete answer within {TOTAL_SECONDS:.0f} seconds"


def _explained(error: Exception, deadline: "_Deadline") -> str:
    if deadline.is_over or isinstance(error, requests.Timeout):
        return _TOO_SLOW
    if isinstance(error, InvalidIPAddress):
        return "the name leads to a private address"
    if isinstance(error, Invalid):
        return str(error)[:200]
    return f"{type(error).__name__}: {_cause(error)}"[:200].replace("\x00", "")


def _cause(error: BaseException) -> str:
    """The innermost reason: the outer ones repeat addresses and object names."""
    while isinstance(reason := getattr(error, "reason", None) or error.__context__, BaseException):
        error = reason
    return getattr(error, "strerror", None) or str(error)


def _retry_after(value: str | None) -> float | None:
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        when = parsedate_to_datetime(text)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max((when - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, OverflowError, TypeError, IndexError):  # the parser trusts its input
        return None


def _session() -> HTTPSession:
    session = HTTPSession(
        Config(
            ip_filter_enable=True,
            ip_filter_allow_loopback_ips=settings.WEBHOOK_ALLOW_PRIVATE,
            never_redirect=True,
            default_timeout=(TOTAL_SECONDS, TOTAL_SECONDS),
            user_agent_override="reviewapp-webhooks/1",
        )
    )
    # Neither a proxy nor a password file of the environment may decide where an event goes.
    session.trust_env = False
    if settings.WEBHOOK_PROXY:
        session.proxies = {"http": settings.WEBHOOK_PROXY, "https": settings.WEBHOOK_PROXY}
    for prefix in ("http://", "https://"):
        adapter: Any = session.get_adapter(prefix)
        adapter.poolmanager.pool_classes_by_scheme = _POOLS
        if settings.WEBHOOK_PROXY:
            adapter.proxy_manager_for(settings.WEBHOOK_PROXY).pool_classes_by_scheme = _POOLS
    return session


class _Deadline:
    """Ends the connections that this thread opens meanwhile: a read timeout alone is renewed by every byte."""

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        _this_thread.deadline = self
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        _this_thread.deadline = None
        for watched in self._sockets:
            watched.close()

    def watch(self, connected: socket.socket) -> None:
        # A descriptor of our own: TLS takes the original one over.
        self._sockets.append(connected.dup())

    def _end(self) -> None:
        self.is_over = True
        for watched in self._sockets:
            try:
                watched.shutdown(socket.SHUT_RDWR)
            except OSError:  # the receiver was faster
                continue


class _Watched:
    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        deadline: _Deadline | None = getattr(_this_thread, "deadline", None)
        if deadline is not None:
            deadline.watch(connected)
        return connected


class _PlainConnection(_Watched, urllib3.connection.HTTPConnection):
    pass


class _SecureConnection(_Watched, urllib3.connection.HTTPSConnection):
    pass


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _PlainPool, "https": _SecurePool}
