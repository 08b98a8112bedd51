"""The sweeper as it runs: one leads, the others wait, and it ends when it is told."""

import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from reviewapp.cases.models import Case, Work
from reviewapp.monitoring import heartbeats
from reviewapp.monitoring.models import Heartbeat, MetricSnapshot
from reviewapp.monitoring.sweeper import PROCESS
from reviewapp.registry.models import Stream
from reviewapp.webhooks import actions
from reviewapp.webhooks.models import Delivery
from tests.factories import bundles, cases
from tests.monitoring import sweepers
from tests.monitoring.sweepers import eventually
from tests.webhooks.receiver import Receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

NO_BROKER = {"REDIS_URL": "redis://127.0.0.1:1/0"}


@pytest.fixture
def sweeper() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(**env: str) -> subprocess.Popen[bytes]:
        started.append(sweepers.start(**env))
        return started[-1]

    yield start
    for process in started:
        sweepers.stop(process)


def leader() -> int | None:
    beat = Heartbeat.objects.filter(process=PROCESS).first()
    return beat.detail["pid"] if beat else None


def test_the_standby_takes_over_when_the_leader_is_killed(sweeper):
    first = sweeper()
    eventually(lambda: leader() == first.pid)
    second = sweeper()
    time.sleep(2)
    assert leader() == first.pid

    first.kill()

    eventually(lambda: leader() == second.pid)


def test_it_ends_within_two_seconds_of_sigterm(sweeper):
    process = sweeper()
    eventually(lambda: leader() == process.pid)

    started = time.monotonic()
    process.terminate()

    assert process.wait(5) == 0
    assert time.monotonic() - started < 2


def test_it_comes_back_after_its_connections_were_cut(sweeper):
    process = sweeper()
    eventually(lambda: leader() == process.pid)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] >= 1
    Heartbeat.objects.all().delete()

    eventually(lambda: leader() == process.pid)
    assert process.poll() is None


def test_without_a_broker_cases_are_scored_explained_and_delivered(sweeper, stream: Stream, integrator):
    from tests.people import acting

    with Receiver() as receiver:
        actions.create_endpoint(team=stream.team, url=receiver.url, by=acting(integrator))
        case = cases.received(stream, bundles.CLEARLY_INTACT)
        unclear = cases.received(stream, bundles.UNCLEAR)

        sweeper(**NO_BROKER)

        eventually(lambda: Case.objects.get(pk=case.pk).state == "decided", seconds=60)
        eventually(lambda: Case.objects.get(pk=unclear.pk).state == "in_review")
        eventually(lambda: Delivery.objects.filter(state="delivered").count() == 1)
        eventually(lambda: not Work.objects.exists(), seconds=60)
        eventually(MetricSnapshot.objects.exists)
    assert [one.headers["webhook-id"][:4] for one in receiver.received] == ["msg_"]


def test_heartbeats_tell_their_age():
    assert heartbeats.age("nobody") is None
    heartbeats.beat(process="somebody", detail={"what": "something"})
    heartbeats.beat(process="somebody")

    age = heartbeats.age("somebody")

    assert age is not None
    assert 0 <= age.total_seconds() < 10
