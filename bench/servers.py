"""The bench's own servers in a directory of their own, and the product's processes as `manage.py up` starts them."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

from reviewapp.embedded import paths, processes, tether
from reviewapp.embedded.child import ProcessSpec
from reviewapp.embedded.listener import Listener
from reviewapp.embedded.postgres import EmbeddedPostgres
from reviewapp.embedded.redis import EmbeddedRedis

STOP = ((signal.SIGTERM, 15.0),)


class Installation:
    """PostgreSQL (durable) and Redis below a temporary directory; Django is set up on them and migrated."""

    def __init__(self) -> None:
        self.data = Path(tempfile.mkdtemp(prefix="reviewapp-bench-"))
        # Read by the settings here and in every process started from here.
        os.environ.update(
            REVIEWAPP_DATA_DIR=str(self.data), OMP_NUM_THREADS="1", LOG_LEVEL="WARNING", INGEST_RATE="1000000"
        )
        for name in ("DATABASE_URL", "REDIS_URL"):
            os.environ.pop(name, None)
        self._postgres = EmbeddedPostgres(self.data, durable=True)
        self._redis = EmbeddedRedis(self.data)

    def __enter__(self) -> "Installation":
        try:
            self._postgres.start()
            self._redis.start()
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", verbosity=0, interactive=False)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        from django.db import connections

        if os.environ.get("DJANGO_SETTINGS_MODULE"):
            with suppress(Exception):
                connections.close_all()
        self._postgres.stop()
        self._redis.stop()
        shutil.rmtree(paths.runtime_dir(self.data), ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)

    def connect(self) -> psycopg.Connection[Any]:
        """A connection beside Django's, without its time limits."""
        place = paths.postgres_conninfo(self.data)
        return psycopg.connect(
            host=place["HOST"], port=place["PORT"], dbname=place["NAME"], user=place["USER"], autocommit=True
        )

    @contextmanager
    def product(self, *names: str) -> Iterator[str]:
        """The named processes of the product (`web`, `inference`, `explain`, `worker`); yields the web's address."""
        listener = Listener("127.0.0.1", 0)
        try:
            specs = processes.application(
                processes.environment(self.data, port=listener.port), listener=listener.fileno()
            )
            with self._running([spec for spec in specs if spec.name in names]):
                if "web" in names:
                    wait_for(listener.is_ready)
                yield listener.url
        finally:
            listener.close()

    @contextmanager
    def wsgi(self, application: str, **variables: str) -> Iterator[str]:
        """An anchor's application under the very gunicorn command that serves the product."""
        listener = Listener("127.0.0.1", 0)
        try:
            env = {**processes.environment(self.data, port=listener.port), **variables}
            web = next(spec for spec in processes.application(env, listener=listener.fileno()) if spec.name == "web")
            argv = [application if part == "reviewapp.wsgi:application" else part for part in web.argv]
            with self._spawned("anchor-web", argv, env=env, pass_fds=web.pass_fds):
                wait_for(listener.is_ready)
                yield listener.url
        finally:
            listener.close()

    @contextmanager
    def celery(self, application: str, **variables: str) -> Iterator[None]:
        """An anchor's worker under the command of the product's inference worker."""
        env = {**processes.environment(self.data, port=0), **variables}
        lane = next(spec for spec in processes.application(env, listener=0) if spec.name == "inference")
        argv = [f"--app={application}" if part.startswith("--app=") else part for part in lane.argv]
        argv = ["--queues=floor" if part.startswith("--queues=") else part for part in argv]
        with self._spawned("anchor-worker", argv, env=env):
            yield

    @contextmanager
    def _running(self, specs: Sequence[ProcessSpec]) -> Iterator[None]:
        if not specs:
            yield
            return
        spec, *others = specs
        with (
            self._spawned(spec.name, spec.argv, env=spec.env, pass_fds=spec.pass_fds),
            self._running(others),
        ):
            yield

    @contextmanager
    def _spawned(
        self, name: str, argv: list[str], *, env: Mapping[str, str], pass_fds: tuple[int, ...] = ()
    ) -> Iterator[None]:
        with (self.data / f"{name}.log").open("ab") as log:
            process = tether.spawn(
                argv, env=env, cwd=paths.BASE_DIR, pass_fds=pass_fds, stdout=log, stderr=subprocess.STDOUT
            )
            try:
                yield
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended by itself: {self.said(name)}")
            finally:
                tether.stop(process, signals=STOP)

    def said(self, name: str) -> str:
        """The end of a process's log."""
        log = self.data / f"{name}.log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""

    def processes_of(self, marker: str) -> list[int]:
        """The numbers of this installation's processes whose command line holds a word."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with suppress(OSError):
                if marker.encode() not in (entry / "cmdline").read_bytes():
                    continue
                if f"REVIEWAPP_DATA_DIR={self.data}".encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        return sorted(found)


def wait_for(is_ready: Any, *, seconds: float = 60.0) -> None:
    """Ask until the answer is yes. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not is_ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{getattr(is_ready, '__name__', 'something')} within {seconds:g} s")
        time.sleep(0.05)
