"""The sender, against a server that counts."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench import load

SLOW = 0.05


class Server(ThreadingHTTPServer):
    """Remembers bodies and connections; answers as slowly as it is told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = []
        self.connections: set[tuple[str, int]] = set()
        self.pause = 0.0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.connections.add(self.client_address)
        time.sleep(self.server.pause)
        self.send_response(202)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def requests(number: int) -> list[bytes]:
    return [load.post("/", str(place).encode()) for place in range(number)]


def test_each_request_is_sent_once_over_connections_that_stay(server: Server) -> None:
    sent = load.closed_loop(url(server), requests(30), connections=3, keep_bodies=True)

    assert sorted(server.bodies, key=int) == [str(place).encode() for place in range(30)]
    assert len(server.connections) <= 3
    assert sent.statuses == [202] * 30
    assert sent.bodies[7] == b"ok"


def test_a_connection_that_the_server_closed_is_opened_anew(server: Server) -> None:
    connection = load.Connection(url(server))
    connection.ask(requests(1)[0])
    assert connection._socket is not None
    connection._socket.shutdown(2)

    assert connection.ask(requests(1)[0])[0] == 202
    connection.close()


def test_an_open_loop_counts_from_the_schedule_and_hides_no_queue(server: Server) -> None:
    server.pause = SLOW

    sent = load.open_loop(url(server), requests(10), rate=1000, connections=1)

    # Ten answers of 50 ms each over one connection: the last was due at 9 ms and is there after half a second.
    assert sent.latencies[-1] >= 9 * SLOW
    assert len(sent.lateness) == 10


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_a_value_that_occurred(share: float, expected: int) -> None:
    assert load.percentile(list(range(100, 0, -1)), share) == expected
