"""The processes of an installation: what `up` runs, and in which order it stops them."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from reviewapp.embedded.child import ProcessSpec
from reviewapp.embedded.paths import BASE_DIR
from reviewapp.embedded.postgres import EmbeddedPostgres
from reviewapp.embedded.redis import EmbeddedRedis

WEB, WORKERS, SWEEPER, REDIS, POSTGRES = range(5)
# Seconds after Ctrl-C by which a stage is over; together they leave no child after ten.
STOP_BY = {WEB: 2.0, WORKERS: 6.0, SWEEPER: 6.4, REDIS: 7.0, POSTGRES: 8.5}

WORKER = ("--queues=default,webhooks,monitoring", "--pool=threads", "--concurrency=2")
SOLO = ("--pool=solo",)
# On one machine decisions and people come first; explanations and training take the time that is left.
PATIENT = ("nice", "-n", "10")
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING")


def environment(data: Path, *, port: int) -> dict[str, str]:
    """What every child is told; one OpenMP thread each, because the processes share the cores."""
    given = {name: value for name, value in os.environ.items() if name != "DJANGO_AUTORELOAD"}
    return {
        "WEBHOOK_ALLOW_PRIVATE": "1",
        **given,
        "REVIEWAPP_DATA_DIR": str(data),
        "PORT": str(port),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "CELERY_SOFT_SHUTDOWN": "5",
        # Django's checks load every page and operation, which no worker serves; the web process loads them anyway.
        "CELERY_SKIP_CHECKS": "1",
        "PYTHONUNBUFFERED": "1",
        # Root in a container is ordinary, and the workers read JSON only.
        "PYTHONWARNINGS": given.get("PYTHONWARNINGS", "ignore:You're running the worker with superuser"),
    }


def postgres(server: EmbeddedPostgres) -> ProcessSpec:
    return ProcessSpec(
        name="postgres",
        argv=server.command(),
        stage=POSTGRES,
        stop_by=STOP_BY[POSTGRES],
        stop_signal=signal.SIGINT,
        last_signal=signal.SIGQUIT,
        death_signal=signal.SIGQUIT,
        env=server.environment(),
        account=server.account,
    )


def redis(server: EmbeddedRedis) -> ProcessSpec:
    return ProcessSpec(
        name="redis",
        argv=server.command(),
        stage=REDIS,
        stop_by=STOP_BY[REDIS],
        death_signal=signal.SIGTERM,
        account=server.account,
    )


def command(name: str, *arguments: str, env: dict[str, str], is_shown_raw: bool = False) -> ProcessSpec:
    """A management command that runs once."""
    argv = [sys.executable, str(BASE_DIR / "manage.py"), name, *arguments]
    return ProcessSpec(name=name, argv=argv, stage=WEB, env=env, cwd=BASE_DIR, is_shown_raw=is_shown_raw)


def application(env: dict[str, str], *, listener: int) -> list[ProcessSpec]:
    """Web, Celery workers and sweeper. The listening socket is ours: requests wait while the web restarts."""
    return [
        _python("web", WEB, argv=_gunicorn(listener), env=env, pass_fds=(listener,)),
        _python("worker", WORKERS, argv=_celery("worker", *WORKER), env=env),
        *(_lane(name, env=env) for name in LANES),
        _python("sweeper", SWEEPER, argv=[str(BASE_DIR / "manage.py"), "sweeper"], env=env),
    ]


LANES = ("inference", "explain", "train")


def _lane(name: str, *, env: dict[str, str]) -> ProcessSpec:
    spec = _python(name, WORKERS, argv=_celery(name, f"--queues={name}", *SOLO), env=env)
    return spec if name == "inference" else replace(spec, argv=[*PATIENT, *spec.argv])


def _gunicorn(listener: int) -> list[str]:
    return [
        *("-m", "gunicorn", "reviewapp.wsgi:application", "--bind", f"fd://{listener}"),
        *("--worker-class", "gthread", "--workers", "2", "--threads", "8"),
        *("--graceful-timeout", "1", "--timeout", "60", "--preload", "--no-control-socket", "--log-level", "warning"),
    ]


def _celery(name: str, *arguments: str) -> list[str]:
    return [
        "-m",
        "celery",
        "--app=reviewapp.celery",
        "--quiet",
        "worker",
        f"--hostname={name}@%h",
        *arguments,
        *QUIET,
    ]


def _python(
    name: str, stage: int, *, argv: list[str], env: dict[str, str], pass_fds: tuple[int, ...] = ()
) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        argv=[sys.executable, *argv],
        stage=stage,
        stop_by=STOP_BY[stage],
        env=env,
        cwd=BASE_DIR,
        pass_fds=pass_fds,
    )
