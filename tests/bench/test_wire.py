"""The closed loop of one thread, and what a server's process has cost."""

import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from bench import scorers, wire
from tests.bench import test_load as slow
from tests.bench.test_load import Server


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_each_request_is_sent_once_over_connections_that_stay(server: Server) -> None:
    sent = wire.closed_loop(slow.url(server), slow.requests(30), connections=3)

    assert sorted(server.bodies, key=int) == [str(place).encode() for place in range(30)]
    assert len(server.connections) == 3
    assert sent.statuses == [202] * 30
    assert sent.bodies == dict.fromkeys(range(30), b"ok")


def test_the_latency_is_that_of_the_server(server: Server) -> None:
    server.pause = slow.SLOW

    sent = wire.closed_loop(slow.url(server), slow.requests(4), connections=4)

    assert sent.latencies[0] >= slow.SLOW
    assert sent.seconds < 4 * slow.SLOW


def test_a_server_that_goes_away_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def hang_up() -> None:
            listener.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        with pytest.raises(ConnectionError):
            wire.closed_loop(f"http://127.0.0.1:{port}", slow.requests(1), connections=1)


def test_processor_time_is_that_of_who_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        before = scorers.processor_seconds(listener.getsockname()[1])
        end = time.process_time() + 0.05
        while time.process_time() < end:
            os.getpid()

        used = scorers.processor_seconds(listener.getsockname()[1]) - before

    assert 0.03 <= used < 5
    with pytest.raises(RuntimeError, match="nobody listens"):
        scorers.processor_seconds(1)
