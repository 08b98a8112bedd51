"""One pass of the sweeper: what it wakes, what it does itself, and what cannot stop it."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, connections
from django.db.models import F
from django.test import override_settings

from reviewapp.cases.actions import work
from reviewapp.cases.models import Review, Work
from reviewapp.celery import Waker, app
from reviewapp.embedded.lanes import LANES, work_waits
from reviewapp.monitoring import heartbeats, sweeper
from reviewapp.monitoring.sweeper import Lane, NotLeading, Sweeper, leadership
from tests.factories import cases, reviews
from tests.monitoring.sweepers import eventually

pytestmark = pytest.mark.django_db(transaction=True)


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> int:
        self.count += 1
        return self.count


@pytest.fixture
def broker(monkeypatch) -> Iterator[Callable[[str], None]]:
    """Points the sweeper at a broker: "" is the real one."""
    real = settings.REDIS_CLIENT_URL
    with override_settings():

        def point(url: str) -> None:
            settings.REDIS_CLIENT_URL = url or real
            monkeypatch.setattr(sweeper, "waker", Waker())

        yield point


@pytest.fixture
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(sweeper, "PATIENCE", 0.0)
    monkeypatch.setattr(sweeper, "PROBE_EVERY", 0.0)


def lane(drain: Callable[[], object], *, task: str = "cases.drain_inference", crew: str = "crew") -> Lane:
    return Lane(task=task, crew=crew, is_due=lambda: True, drain=drain)


ABSENT = "redis://127.0.0.1:1/0"


def test_with_a_broker_it_wakes_and_does_nothing_itself(broker, impatient):
    broker("")
    drain = Counter()

    with app.connection_for_write() as link:
        link.default_channel.client.flushdb()
        one = Sweeper([lane(drain)])
        one.sweep()
        waiting = link.default_channel.client.llen("inference")

    assert waiting == 1
    assert not one.is_broker_away
    assert drain.count == 0


def test_work_that_nobody_takes_is_done_though_the_broker_answers(broker, monkeypatch):
    monkeypatch.setattr(sweeper, "STUCK", 0.3)
    broker("")
    drained = Counter()
    sweeping = Sweeper([lane(drained)])

    sweeping.sweep()
    first = drained.count
    time.sleep(0.4)
    sweeping.sweep()

    assert first == 0
    eventually(lambda: drained.count == 1)
    assert not sweeping.is_broker_away


def test_without_a_broker_it_does_the_work_after_its_patience(broker, monkeypatch):
    broker(ABSENT)
    monkeypatch.setattr(sweeper, "PATIENCE", 1.0)
    drain = Counter()
    one = Sweeper([lane(drain)])

    one.sweep()
    assert one.is_broker_away
    assert drain.count == 0
    time.sleep(1)
    one.sweep()

    eventually(lambda: drain.count == 1)


def test_a_hung_broker_holds_a_pass_up_for_seconds_only(broker):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broker(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        one = Sweeper([lane(Counter()), lane(Counter()), lane(Counter())])

        started = time.monotonic()
        one.sweep()
        one.sweep()

    assert one.is_broker_away
    assert time.monotonic() - started < 6


def test_when_the_broker_is_back_it_only_wakes_again(broker, impatient):
    broker(ABSENT)
    drain = Counter()
    one = Sweeper([lane(drain)])
    one.sweep()
    eventually(lambda: drain.count == 1)

    broker("")
    one.sweep()

    assert not one.is_broker_away
    assert drain.count == 1


def test_lanes_of_one_crew_take_turns_and_another_crew_does_not_wait(broker, impatient):
    broker(ABSENT)
    order: list[str] = []

    def slow() -> None:
        order.append("slow begins")
        time.sleep(1)
        order.append("slow ends")

    one = Sweeper(
        [
            lane(slow, task="a", crew="models"),
            lane(lambda: order.append("next"), task="b", crew="models"),
            lane(lambda: order.append("other"), task="c", crew="webhooks"),
        ]
    )
    one.sweep()
    one.sweep()

    eventually(lambda: len(order) == 5)
    assert order.index("other") < order.index("slow ends") < order.index("next")
    assert order.count("slow begins") == 1


def test_a_part_that_fails_stops_neither_the_others_nor_the_next_pass(broker, impatient, caplog):
    broker(ABSENT)
    drain = Counter()

    def fail() -> int:
        raise RuntimeError("broken on purpose")

    one = Sweeper(
        [
            Lane(task="a", crew="a", is_due=lambda: True, drain=fail, free=fail),
            Lane(task="b", crew="b", is_due=lambda: bool(fail()), drain=fail),
            Lane(task="c", crew="c", is_due=lambda: True, drain=drain),
        ]
    )
    for _ in range(2):
        one.sweep()

    eventually(lambda: drain.count >= 1)
    assert heartbeats.age(sweeper.PROCESS) is not None
    assert "broken on purpose" in caplog.text


def test_one_leads_and_the_other_is_told_at_once():
    with leadership() as check:
        check()
        with pytest.raises(NotLeading), leadership():
            pass
        check()
    with leadership():
        pass


def test_a_leader_whose_connection_was_cut_knows_it():
    with leadership() as check:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            assert cursor.fetchall() == [(True,)]

        with pytest.raises(DatabaseError):
            check()


def test_it_frees_the_leases_of_work_reviews_and_deliveries(stream, rosa, broker):
    broker("")
    cases.received(stream)
    work.claim(kind="score", limit=1)
    Work.objects.update(lease_until=F("lease_until") - timedelta(minutes=2))
    stuck = Work.objects.get(kind="score")
    cases.score_all()
    assert Work.objects.get(kind="score").pk == stuck.pk

    Sweeper(LANES).sweep()
    cases.score_all()
    review = reviews.claimed(stream, rosa)
    Review.objects.update(claim_until=F("claim_until") - timedelta(minutes=20))
    Sweeper(LANES).sweep()

    review.refresh_from_db()
    assert review.claimed_by is None
    assert not Work.objects.filter(kind="score").exists()


def test_with_a_broker_it_never_loads_the_model_libraries():
    code = (
        "import sys, django; django.setup(); from reviewapp.embedded import lanes; "
        "print(sorted({'onnxruntime', 'onnx', 'shap', 'sklearn'} & sys.modules.keys()))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=settings.BASE_DIR, capture_output=True, check=True, text=True
    )

    assert done.stdout.strip() == "[]"


def test_fresh_work_is_left_to_its_own_wake_up(stream):
    cases.received(stream)
    assert not work_waits("score")

    Work.objects.update(run_after=F("run_after") - timedelta(seconds=3))

    assert work_waits("score")
    assert not work_waits("explain", "embed")


def test_the_threads_of_the_sweeper_leave_no_connection_behind(broker, impatient):
    broker(ABSENT)

    def ask() -> None:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT set_config('application_name', 'sweeper-thread', false)")

    one = Sweeper([lane(ask)])
    one.sweep()
    one._crews["crew"].join(10)

    with connections["default"].cursor() as cursor:

        def is_gone() -> bool:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sweeper-thread'")
            return cursor.fetchone()[0] == 0

        eventually(is_gone)
