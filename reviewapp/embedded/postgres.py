"""The embedded PostgreSQL 18 with pgvector: a foreground child on a Unix socket, in a cluster made once."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from reviewapp.embedded import binaries, leftovers, paths, tether
from reviewapp.embedded.account import Account, server_account
from reviewapp.embedded.paths import DATABASE, Unavailable

SUPERUSER = "postgres"
MAJOR = "18"
STOP = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 6.0))  # fast, then immediate shutdown

# The socket directory is closed to other users; a TCP port, for tests, asks for a password.
ACCESS = """\
local all all trust
host all all 127.0.0.1/32 scram-sha-256
"""
# Log lines name no values: a case's features must not reach the log through a failed statement.
CONFIGURATION = """\
listen_addresses = '{addresses}'
port = {port}
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
max_connections = 300
shared_buffers = 256MB
jit = off
fsync = {durable}
synchronous_commit = on
full_page_writes = {durable}
timezone = 'UTC'
log_timezone = 'UTC'
log_destination = 'stderr'
logging_collector = off
log_line_prefix = ''
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
log_checkpoints = off
"""


class EmbeddedPostgres:
    """One cluster below the data directory; the caller holds the lock of that directory."""

    def __init__(self, data: Path, *, tcp_port: int | None = None, durable: bool = True) -> None:
        self.data = data
        self.cluster = data / "postgres"
        self.port = tcp_port or paths.POSTGRES_PORT
        self._tcp = tcp_port is not None
        self._durable = durable
        self._account = Account()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What DATABASE_URL would say for a server that listens on a TCP port."""
        password = quote(paths.secret(self.data, "postgres_password"), safe="")
        return f"postgresql://{DATABASE}:{password}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def account(self) -> Account:
        return self._account

    def prepare(self) -> None:
        """Makes the cluster when there is none, ends what a kill left over, writes the configuration."""
        initdb = binaries.postgres("initdb")
        self._account = server_account()
        paths.ensure_data_dir(self.data)
        self._account.check_access(program=initdb, directory=self.data)
        sockets = paths.ensure_runtime_dir(self.data, owner=self._account.uid)
        self._account.own(sockets)
        if not (self.cluster / "PG_VERSION").exists():
            self._initdb(initdb)
        self._check_version()
        leftovers.end(self.cluster, "postgres")
        self._remove_stale_locks(sockets)
        self._configure(sockets)

    def command(self) -> list[str]:
        """The argument list of the server in the foreground."""
        return [*self._account.prefix, str(binaries.postgres("postgres")), "-D", str(self.cluster)]

    def environment(self) -> dict[str, str]:
        """Without PG* variables: PGPORT and its like would override the configuration."""
        return {name: value for name, value in os.environ.items() if not name.startswith("PG")}

    def start(self) -> None:
        """Spawns the server, waits until it answers and provides role, database and extension."""
        self.prepare()
        log = self.data / "postgres.log"
        with log.open("wb") as output:
            self._process = tether.spawn(
                self.command(),
                env=self.environment(),
                account=self._account,
                death_signal=signal.SIGQUIT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        while not self.ready():
            if self._process.poll() is not None:
                said = log.read_text(errors="replace").strip().splitlines()[-3:]
                raise Unavailable(f"PostgreSQL did not start in {self.cluster}: {' '.join(said)}")
            time.sleep(0.02)
        self.provide()

    def stop(self) -> None:
        if self._process is not None:
            tether.stop(self._process, signals=STOP)
            self._process = None

    def ready(self) -> bool:
        """Whether it answers; asked only when its own status file says so, or each look would be a log line."""
        try:
            if (self.cluster / "postmaster.pid").read_text().split()[-1] != "ready":
                return False
            with self._connect(SUPERUSER):
                return True
        except (OSError, IndexError, psycopg.OperationalError):
            return False

    def provide(self) -> None:
        """Creates what is missing of the product's role, its database and pgvector in it.

        The role is an ordinary one, as on a server of one's own; it may create databases, which tests do.
        Databases made later get pgvector from the template.
        """
        with self._connect(SUPERUSER) as connection:
            if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s"):
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(sql.Identifier(DATABASE)))
            if self._tcp:
                password = sql.Literal(paths.secret(self.data, "postgres_password"))
                role = sql.Identifier(DATABASE)
                connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, password))
        with self._connect("template1") as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        with self._connect(SUPERUSER) as connection:
            if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s"):
                name = sql.Identifier(DATABASE)
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
        with self._connect(DATABASE) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")

    def _connect(self, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=str(paths.runtime_dir(self.data)),
            port=self.port,
            user=SUPERUSER,
            dbname=database,
            connect_timeout=2,
            autocommit=True,
            options="-c client_min_messages=warning",
        )

    def _initdb(self, initdb: Path) -> None:
        """Into a directory beside the final one, renamed when complete: a kill leaves no half cluster."""
        partial = self.data / "postgres.partial"
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(mode=0o700)
        self._account.own(partial)
        argv = [*self._account.prefix, str(initdb), "-D", str(partial), "-U", SUPERUSER, "--auth=trust"]
        argv += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        argv += [] if self._durable else ["--no-sync"]
        process = tether.spawn(
            argv,
            env=self.environment(),
            account=self._account,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = process.communicate()
        if process.returncode != 0:
            said = " ".join(output.decode(errors="replace").strip().splitlines()[-3:])
            raise Unavailable(f"initdb could not make a cluster in {self.data}: {said}")
        partial.rename(self.cluster)

    def _check_version(self) -> None:
        version = (self.cluster / "PG_VERSION").read_text().strip()
        if version != MAJOR:
            raise Unavailable(
                f"{self.cluster} was made by PostgreSQL {version} and this release embeds {MAJOR}; "
                "dump it with the older release, or name another --data-dir."
            )

    def _remove_stale_locks(self, sockets: Path) -> None:
        """PostgreSQL takes any live process with the recorded number for itself, and numbers recur.

        No server is left on this directory here, so the files are stale; without /proc nobody knows.
        """
        if not leftovers.PROC.is_dir():
            return
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        (sockets / f".s.PGSQL.{self.port}.lock").unlink(missing_ok=True)

    def _configure(self, sockets: Path) -> None:
        text = CONFIGURATION.format(
            addresses="127.0.0.1" if self._tcp else "",
            port=self.port,
            sockets=str(sockets).replace("'", "''"),
            durable="on" if self._durable else "off",
        )
        for name, content in (("postgresql.conf", text), ("pg_hba.conf", ACCESS)):
            path = self.cluster / name
            path.write_text(content)
            path.chmod(0o600)
            self._account.own(path)


def _exists(connection: psycopg.Connection[Any], question: str) -> bool:
    return connection.execute(question.encode(), [DATABASE]).fetchone() is not None
