"""Redis carries wake-ups only: stopped or hung, it costs a request nothing and loses nothing."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import transaction

from reviewapp import celery
from reviewapp.cases import tasks
from reviewapp.cases.models import Case, Work
from reviewapp.celery import Waker, enqueue
from reviewapp.embedded import paths
from reviewapp.embedded.redis import EmbeddedRedis
from reviewapp.registry.models import Stream
from tests.factories import bundles, cases

TASK = "monitoring.wakeup_of_the_tests"
AT_ONCE = 0.05
BROKER = settings.REDIS_CLIENT_URL


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A Redis of this test's own, which may be stopped."""
    own = EmbeddedRedis(tmp_path)
    own.start()
    yield own
    own.stop()
    shutil.rmtree(paths.runtime_dir(tmp_path), ignore_errors=True)


@pytest.fixture
def waker(server: EmbeddedRedis, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Waker]:
    """A waker on that server, in the place of the one all requests use."""
    settings.REDIS_CLIENT_URL = server.url
    own = Waker()
    monkeypatch.setattr(celery, "waker", own)
    yield own
    if own._client is not None:
        own._client.close()


@pytest.fixture
def sent() -> Iterator[redis.Redis]:
    """The broker of the tests, its queue `monitoring` empty before and after."""
    with redis.Redis.from_url(BROKER) as broker:
        broker.delete("monitoring")
        yield broker
        broker.delete("monitoring")


def hang(server: EmbeddedRedis) -> int:
    with redis.Redis.from_url(server.url) as client:
        pid = int(client.info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    return pid


def seconds_of_a_wakeup() -> float:
    started = time.perf_counter()
    with transaction.atomic():
        enqueue(TASK)
    return time.perf_counter() - started


@pytest.mark.django_db(transaction=True)
def test_with_redis_stopped_a_request_goes_on_at_once_and_its_work_is_kept(
    server: EmbeddedRedis, waker: Waker, bare_stream: Stream
) -> None:
    server.stop()

    assert seconds_of_a_wakeup() < AT_ONCE
    case = cases.received(bare_stream)
    assert not waker.publish(TASK)

    assert Work.objects.get(kind="score").subject == str(case.pk)


@pytest.mark.django_db(transaction=True)
def test_with_redis_hung_a_request_goes_on_at_once_and_its_work_is_kept(
    server: EmbeddedRedis, waker: Waker, bare_stream: Stream
) -> None:
    pid = hang(server)
    try:
        assert seconds_of_a_wakeup() < AT_ONCE
        case = cases.received(bare_stream)
        assert seconds_of_a_wakeup() < AT_ONCE
    finally:
        os.kill(pid, signal.SIGCONT)

    assert Work.objects.get(kind="score").subject == str(case.pk)


def test_a_hung_redis_is_given_up_and_left_alone_for_a_while(server: EmbeddedRedis, waker: Waker) -> None:
    pid = hang(server)
    try:
        started = time.monotonic()
        assert not waker.publish(TASK)
        assert time.monotonic() - started < 10
    finally:
        os.kill(pid, signal.SIGCONT)

    assert waker._paused_until > time.monotonic() + 20


def test_wakeups_for_one_task_are_one_message_until_it_has_looked(waker: Waker, sent: redis.Redis) -> None:
    assert waker.publish(TASK)
    assert waker.publish(TASK)
    assert sent.llen("monitoring") == 1

    waker.taken(TASK)
    assert waker.publish(TASK)

    assert sent.llen("monitoring") == 2


def test_a_wakeup_is_sent_by_a_thread_of_its_own(waker: Waker, sent: redis.Redis) -> None:
    waker.wake(TASK)

    end = time.monotonic() + 10
    while not sent.llen("monitoring") and time.monotonic() < end:
        time.sleep(0.01)
    assert sent.llen("monitoring") == 1


@pytest.mark.django_db(transaction=True)
def test_a_change_that_fails_wakes_nobody(waker: Waker) -> None:
    with transaction.atomic():
        enqueue(TASK)
        transaction.set_rollback(True)

    assert waker._due == set()
    assert waker._pid == 0


def test_a_woken_task_works_until_nothing_is_left(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.scoring, "BATCH", 2)
    for _ in range(5):
        cases.received(stream, bundles.CLEARLY_INTACT)

    tasks.drain_inference()

    assert Case.objects.filter(state="decided").count() == 5


def test_a_task_that_has_used_its_slice_asks_for_another(waker: Waker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(tasks, "waker", waker)
    asked: list[str] = []
    monkeypatch.setattr(waker, "wake", asked.append)
    batches = iter([3, 2, 0])

    tasks.drain(TASK, lambda: next(batches))

    assert asked == [TASK]
    assert next(batches) == 2


def test_a_task_that_lingers_finds_what_comes_a_moment_later(waker: Waker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "waker", waker)
    batches = [2, 0, 0, 1, 0]
    taken: list[int] = []

    def one_batch() -> int:
        taken.append(batches.pop(0) if batches else 0)
        return taken[-1]

    tasks.drain(TASK, one_batch, linger=0.05)

    assert taken[:5] == [2, 0, 0, 1, 0]
    assert not any(taken[5:])
