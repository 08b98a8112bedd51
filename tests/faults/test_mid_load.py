"""Faults in mid-load of a whole installation: what was accepted is decided or waits for people, once."""

import shutil
import signal
import time
from collections.abc import Iterator

import pytest
import redis

from reviewapp.embedded import paths
from tests.embedded.conftest import free_port
from tests.embedded.installation import eventually
from tests.faults.house import House, assert_each_accepted_case_was_done_once
from tests.faults.load import Upstream

pytestmark = pytest.mark.faults

LEASED = "SELECT count(*) FROM cases_work WHERE kind = 'score' AND lease_token IS NOT NULL"
SCORED = "SELECT count(*) FROM cases_prediction"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    data = tmp_path_factory.mktemp("house")
    with House(data, port=free_port()) as house:
        yield house
    shutil.rmtree(paths.runtime_dir(data), ignore_errors=True)


def wait_for_progress(house: House, upstream: Upstream) -> None:
    """Until more is sent and more is scored than now."""
    sent, ((scored,),) = len(upstream.answers), house.ask(SCORED)
    assert eventually(lambda: len(upstream.answers) > sent + 3 and house.ask(SCORED)[0][0] > scored, within=60)


def assert_nothing_failed(upstream: Upstream) -> None:
    assert {answer.status for answer in upstream.answers} <= {200, 202}


def test_inference_is_killed_again_and_again(house: House) -> None:
    kills_with_leases = 0
    with house.upstream("inference") as upstream:
        for _ in range(3):
            wait_for_progress(house, upstream)
            assert eventually(lambda: house.ask(LEASED) != [(0,)], within=30)
            house.kill("inference@")
            kills_with_leases += house.ask(LEASED) != [(0,)]
            # The time is over in which the killed process could still be alive.
            house.tell("UPDATE cases_work SET lease_until = clock_timestamp() WHERE lease_token IS NOT NULL")

    assert kills_with_leases
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
            time.sleep(5)
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


def test_the_supervisor_is_killed(house: House) -> None:
    with house.upstream("supervisor") as upstream:
        wait_for_progress(house, upstream)
        house.kill_supervisor()
        house.open()
        wait_for_progress(house, upstream)

    assert {answer.status for answer in upstream.answers} <= {200, 202, None}
    assert_each_accepted_case_was_done_once(house, upstream, "supervisor")
