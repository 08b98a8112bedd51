import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from reviewapp.embedded import leftovers, paths
from reviewapp.embedded.paths import Unavailable
from reviewapp.embedded.redis import EmbeddedRedis
from tests.embedded.installation import eventually


@pytest.fixture
def server(data: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(data)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url) as client:
        yield client


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("appendonly", "yes"),
        ("appendfsync", "everysec"),
        ("maxmemory-policy", "noeviction"),
        ("save", ""),
        ("port", "0"),
    ],
)
def test_setting(client: redis.Redis, setting: str, value: str) -> None:
    assert client.config_get(setting) == {setting: value}


def test_only_its_owner_may_reach_the_socket(server: EmbeddedRedis) -> None:
    assert paths.redis_socket(server.data).stat().st_mode & 0o777 == 0o700
    assert server.url == f"unix://{paths.redis_socket(server.data)}"


def test_messages_survive_a_kill(server: EmbeddedRedis, client: redis.Redis) -> None:
    client.rpush("queue", *range(100))
    (pid,) = leftovers.running_in(server.directory.resolve(), "redis-server")
    assert eventually(lambda: client.info("persistence")["aof_pending_bio_fsync"] == 0)

    os.kill(pid, signal.SIGKILL)
    server.stop()
    server.start()

    assert client.llen("queue") == 100


def test_a_server_that_was_left_running_is_ended(data: Path) -> None:
    orphan = EmbeddedRedis(data)
    orphan.start()
    before = leftovers.running_in(orphan.directory.resolve(), "redis-server")

    server = EmbeddedRedis(data)
    server.start()

    assert len(before) == 1
    assert before != leftovers.running_in(server.directory.resolve(), "redis-server")
    assert server.ready()
    server.stop()
    orphan.stop()


def test_tcp_port_asks_for_the_password(data: Path, port: int) -> None:
    server = EmbeddedRedis(data, tcp_port=port)
    server.start()

    try:
        assert server.ready()
        with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        assert not paths.redis_socket(data).exists()
    finally:
        server.stop()


def test_a_data_directory_with_spaces_and_quotes_works(data: Path) -> None:
    server = EmbeddedRedis(data / 'a "quoted" name')
    server.start()

    assert server.ready()
    server.stop()


def test_a_start_that_fails_says_why(data: Path, server: EmbeddedRedis) -> None:
    server.stop()
    (server.directory / "appendonly.aof").write_text("no redis wrote this\n")

    with pytest.raises(Unavailable, match=r"Redis did not start in .*Bad file format"):
        server.start()
