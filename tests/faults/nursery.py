"""Processes that may be killed, forked from one that has loaded what they need: none pays for its own start."""

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module, reload
from typing import Self

from django.conf import settings

PROGRAM = "import django; django.setup(); from tests.faults import nursery; nursery.main()"
# Loaded before the first fork; none of them opens a connection or starts a thread.
LIBRARIES = ("inference.predict", "inference.explain", "onnx", "onnxruntime", "pyarrow.parquet", "tests.faults.journey")


class Nursery:
    """A process on the given environment; `run` forks it and waits for the child's end, however that comes."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = {"DJANGO_SETTINGS_MODULE": "reviewapp.settings", "OMP_NUM_THREADS": "1", **env}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=self._env,
            cwd=settings.BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)

    def run(self, module: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run tests/faults/<module>.py with these arguments and further variables."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.NamedTemporaryFile("r") as said:
            order = {"module": module, "arguments": arguments, "env": env, "output": said.name}
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
            assert answer, "the process that forks the others has ended"
            return subprocess.CompletedProcess([module, *arguments], int(answer), stderr=said.read())


def main() -> None:
    """Forks a child for every line of orders, one after the other, and prints each one's exit status."""
    for name in LIBRARIES:
        import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(_obey(**json.loads(line)))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 read by the test


def _obey(module: str, arguments: Sequence[str], env: dict[str, str], output: str) -> int:
    from reviewapp import crashpoints

    descriptor = os.open(output, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(descriptor, number)
    os.environ.update(env)
    reload(crashpoints)  # it reads at its import what is armed
    sys.argv = [module, *arguments]
    try:
        import_module(f"tests.faults.{module}").main()
    except BaseException:  # noqa: BLE001 the process that forked must not go on with the child's copy of its loop
        traceback.print_exc()
        return 1
    return 0
