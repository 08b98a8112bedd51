"""The start of a whole installation in one terminal, step by step, and its end."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import Error

from reviewapp.embedded import paths, processes
from reviewapp.embedded.console import Console
from reviewapp.embedded.listener import Listener
from reviewapp.embedded.lock import DataLock
from reviewapp.embedded.paths import Unavailable
from reviewapp.embedded.postgres import EmbeddedPostgres
from reviewapp.embedded.redis import EmbeddedRedis
from reviewapp.embedded.supervisor import Interrupted, Supervisor

MIGRATION_LOCK = 7_216_001
AFTER_KILL = 8.0


@dataclass(frozen=True)
class Address:
    host: str
    port: int


def up(data: Path, address: Address, *, with_demo: bool, console: Console) -> None:
    """Runs everything until Ctrl-C or SIGTERM; raises Unavailable, with nothing left running, when it cannot.

    1. Take the data directory and the port, so that a refusal comes before anything has started.
    2. Redis and PostgreSQL, unless REDIS_URL and DATABASE_URL name servers.
    3. Migrations, one installation at a time.
    4. Web, workers and sweeper; the ready line once /readyz answers.
    """
    paths.ensure_data_dir(data)
    lock = DataLock(data)
    try:
        listener = Listener(address.host, address.port, patience=AFTER_KILL if lock.is_after_kill else 0.0)
        lock.tell(f"process {os.getpid()}, {listener.url}")
        env = processes.environment(data, port=listener.port)
        with Supervisor(console) as supervisor:
            try:
                _start(supervisor, data, env=env, listener=listener, console=console)
                if with_demo:
                    _demo(supervisor, env, url=listener.url)
                supervisor.run()
            except Interrupted:
                console.say("reviewapp stops …")
            finally:
                listener.close()
        with suppress(OSError):
            paths.runtime_dir(data).rmdir()
    finally:
        lock.release()


def _start(supervisor: Supervisor, data: Path, *, env: dict[str, str], listener: Listener, console: Console) -> None:
    if not settings.REDIS_URL:
        _start_redis(supervisor, data)
    if not settings.DATABASE_URL:
        _start_postgres(supervisor, data)
    _migrate(supervisor, env)
    for spec in processes.application(env, listener=listener.fileno()):
        supervisor.add(spec)
    supervisor.wait_for(listener.is_ready)
    console.say(f"reviewapp is ready: {listener.url}")


def _start_redis(supervisor: Supervisor, data: Path) -> None:
    server = EmbeddedRedis(data)
    server.prepare()
    child = supervisor.add(processes.redis(server))
    supervisor.wait_for(server.ready, needs=child)


def _start_postgres(supervisor: Supervisor, data: Path) -> None:
    server = EmbeddedPostgres(data)
    server.prepare()
    child = supervisor.add(processes.postgres(server))
    supervisor.wait_for(server.ready, needs=child)
    server.provide()


def _migrate(supervisor: Supervisor, env: dict[str, str]) -> None:
    """Under an advisory lock, held by a transaction as a pooler requires: two `up` may share one server."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            supervisor.wait_for(lambda: _is_ours(cursor))
            if not _is_behind():
                return
            quick = {**env, "DATABASE_STATEMENT_TIMEOUT": "0"}
            options = ("--noinput", "--skip-checks", "--verbosity=0")
            status = supervisor.run_once(processes.command("migrate", *options, env=quick))
    except Error as error:
        said = " ".join(str(error).split())
        raise Unavailable(f"The database does not answer ({said}); start it, or correct DATABASE_URL.") from error
    finally:
        connection.close()
    if status != 0:
        raise Unavailable("The migrations failed; their lines above say why.")


def _is_behind() -> bool:
    """Asked here because starting a process for nothing would cost every start two seconds."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _is_ours(cursor: CursorWrapper) -> bool:
    cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [MIGRATION_LOCK])
    return bool(cursor.fetchone() == (True,))


def _demo(supervisor: Supervisor, env: dict[str, str], *, url: str) -> None:
    status = supervisor.run_once(processes.command("demo", "--url", url, env=env, is_shown_raw=True))
    if status != 0:
        raise Unavailable(f"The demo ended with status {status}; its lines above say why.")
