"""Servers given over TCP: an `up` that starts without its broker decides all the same, and uses it when it comes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from reviewapp.embedded import paths
from reviewapp.embedded.postgres import EmbeddedPostgres
from reviewapp.embedded.redis import EmbeddedRedis
from tests.embedded.conftest import free_port
from tests.embedded.installation import eventually
from tests.faults.house import House, assert_each_accepted_case_was_done_once, assert_nothing_failed, wait_for_progress

pytestmark = pytest.mark.faults

EXPLAINED = "SELECT count(*) FROM cases_explanation WHERE state = 'ready'"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[EmbeddedPostgres, EmbeddedRedis]]:
    """A database that runs, and a broker that does not yet."""
    data = tmp_path / "servers"
    database = EmbeddedPostgres(data, tcp_port=free_port(), durable=False)
    broker = EmbeddedRedis(data, tcp_port=free_port())
    database.start()
    yield database, broker
    broker.stop()
    database.stop()
    shutil.rmtree(paths.runtime_dir(data), ignore_errors=True)


def test_without_its_broker_it_decides_and_with_it_the_workers_do(
    servers: tuple[EmbeddedPostgres, EmbeddedRedis], tmp_path: Path
) -> None:
    database, broker = servers
    env = {"DATABASE_URL": database.url, "REDIS_URL": broker.url, "SECRET_KEY": "k" * 50}

    with House(tmp_path / "house", port=free_port(), **env) as house:
        with house.upstream("given") as upstream:
            wait_for_progress(house, upstream)
            assert house.gaps() == []
            broker.start()
            with redis.Redis.from_url(broker.url) as client:
                assert eventually(lambda: sum(one["cmd"] == "brpop" for one in client.client_list()) >= 4)
            house.installation.wait_for_line("sweeper.broker_back")
            wait_for_progress(house, upstream)

        assert_nothing_failed(upstream)
        assert_each_accepted_case_was_done_once(house, upstream, "given")
        assert eventually(lambda: house.ask(EXPLAINED) > [(0,)])
        assert not {"postgres", "redis"} & {line.split(" ")[0] for line in house.installation.lines if " | " in line}
