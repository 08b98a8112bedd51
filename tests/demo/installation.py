"""One installation with the demo's real data, started as a newcomer starts it, for every test that needs one."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from reviewapp.embedded import paths
from tests.embedded.installation import MANAGE, Installation, environment, eventually

# Training, sending, scoring and explaining, also on a machine that has other things to do.
PATIENCE = 600


class Demo(Installation):
    """`up --demo`; `summary` is what a second `demo --json` answered before any test touched it."""

    summary: dict[str, Any]

    @property
    def root(self) -> str:
        return self.url.rstrip("/")

    def wait(self) -> None:
        shown = eventually(lambda: any("API key: rva_" in line for line in self.lines), within=PATIENCE)
        assert shown, "\n".join(self.lines)
        self.summary = self.again()

    def again(self) -> dict[str, Any]:
        done = subprocess.run(
            [*MANAGE, "demo", "--json", "--url", self.url],
            env=environment(REVIEWAPP_DATA_DIR=str(self.data)),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (line,) = done.stdout.splitlines()
        summary: dict[str, Any] = json.loads(line)
        return summary


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    data = tmp_path_factory.mktemp("demo")
    with Demo(data, "--port", "0", "--demo") as installation:
        installation.wait()
        yield installation
    shutil.rmtree(paths.runtime_dir(data), ignore_errors=True)
