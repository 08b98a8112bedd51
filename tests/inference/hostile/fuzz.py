"""Damaged graphs through the checks of the upload gate, each in a process of its own.

Run as a program (`outcomes` does): the libraries are loaded once, and every graph is met by a fork.
"""

import json
import os
import random
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 10
MEMORY_BYTES = 3 * 1024**3
_CODES = {0: "refused", 1: "same", 2: "raised"}


def outcomes(*, seed: int, count: int) -> dict[str, int]:
    """How many damaged graphs were refused, answered as before, raised something else, or ended their process."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.inference.hostile.fuzz", str(seed), str(count)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
    )
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def damaged(content: bytes, draw: random.Random) -> bytes:
    """The content with one to four bytes flipped, cut out, doubled, moved or replaced."""
    changed = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        place, length = draw.randrange(len(changed)), draw.randint(1, 16)
        match draw.randrange(5):
            case 0:
                changed[place] ^= 1 << draw.randrange(8)
            case 1:
                del changed[place : place + length]
            case 2:
                changed[place:place] = changed[place : place + length]
            case 3:
                changed[place : place + length] = draw.randbytes(length)
            case 4:
                other = draw.randrange(len(changed))
                changed[other:other] = changed[place : place + length]
    return bytes(changed)


def main(seed: int, count: int) -> None:
    from inference import bundle, gate_child, model
    from tests.inference import onnx_files

    draw, whole = random.Random(seed), onnx_files.linear_bundle()
    model.load(whole)  # everything is imported before the first fork
    found: Counter[str] = Counter()
    for _ in range(count):
        files = {**whole, "model.onnx": damaged(whole["model.onnx"], draw)}
        found[_alone(partial(gate_child.check, bundle.write_zip(files), classes=()))] += 1
    sys.stdout.write(json.dumps(found) + "\n")


def _alone(check: Callable[[], Any]) -> str:
    """What becomes of one check in a process of its own."""
    child = os.fork()
    if child == 0:
        code = 2
        try:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            signal.alarm(SECONDS)
            code = {"refused": 0, "ready": 1}[check()["state"]]
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return _CODES.get(os.waitstatus_to_exitcode(status), "crashed")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
