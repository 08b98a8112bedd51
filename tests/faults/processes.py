"""Programs of the fault tests, each in a process of its own with Django set up, because it may be killed."""

import os
import subprocess
import sys
from urllib.parse import quote

from django.conf import settings
from django.db import connection

PROGRAM = "import django; django.setup(); from tests.faults import {module}; {module}.main()"


def run(module: str, *arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run tests/faults/<module>.py to its end, however that comes."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module=module), *arguments],
        env={"DJANGO_SETTINGS_MODULE": "reviewapp.settings", "OMP_NUM_THREADS": "1", **env},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def of_test_database() -> dict[str, str]:
    """The environment of a process that works on the database of this test run."""
    at = connection.settings_dict
    password = f":{quote(at['PASSWORD'], safe='')}" if at["PASSWORD"] else ""
    url = f"postgresql://{at['USER']}{password}@:{at['PORT']}/{at['NAME']}?host={quote(at['HOST'], safe='')}"
    return {**os.environ, "DATABASE_URL": url, "SECRET_KEY": settings.SECRET_KEY}
