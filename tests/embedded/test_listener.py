import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from reviewapp.embedded.listener import Listener
from reviewapp.embedded.paths import Unavailable


class Answer(BaseHTTPRequestHandler):
    statuses: list[int] = []

    def do_GET(self) -> None:
        self.send_response(self.statuses.pop(0) if self.path == "/readyz" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener("127.0.0.1", 0)
    yield listener
    listener.close()


def test_port_zero_takes_a_free_one(listener: Listener) -> None:
    assert listener.port > 0
    assert listener.url == f"http://127.0.0.1:{listener.port}/"


def test_taken_port_is_one_sentence_with_the_remedy(listener: Listener) -> None:
    with pytest.raises(Unavailable) as refusal:
        Listener("127.0.0.1", listener.port)

    expected = f"Port {listener.port} on 127.0.0.1 is taken by another program; choose another with --port."
    assert str(refusal.value) == expected


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("127.0.0.1", -1), ("192.0.2.1", 0)])
def test_impossible_address_is_refused(host: str, port: int) -> None:
    with pytest.raises(Unavailable, match=r"(does not exist|cannot listen on).* with .*--port\.$"):
        Listener(host, port)


def test_a_port_that_is_let_go_in_time_is_taken(listener: Listener) -> None:
    threading.Timer(0.5, listener.close).start()

    begun = time.monotonic()
    second = Listener("127.0.0.1", listener.port, patience=10)

    assert 0.3 < time.monotonic() - begun < 5
    second.close()


def test_everywhere_is_shown_as_loopback() -> None:
    listener = Listener("0.0.0.0", 0)

    assert listener.url == f"http://127.0.0.1:{listener.port}/"
    listener.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_ipv6_address_is_bracketed() -> None:
    try:
        listener = Listener("::1", 0)
    except Unavailable:
        pytest.skip("no IPv6 loopback")

    assert listener.url == f"http://[::1]:{listener.port}/"
    listener.close()


def test_ready_only_when_readyz_answers_200(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answer, "statuses", [503, 200])
    listener = Listener("127.0.0.1", 0)
    assert not listener.is_ready()  # nobody accepts

    port = listener.port
    listener.close()
    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    listener.port = server.server_port
    assert port

    assert [listener.is_ready(), listener.is_ready()] == [False, True]
    server.shutdown()
    server.server_close()
