"""One HTTP/1.1 connection: requests read by llhttp, answers written in the order in which they were asked for."""

import asyncio
from collections import deque
from http import HTTPStatus
from typing import Any, Protocol

import httptools
import msgspec

from inference.serve.refused import Refused

MAX_HEAD_BYTES = 32 * 1024
# What one connection may ask for before its first answer is out.
MAX_AHEAD = 32
# After a refusal the rest of the request is read for that long: an answer to one who still sends would be lost.
LINGER_S = 2.0
JSON = b"application/json"
_LINES = {status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_KEPT = frozenset(
    {b"authorization", b"content-encoding", b"content-length", b"expect", b"inference-header-content-length"}
)


class Exchange:
    """One request on its way to its answer."""

    __slots__ = ("_answer", "_connection", "body", "headers", "keeps_alive", "method", "path")

    def __init__(self, connection: "Connection", *, keeps_alive: bool) -> None:
        self._connection = connection
        self._answer: bytes | None = None
        self.keeps_alive = keeps_alive
        self.method = self.path = b""
        self.headers: dict[bytes, bytes] = {}
        self.body = b""

    @property
    def is_answered(self) -> bool:
        return self._answer is not None

    def answer(self, status: int, body: bytes, *, kind: bytes = JSON, headers: bytes = b"") -> None:
        """Send the answer, once those before it on the connection are out."""
        if self.method == b"HEAD":
            body = b""
        self.keeps_alive = self.keeps_alive and not self._connection.is_stopping
        end = b"\r\n" if self.keeps_alive else b"Connection: close\r\n\r\n"
        head = b"%bContent-Type: %b\r\nContent-Length: %d\r\n%b%b" % (_LINES[status], kind, len(body), headers, end)
        self._answer = head + body
        self._connection.flush()

    def refuse(self, refused: Refused) -> None:
        self.answer(refused.status, msgspec.json.encode({"error": refused.sentence}), headers=refused.headers)

    @property
    def content(self) -> bytes:
        """The whole answer as it goes out; nothing before there is one."""
        return self._answer or b""


class Service(Protocol):
    """What stands behind the connections."""

    max_body_bytes: int
    connections: "set[Connection]"
    is_stopping: bool

    def receive(self, exchange: Exchange) -> None: ...

    def has_room(self) -> bool: ...


class Connection(asyncio.Protocol):
    """Never scores itself; everything it cannot read it refuses, and closes."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._parser: Any = httptools.HttpRequestParser(self)
        self._exchanges: deque[Exchange] = deque()
        self._is_over = self._is_paused = self._in_message = self._has_head = False
        self._head_bytes = 0
        self.since = asyncio.get_running_loop().time()

    # What asyncio calls.

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport
        has_room = self._service.has_room()
        self._service.connections.add(self)
        if not has_room:
            self._refuse(Refused(503, "The server has as many connections as it takes; try again soon."))

    def connection_lost(self, _error: Exception | None) -> None:
        self._is_over = True
        self._service.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_over = True  # answered as if it had not been asked for; what follows would be something else
        except httptools.HttpParserError as error:
            self._refuse(Refused(400, f"This is not an HTTP/1.1 request: {error}."))
        if self._in_message and not self._has_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(Refused(431, f"The request's head is larger than {MAX_HEAD_BYTES // 1024} kB."))

    def pause_writing(self) -> None:
        self._is_paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_paused = False
        self._read_on()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self.since = asyncio.get_running_loop().time()
        self._in_message, self._has_head, self._head_bytes = True, False, 0
        self._path = b""
        self._headers: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in _KEPT:
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        self._has_head = True
        length = self._headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self._service.max_body_bytes:
            self._refuse_size()
        elif self._headers.get(b"expect", b"").lower() == b"100-continue" and not self._exchanges:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._service.max_body_bytes:
            self._refuse_size()
        elif not self._is_over:
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        self._in_message = False
        if self._is_over:
            return
        parser = self._parser
        exchange = Exchange(self, keeps_alive=parser.should_keep_alive() and not parser.should_upgrade())
        exchange.method, exchange.path = parser.get_method(), self._path
        exchange.headers = self._headers
        exchange.body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces = []
        self._exchanges.append(exchange)
        if len(self._exchanges) >= MAX_AHEAD:
            self._transport.pause_reading()
        self._service.receive(exchange)

    # What the service calls.

    @property
    def is_idle(self) -> bool:
        """Nothing of a request has come, and no answer is due."""
        return not self._exchanges and not self._in_message

    @property
    def is_stopping(self) -> bool:
        return self._service.is_stopping

    def tidy(self, now: float, *, request_s: float, idle_s: float) -> None:
        """Part from one who sends too slowly, or nothing for too long."""
        if self._in_message and now - self.since > request_s:
            self._refuse(Refused(408, f"The request was not complete after {request_s:g} seconds."))
        elif self.is_idle and now - self.since > idle_s:
            self.close()

    def flush(self) -> None:
        """Write every answer that nothing older holds back."""
        exchanges = self._exchanges
        while exchanges and exchanges[0].is_answered:
            exchange = exchanges.popleft()
            if not self._transport.is_closing():
                self._transport.write(exchange.content)
            if not exchange.keeps_alive:
                self._end()
                return
        self.since = asyncio.get_running_loop().time()
        self._read_on()

    def close(self) -> None:
        """Close without an answer; what was written before still goes out."""
        self._is_over = True
        self._transport.close()

    def abort(self) -> None:
        """End at once, whatever is still due."""
        self._is_over = True
        self._transport.abort()

    def _read_on(self) -> None:
        if not self._is_over and not self._is_paused and len(self._exchanges) < MAX_AHEAD:
            self._transport.resume_reading()

    def _refuse_size(self) -> None:
        most = self._service.max_body_bytes / (1 << 20)
        self._refuse(Refused(413, f"The request's body is larger than {most:g} MB; send fewer rows at a time."))

    def _refuse(self, refused: Refused) -> None:
        """The last answer of a connection whose further bytes mean nothing any more."""
        if self._is_over:
            return
        exchange = Exchange(self, keeps_alive=False)
        self._exchanges.append(exchange)
        self._is_over = True
        exchange.refuse(refused)

    def _end(self) -> None:
        transport = self._transport
        if self._is_over and transport.can_write_eof() and not transport.is_closing():
            transport.write_eof()
            asyncio.get_running_loop().call_later(LINGER_S, transport.close)
        else:
            self.close()
