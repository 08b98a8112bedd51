"""Servers of a trial's own, thrown away after it: what a user has is not touched, and a clock may be set in them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from reviewapp.embedded import paths
from reviewapp.embedded.postgres import EmbeddedPostgres
from reviewapp.embedded.redis import EmbeddedRedis

# Says to the process inside that the servers it finds are a trial's.
INSIDE = "REVIEWAPP_TRIAL_DATA_DIR"


def run_inside(argv: Sequence[str], *, seed: int) -> int:
    """Run `manage.py` with these arguments on servers in a temporary directory; answers its exit code."""
    data = Path(tempfile.mkdtemp(prefix="reviewapp-trial-"))
    postgres, redis = EmbeddedPostgres(data, durable=False), EmbeddedRedis(data)
    # The coins of a seed are the same each time.
    env = {**os.environ, "REVIEWAPP_DATA_DIR": str(data), INSIDE: str(data), "COIN_KEY": f"trial {seed} " + "0" * 32}
    for name in ("DATABASE_URL", "REDIS_URL"):
        env.pop(name, None)
    env.setdefault("LOG_LEVEL", "ERROR")
    # Without a handler the servers would end with this process and leave their files.
    before = signal.signal(signal.SIGTERM, _end)
    try:
        postgres.start()
        redis.start()
        done = subprocess.run(  # noqa: S603 ourselves
            [sys.executable, str(paths.BASE_DIR / "manage.py"), *argv], env=env, check=False
        )
        return done.returncode
    finally:
        redis.stop()
        postgres.stop()
        shutil.rmtree(paths.runtime_dir(data), ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)
        signal.signal(signal.SIGTERM, before)


def _end(number: int, _: object) -> None:
    sys.exit(128 + number)


def is_inside() -> bool:
    """Whether this process's database is a trial's own."""
    data = os.environ.get(INSIDE)
    return data is not None and Path(data) == paths.data_dir() and not os.environ.get("DATABASE_URL")
