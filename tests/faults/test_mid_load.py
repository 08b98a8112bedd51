"""Faults in mid-load of a whole installation: what was accepted is decided or waits for people, once."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis

from reviewapp.embedded import paths
from tests.embedded.conftest import free_port
from tests.embedded.installation import eventually
from tests.faults.house import House, assert_each_accepted_case_was_done_once, assert_nothing_failed, wait_for_progress

pytestmark = pytest.mark.faults

LEASED = "SELECT count(*) FROM cases_work WHERE kind = 'score' AND lease_token IS NOT NULL"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    data = tmp_path_factory.mktemp("house")
    with House(data, port=free_port()) as house:
        yield house
    shutil.rmtree(paths.runtime_dir(data), ignore_errors=True)


def kill_inference_at_work(house: House) -> None:
    """Stops it until it is seen to hold cases, and then for good."""
    killed = False

    def try_to_kill() -> bool:
        nonlocal killed
        with suppress(ValueError, ProcessLookupError):  # it is about to be started again
            pid = house.installation.pid_of("inference@")
            os.kill(pid, signal.SIGSTOP)
            killed = house.ask(LEASED) != [(0,)]
            os.kill(pid, signal.SIGKILL if killed else signal.SIGCONT)
        return killed

    assert eventually(try_to_kill, within=60)


def test_inference_is_killed_again_and_again(house: House) -> None:
    with house.upstream("inference") as upstream:
        for _ in range(3):
            wait_for_progress(house, upstream)
            kill_inference_at_work(house)
            house.age_leases()

    assert_nothing_failed(upstream)
    assert_each_accepted_case_was_done_once(house, upstream, "inference")


def test_redis_is_emptied(house: House) -> None:
    with redis.Redis.from_url(paths.redis_client_url(house.data)) as client, house.upstream("emptied") as upstream:
        for _ in range(5):
            wait_for_progress(house, upstream)
            client.flushall()

    assert_nothing_failed(upstream)
    assert_each_accepted_case_was_done_once(house, upstream, "emptied")


def test_redis_is_killed(house: House) -> None:
    with house.upstream("killed") as upstream:
        wait_for_progress(house, upstream)
        house.signal_redis(signal.SIGKILL)
        wait_for_progress(house, upstream)

    assert_nothing_failed(upstream)
    assert_each_accepted_case_was_done_once(house, upstream, "killed")


def test_redis_hangs(house: House) -> None:
    with house.upstream("hangs") as upstream:
        wait_for_progress(house, upstream)
        house.signal_redis(signal.SIGSTOP)
        try:
            before = len(upstream.singles)
            time.sleep(4)
            answered = [answer.seconds for answer in upstream.singles[before:]]
            wait_for_progress(house, upstream)
            assert house.gaps() == []
        finally:
            house.signal_redis(signal.SIGCONT)
        wait_for_progress(house, upstream)

    # A request that waited for Redis would take two seconds.
    assert len(answered) > 5
    assert sorted(answered)[int(0.9 * len(answered))] < 1
    assert_nothing_failed(upstream)
    assert_each_accepted_case_was_done_once(house, upstream, "hangs")


def test_redis_hangs_for_a_moment_again_and_again(house: House) -> None:
    """Shorter than the workers' own patience with their connections, long enough to lose acknowledgements."""
    with house.upstream("moment") as upstream:
        for _ in range(2):
            wait_for_progress(house, upstream)
            house.signal_redis(signal.SIGSTOP)
            time.sleep(3)
            house.signal_redis(signal.SIGCONT)
            wait_for_progress(house, upstream)

    assert_nothing_failed(upstream)
    assert_each_accepted_case_was_done_once(house, upstream, "moment")


def test_the_supervisor_is_killed(house: House) -> None:
    with house.upstream("supervisor") as upstream:
        wait_for_progress(house, upstream)
        house.kill_supervisor()
        house.open()
        house.age_leases()
        wait_for_progress(house, upstream)

    # While the servers end, nobody answers or the web says that it has no database.
    assert {answer.status for answer in upstream.answers} <= {200, 202, 503, None}
    assert_each_accepted_case_was_done_once(house, upstream, "supervisor")
