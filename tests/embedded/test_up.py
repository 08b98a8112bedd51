"""A whole installation in one terminal: it runs, comes back after a kill, and ends without a trace."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import psycopg
import pytest
import redis

from reviewapp.embedded import leftovers, paths
from reviewapp.embedded.postgres import EmbeddedPostgres
from reviewapp.embedded.redis import EmbeddedRedis
from tests.embedded.conftest import free_port
from tests.embedded.installation import MANAGE, Installation, environment, eventually, processes_of
from tests.embedded.test_postgres import ask, connect

pytestmark = pytest.mark.faults

CHILDREN = ("postgres", "redis", "web", "worker", "inference", "explain", "train", "sweeper")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    data = tmp_path_factory.mktemp("up")
    with Installation(data) as installation:
        installation.wait_for_line("reviewapp is ready")
        yield installation
    shutil.rmtree(paths.runtime_dir(data), ignore_errors=True)


def test_it_answers_at_the_address_it_names(running: Installation) -> None:
    with urlopen(f"{running.url}livez", timeout=10) as response:
        assert response.status == 200


@pytest.mark.parametrize("words", ["gunicorn", "worker@", "inference@", "explain@", "train@", "sweeper"])
def test_it_runs(running: Installation, words: str) -> None:
    assert eventually(lambda: any(words in arguments for arguments in processes_of(running.data).values()))


def test_workers_listen_to_the_embedded_broker(running: Installation) -> None:
    with redis.Redis.from_url(paths.redis_client_url(running.data)) as client:
        # Five workers, each with a connection that waits for messages.
        assert eventually(lambda: sum(c["cmd"] == "brpop" for c in client.client_list()) >= 4)


def test_migrations_are_applied(running: Installation) -> None:
    assert ask(running.data, "SELECT count(*) > 0 FROM django_migrations WHERE app = 'cases'") is True


def test_children_are_told_what_they_need(running: Installation) -> None:
    told = Path(f"/proc/{running.pid_of('inference@')}/environ").read_bytes().decode().split("\0")

    assert {"OMP_NUM_THREADS=1", "WEBHOOK_ALLOW_PRIVATE=1", f"REVIEWAPP_DATA_DIR={running.data}"} <= set(told)


def test_a_second_up_says_that_it_is_running(running: Installation) -> None:
    done = subprocess.run(
        [*MANAGE, "up", "--port", "0", "--data-dir", str(running.data)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    said = f"reviewapp is already running on {running.data} (process {running.process.pid}, {running.url}); "
    assert done.stderr == f"{said}stop it first, or name another --data-dir.\n"
    assert done.returncode == 1
    assert running.answers()


@pytest.mark.parametrize(
    ("name", "words"), [("web", "gunicorn"), ("inference", "inference@"), ("postgres", "postgres -D")]
)
def test_a_killed_process_comes_back(running: Installation, name: str, words: str) -> None:
    before = running.pid_of(words)

    os.kill(before, signal.SIGKILL)

    running.wait_for_line(rf"^{name} +\| ended with SIGKILL, starts again in \d+ s$")
    assert eventually(lambda: any(words in a for p, a in processes_of(running.data).items() if p != before))
    assert eventually(running.answers)


def test_doctor_finds_a_running_installation_well(running: Installation) -> None:
    assert eventually(running.answers)

    done = subprocess.run(
        [*MANAGE, "doctor", "--data-dir", str(running.data)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^ok +postgresql +18\.\d+ embedded, pgvector \d", done.stdout, re.MULTILINE)
    assert re.search(r"^ok +redis +6\.\S+ embedded, appendonly yes, maxmemory-policy noeviction$", done.stdout, re.M)
    assert re.search(r"^ok +migrations +all applied$", done.stdout, re.MULTILINE)


def test_after_a_kill_a_new_up_has_all_data_and_ends_cleanly(data: Path) -> None:
    port = str(free_port())
    with Installation(data, "--port", port) as first:
        first.wait_for_line("reviewapp is ready")
        with connect(data) as connection:
            connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        orphans = set(processes_of(data)) - {first.process.pid}

        first.end(signal.SIGKILL)

        with Installation(data, "--port", port) as second:
            assert len(orphans) > len(CHILDREN)
            assert eventually(lambda: not orphans & set(processes_of(data)), within=5)
            assert eventually(second.answers)
            assert ask(data, "SELECT count(*) FROM kept") == 1000

            seconds = second.end(signal.SIGTERM)

            assert seconds < 10
            assert second.process.returncode == 0
            assert processes_of(data) == {}


def test_ctrl_c_before_it_is_ready_ends_everything(data: Path) -> None:
    with Installation(data) as installation:
        installation.wait_for_line("postgres +| LOG:  database system is ready")

        assert installation.end(signal.SIGINT) < 10
        assert processes_of(data) == {}


def test_servers_given_over_tcp_are_used_and_none_is_started(data: Path) -> None:
    database = EmbeddedPostgres(data.parent / "servers", tcp_port=free_port(), durable=False)
    broker = EmbeddedRedis(data.parent / "servers", tcp_port=free_port())
    database.start()
    broker.start()
    env = {"DATABASE_URL": database.url, "REDIS_URL": broker.url, "SECRET_KEY": "k" * 50}

    try:
        with Installation(data, **env) as installation:
            assert eventually(installation.answers)
            with psycopg.connect(database.url) as connection:
                row = connection.execute("SELECT count(*) > 0 FROM django_migrations").fetchone()
            with redis.Redis.from_url(broker.url) as client:
                assert eventually(lambda: sum(c["cmd"] == "brpop" for c in client.client_list()) >= 4)
            shown = {line.split(" ")[0] for line in installation.lines if " | " in line}
    finally:
        broker.stop()
        database.stop()
        shutil.rmtree(paths.runtime_dir(data.parent / "servers"), ignore_errors=True)

    assert row == (True,)
    assert not shown & {"postgres", "redis"}
    assert {path.name for path in data.iterdir()} == {"up.lock"}
    assert not paths.runtime_dir(data).exists()
    assert leftovers.running_in(data / "postgres", "postgres") == []
