import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from reviewapp.embedded import leftovers, paths
from reviewapp.embedded.paths import Unavailable
from reviewapp.embedded.postgres import EmbeddedPostgres
from tests.embedded.installation import eventually

# Starts a server, says so, and waits to be killed with it running.
HOLDER = """
import sys, time
from pathlib import Path
from reviewapp.embedded.postgres import EmbeddedPostgres
EmbeddedPostgres(Path(sys.argv[1]), durable=False).start()
print("running", flush=True)
time.sleep(60)
"""


def connect(data: Path) -> psycopg.Connection:
    where = paths.postgres_conninfo(data)
    return psycopg.connect(
        host=where["HOST"], port=where["PORT"], user=where["USER"], dbname=where["NAME"], autocommit=True
    )


def ask(data: Path, question: str) -> object:
    with connect(data) as connection:
        row = connection.execute(question.encode()).fetchone()
    return row[0] if row else None


@pytest.fixture
def server(data: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data, durable=False)
    server.start()
    yield server
    server.stop()


def test_it_is_postgresql_18_with_pgvector(server: EmbeddedPostgres) -> None:
    assert str(ask(server.data, "SHOW server_version")).startswith("18.")
    assert ask(server.data, "SELECT '[0,3]'::vector <-> '[4,0]'::vector") == 5.0
    assert ask(server.data, "SHOW server_encoding") == "UTF8"
    assert ask(server.data, "SELECT lower('ÄÖÜ')") == "äöü"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_connections", "300"),
        ("shared_buffers", "256MB"),
        ("jit", "off"),
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
        ("TimeZone", "UTC"),
    ],
)
def test_setting(shared: EmbeddedPostgres, setting: str, value: str) -> None:
    assert ask(shared.data, f"SHOW {setting}") == value


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False)
    server.start()
    yield server
    server.stop()


def test_the_product_is_no_superuser(shared: EmbeddedPostgres) -> None:
    assert ask(shared.data, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False


def test_a_database_made_later_has_pgvector(shared: EmbeddedPostgres) -> None:
    with connect(shared.data) as connection:
        connection.execute("CREATE DATABASE another")

    where = paths.runtime_dir(shared.data)
    with psycopg.connect(host=str(where), port=5432, user="reviewapp", dbname="another") as connection:
        assert connection.execute("SELECT '[1]'::vector::text").fetchone() == ("[1]",)


def test_durable_unless_a_test_asks_otherwise(data: Path) -> None:
    server = EmbeddedPostgres(data)
    server.start()

    try:
        assert ask(data, "SELECT string_agg(setting, ' ') FROM pg_settings WHERE name IN "
                         "('fsync', 'full_page_writes', 'synchronous_commit')") == "on on on"  # fmt: skip
    finally:
        server.stop()


def test_data_survives_a_restart(data: Path) -> None:
    for expected in (1, 2):
        server = EmbeddedPostgres(data, durable=False)
        server.start()
        with connect(data) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
            connection.execute("INSERT INTO kept VALUES (1)")
        assert ask(data, "SELECT count(*) FROM kept") == expected
        server.stop()

    assert leftovers.running_in(server.cluster, "postgres") == []


def test_it_dies_with_a_killed_parent_and_starts_again(data: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(data)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "running\n"
    with connect(data) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")

    holder.kill()
    holder.wait()
    holder.stdout.close()

    server = EmbeddedPostgres(data, durable=False)
    assert eventually(lambda: leftovers.running_in(server.cluster, "postgres") == [], within=5)
    server.start()
    assert ask(data, "SELECT n FROM kept") == 7
    server.stop()


def test_a_server_that_was_left_running_is_ended(data: Path) -> None:
    orphan = EmbeddedPostgres(data, durable=False)
    orphan.start()
    before = leftovers.running_in(orphan.cluster, "postgres")

    server = EmbeddedPostgres(data, durable=False)
    server.start()

    assert before
    assert not set(before) & set(leftovers.running_in(server.cluster, "postgres"))
    assert ask(data, "SELECT 1") == 1
    server.stop()
    orphan.stop()


def test_a_recycled_process_number_in_the_lock_files_is_no_obstacle(data: Path) -> None:
    server = EmbeddedPostgres(data, durable=False)
    server.start()
    lock = (server.cluster / "postmaster.pid").read_text()
    server.stop()
    other = lock.replace(lock.split("\n", 1)[0], str(os.getpid()), 1)
    (server.cluster / "postmaster.pid").write_text(other)
    (paths.runtime_dir(data) / ".s.PGSQL.5432.lock").write_text(other)

    server.start()

    assert ask(data, "SELECT 1") == 1
    server.stop()


def test_pgport_of_the_shell_does_not_move_it(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "6543")
    server = EmbeddedPostgres(data, durable=False)
    server.start()

    assert ask(data, "SHOW port") == "5432"
    server.stop()


def test_tcp_port_asks_for_the_password(data: Path, port: int) -> None:
    server = EmbeddedPostgres(data, tcp_port=port, durable=False)
    server.start()

    try:
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.url.replace("reviewapp:", "reviewapp:not", 1))
    finally:
        server.stop()


def test_a_cluster_of_another_release_is_refused(data: Path) -> None:
    server = EmbeddedPostgres(data, durable=False)
    server.prepare()
    (server.cluster / "PG_VERSION").write_text("17\n")

    with pytest.raises(Unavailable, match="was made by PostgreSQL 17 and this release embeds 18"):
        server.start()


def test_a_half_made_cluster_is_made_anew(data: Path) -> None:
    (data / "postgres.partial").mkdir(parents=True)
    (data / "postgres.partial" / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(data, durable=False)

    server.start()

    assert ask(data, "SELECT 1") == 1
    server.stop()


def test_a_start_that_fails_says_why(data: Path) -> None:
    server = EmbeddedPostgres(data, durable=False)
    server.prepare()
    (server.cluster / "global" / "pg_control").unlink()

    with pytest.raises(Unavailable, match=r"PostgreSQL did not start in .*pg_control"):
        server.start()


def test_fast_shutdown_does_not_wait_for_clients(data: Path) -> None:
    server = EmbeddedPostgres(data, durable=False)
    server.start()
    process = server._process
    assert process is not None

    with connect(data):
        server.stop()

    assert process.returncode == 0
