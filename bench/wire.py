"""A closed loop from one thread: against a fast server, a thread for each connection would measure itself."""

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from bench.load import Sent

SECONDS = 60.0


def closed_loop(url: str, requests: Sequence[bytes], *, connections: int) -> Sent:
    """Each connection sends its next request when the one before is answered; every body is kept."""
    sent, numbers = Sent(), iter(range(len(requests)))
    parts = urlsplit(url)
    with selectors.DefaultSelector() as selector:
        lines = [_Line(parts.hostname or "", parts.port or 80) for _ in range(connections)]
        try:
            for line in lines:
                selector.register(line.socket, selectors.EVENT_READ, line)
            began = time.perf_counter()
            for line in lines:
                line.ask(numbers, requests, sent)
            while len(sent.statuses) < len(requests):
                ready = selector.select(SECONDS)
                if not ready:
                    raise TimeoutError(f"no answer within {SECONDS:g} s")
                for key, _ in ready:
                    line = key.data
                    if line.has_answer(sent):
                        line.ask(numbers, requests, sent)
            sent.seconds = time.perf_counter() - began
        finally:
            for line in lines:
                line.socket.close()
    return sent


class _Line:
    """One keep-alive connection and the request that it waits for."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self._number = -1

    def ask(self, numbers: Iterator[int], requests: Sequence[bytes], sent: Sent) -> None:
        self._number = next(numbers, -1)
        if self._number >= 0:
            sent.started_at[self._number] = time.time()
            self.socket.sendall(requests[self._number])

    def has_answer(self, sent: Sent) -> bool:
        """Read what there is; whether the answer is whole now."""
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise ConnectionResetError("the server closed the connection")
        self._received += piece
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank or len(body) < _length(head):
            return False
        sent.ended_at[self._number] = time.time()
        sent.statuses.append(int(head.split(b" ", 2)[1]))
        sent.bodies[self._number] = body
        self._received = b""
        return True


def _length(head: bytes) -> int:
    return int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
