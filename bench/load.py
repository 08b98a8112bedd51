"""Load over keep-alive connections: open loop on a schedule for latency, closed loop for saturation."""

import math
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Sent:
    """What became of the requests: the answers' status, moments on this machine's clock."""

    statuses: list[int] = field(default_factory=list)
    started_at: dict[int, float] = field(default_factory=dict)  # by number: scheduled, or really sent in a closed loop
    ended_at: dict[int, float] = field(default_factory=dict)
    bodies: dict[int, bytes] = field(default_factory=dict)
    lateness: list[float] = field(default_factory=list)  # of the sender itself against its schedule
    seconds: float = 0.0

    @property
    def latencies(self) -> list[float]:
        return sorted(self.ended_at[number] - start for number, start in self.started_at.items())


class Connection:
    """One keep-alive connection that speaks as little HTTP as a benchmark needs."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send and read the answer; a connection that the server had closed meanwhile is opened anew, once."""
        if self._socket is not None:
            with suppress(ConnectionError):
                return self._exchange(self._socket, request)
            self.close()
        self._socket = socket.create_connection(self._address, timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._exchange(self._socket, request)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, connected: socket.socket, request: bytes) -> tuple[int, bytes]:
        connected.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += _some(connected)
        head, _, body = received.partition(b"\r\n\r\n")
        lowered = head.lower()
        length = int(lowered.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        pieces, size = [body], len(body)
        while size < length:
            pieces.append(_some(connected))
            size += len(pieces[-1])
        if b"connection: close" in lowered:
            self.close()
        return int(head.split(b" ", 2)[1]), b"".join(pieces)


def _some(connected: socket.socket) -> bytes:
    received = connected.recv(1 << 16)
    if not received:
        raise ConnectionResetError("the server closed the connection")
    return received


def post(path: str, body: bytes, *, key: str = "") -> bytes:
    """The bytes of one request."""
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def closed_loop(url: str, requests: Sequence[bytes], *, connections: int, keep_bodies: bool = False) -> Sent:
    """Each connection sends its next request when the one before is answered; ends when all are."""
    return _send(url, requests, connections=connections, due=None, keep_bodies=keep_bodies)


def open_loop(url: str, requests: Sequence[bytes], *, rate: float, connections: int = 16) -> Sent:
    """Request i is due at i / rate, whatever became of those before; its latency counts from there."""
    begin = time.time() + 0.1
    return _send(url, requests, connections=connections, due=lambda number: begin + number / rate, keep_bodies=False)


def _send(
    url: str,
    requests: Sequence[bytes],
    *,
    connections: int,
    due: Callable[[int], float] | None,
    keep_bodies: bool,
) -> Sent:
    sent = Sent()
    lock = threading.Lock()
    numbers = iter(range(len(requests)))
    errors: list[BaseException] = []

    def work() -> None:
        connection = Connection(url)
        try:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                _send_one(connection, requests[number], number, sent=sent, due=due, keep_body=keep_bodies)
        except Exception as error:  # noqa: BLE001 told to the caller below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent.seconds = time.perf_counter() - began
    if errors:
        raise errors[0]
    return sent


def _send_one(
    connection: Connection,
    request: bytes,
    number: int,
    *,
    sent: Sent,
    due: Callable[[int], float] | None,
    keep_body: bool,
) -> None:
    if due is not None:
        at = due(number)
        wait = at - time.time()
        if wait > 0:
            time.sleep(wait)
        sent.lateness.append(time.time() - at)
    else:
        at = time.time()
    sent.started_at[number] = at
    status, body = connection.ask(request)
    sent.ended_at[number] = time.time()
    sent.statuses.append(status)
    if keep_body:
        sent.bodies[number] = body


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of them do not exceed."""
    ordered = sorted(values)
    # The product can lie a rounding error above a whole number.
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]
