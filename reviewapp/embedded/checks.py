"""What `manage.py doctor` looks at: each check answers with one line and, unless all is well, a remedy."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import OperationalError, ProgrammingError

from reviewapp.embedded import binaries
from reviewapp.embedded.account import server_account
from reviewapp.embedded.paths import BASE_DIR, Unavailable

OLDEST, TESTED = (3, 11), (3, 11)
OLDEST_POSTGRES = 160_000
GIB = 1 << 30
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
RESTING = """
SELECT s.slug, v.number, c.kind, c.detail FROM gating_circuit c
JOIN registry_modelversion v ON v.id = c.subject JOIN registry_stream s ON s.id = v.stream_id
WHERE c.opened_at IS NOT NULL AND c.kind IN ('model_version', 'accelerator') ORDER BY s.slug, v.number
"""
ON = {"model_version": "", "accelerator": " on the GPU"}
ISOLATION = "from inference.confinement import cut_off; print(cut_off())"
ISOLATIONS = {
    "namespace": "checks run in a network namespace of their own",
    "landlock": "checks run without TCP (Landlock); network namespaces are refused here",
    "interpreter": "checks run under limits, but only Python keeps them from the network",
}
PROVIDER = "from inference.session import available_provider as found; print(found())"


@dataclass(frozen=True)
class Finding:
    """One line of the report; status is ok, warn or fail."""

    check: str
    status: str
    detail: str
    remedy: str = ""


def findings() -> Iterator[Finding]:
    for check in CHECKS:
        yield check()


def python() -> Finding:
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info[:2] == TESTED:
        return Finding("python", "ok", detail)
    remedy = f"Python {TESTED[0]}.{TESTED[1]} is the tested one."
    return Finding("python", "warn" if sys.version_info[:2] > OLDEST else "fail", detail, remedy)


def postgres() -> Finding:
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('server_version_num')::int, current_setting('server_version'),"
                " (SELECT coalesce(installed_version, default_version) FROM pg_available_extensions"
                " WHERE name = 'vector')"
            )
            number, version, vector = cursor.fetchone()
    except OperationalError as error:
        return _postgres_away(error)
    detail = f"{version} {_where(settings.DATABASE_URL, 'DATABASE_URL')}, pgvector {vector or 'missing'}"
    if number < OLDEST_POSTGRES or not vector:
        remedy = "Use PostgreSQL 16 or newer with the extension pgvector, or unset DATABASE_URL."
        return Finding("postgresql", "fail", detail, remedy)
    return Finding("postgresql", "ok", detail)


def _postgres_away(error: OperationalError) -> Finding:
    if settings.DATABASE_URL:
        said = " ".join(str(error).split())
        remedy = "Start the server, or correct or unset DATABASE_URL."
        return Finding("postgresql", "fail", f"DATABASE_URL does not answer: {said}", remedy)
    return _embedded("postgresql", lambda: binaries.postgres("postgres"))


def broker() -> Finding:
    client = redis.Redis.from_url(settings.REDIS_CLIENT_URL, socket_timeout=2, socket_connect_timeout=2)
    try:
        version = client.info("server")["redis_version"]
        live = {name: client.config_get(name).get(name) for name in ("appendonly", "maxmemory-policy")}
    except redis.ResponseError:
        detail = "reachable; it does not tell its configuration"
        return Finding("redis", "warn", detail, "Set appendonly yes and maxmemory-policy noeviction.")
    except redis.RedisError as error:
        return _broker_away(error)
    finally:
        client.close()
    shown = ", ".join(f"{name} {value}" for name, value in live.items())
    detail = f"{version} {_where(settings.REDIS_URL, 'REDIS_URL')}, {shown}"
    if live != {"appendonly": "yes", "maxmemory-policy": "noeviction"}:
        return Finding("redis", "warn", detail, "Set appendonly yes and maxmemory-policy noeviction.")
    return Finding("redis", "ok", detail)


def _broker_away(error: redis.RedisError) -> Finding:
    if settings.REDIS_URL:
        remedy = "Start the server, or correct or unset REDIS_URL; until then the sweeper does the work alone."
        return Finding("redis", "fail", f"REDIS_URL does not answer: {error}", remedy)
    return _embedded("redis", binaries.redis_server)


def migrations() -> Finding:
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except OperationalError:
        return Finding("migrations", "ok", "not looked at: PostgreSQL does not run; `manage.py up` applies them")
    if missing:
        return Finding("migrations", "fail", f"{len(missing)} to apply", "Run manage.py migrate, or manage.py up.")
    return Finding("migrations", "ok", "all applied")


def account() -> Finding:
    """Root needs a way to run PostgreSQL as somebody else."""
    if os.geteuid() != 0:
        return Finding("account", "ok", "an ordinary user")
    try:
        found = server_account()
    except Unavailable as refusal:
        needed = not (settings.DATABASE_URL and settings.REDIS_URL)
        return Finding("account", "fail" if needed else "ok", "root", str(refusal))
    if found.prefix:
        return Finding("account", "ok", "root, with user namespaces for the embedded servers")
    detail = "root, without user namespaces: the embedded servers run as nobody"
    return Finding("account", "warn", detail, "The data directory must be one that everybody may enter.")


def openmp() -> Finding:
    """In a process of its own, like every heavy library here: the report must come though one crashes."""
    if _in_own_process("import ctypes; ctypes.CDLL('libgomp.so.1')").returncode == 0 or sys.platform != "linux":
        return Finding("libgomp", "ok", "found, LightGBM can train")
    return Finding("libgomp", "warn", "missing, LightGBM cannot train", "Install it: apt-get install libgomp1.")


def onnxruntime() -> Finding:
    done = _in_own_process(PROVIDER)
    if done.returncode == 0:
        return Finding("onnxruntime", "ok", done.stdout.strip().splitlines()[-1])
    said = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return Finding("onnxruntime", "fail", f"does not run: {said}", "Run make install.")


def models() -> Finding:
    """Which model versions rest after failures, and which servers may run bundles."""
    allowed = ", ".join(settings.REMOTE_MODELS) or "none"
    try:
        with connection.cursor() as cursor:
            cursor.execute(RESTING)
            resting = [f"{stream} model {number}{ON[kind]} ({detail})" for stream, number, kind, detail in cursor]
    except (OperationalError, ProgrammingError):
        return Finding(
            "models", "ok", f"not looked at: the database is not ready; servers that may run them: {allowed}"
        )
    if resting:
        remedy = "See docs/runbooks/model-fails.md; each is tried again by itself every half-minute."
        return Finding("models", "warn", f"resting: {'; '.join(resting)}", remedy)
    return Finding("models", "ok", f"none rests; servers that may run them: {allowed}")


def upload_gate() -> Finding:
    """How the process that checks uploaded models is kept from the network; found out in a process of its own."""
    done = _in_own_process(ISOLATION)
    how = (done.stdout.strip().splitlines() or [""])[-1]
    if done.returncode or how not in ISOLATIONS:
        return Finding("upload gate", "fail", "a confined process does not start", "Run make install.")
    if how == "interpreter":
        remedy = "Permit user namespaces, or use a kernel with Landlock (Linux 6.7), where strangers upload models."
        return Finding("upload gate", "warn", ISOLATIONS[how], remedy)
    return Finding("upload gate", "ok", ISOLATIONS[how])


def chromium() -> Finding:
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache/ms-playwright")
    found = next(filter(None, map(shutil.which, BROWSERS)), None) or next(
        (str(path) for path in cache.glob("chromium*")), None
    )
    if found:
        return Finding("chromium", "ok", found)
    remedy = "Only browser tests need it: python -m playwright install chromium."
    return Finding("chromium", "warn", "not found", remedy)


def private_webhooks() -> Finding:
    if not settings.WEBHOOK_ALLOW_PRIVATE:
        return Finding("webhooks", "ok", "WEBHOOK_ALLOW_PRIVATE is off: endpoints are public and https")
    detail = "WEBHOOK_ALLOW_PRIVATE is on: http and loopback endpoints are permitted"
    return Finding("webhooks", "warn", detail, "Unset it wherever others may register endpoints.")


def disk() -> Finding:
    place = next(path for path in (settings.DATA_DIR, *settings.DATA_DIR.parents) if path.exists())
    free = shutil.disk_usage(place).free
    detail = f"{free / GIB:.1f} GiB free for {settings.DATA_DIR}"
    if free >= 2 * GIB:
        return Finding("disk", "ok", detail)
    return Finding("disk", "warn" if free >= GIB / 4 else "fail", detail, "Free some, or name another --data-dir.")


CHECKS: tuple[Callable[[], Finding], ...] = (
    *(python, account, postgres, broker, migrations),
    *(onnxruntime, models, upload_gate, openmp, chromium, private_webhooks, disk),
)


def _embedded(check: str, program: Callable[[], Path]) -> Finding:
    try:
        version = subprocess.run([program(), "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    except (Unavailable, OSError, subprocess.SubprocessError) as refusal:
        return Finding(check, "fail", "not running and not to be started", str(refusal))
    return Finding(check, "ok", f"embedded, not running: {version.stdout.strip()}")


def _where(url: str | None, variable: str) -> str:
    return f"at {variable}" if url else "embedded"


def _in_own_process(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 our own code in our own Python
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=BASE_DIR
    )
