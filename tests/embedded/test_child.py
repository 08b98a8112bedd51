import sys
import time
from pathlib import Path

import pytest

from reviewapp.embedded.child import HEALTHY_AFTER, Child, ProcessSpec
from tests.embedded.installation import eventually


def failing() -> Child:
    return Child(ProcessSpec("failing", [sys.executable, "-c", "raise SystemExit(3)"], is_shown_raw=True))


def fail_once(child: Child, *, now: float, healthy_for: float = 0.0) -> float:
    child.start(now)
    assert eventually(child.reap, within=10)
    return child.plan_restart(now + healthy_for)


def test_pauses_double_up_to_thirty_seconds() -> None:
    child = failing()

    pauses = [fail_once(child, now=0.0) for _ in range(7)]

    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert child.status == 3


def test_a_minute_of_health_forgets_the_failures() -> None:
    child = failing()
    for _ in range(4):
        fail_once(child, now=0.0)

    assert fail_once(child, now=0.0, healthy_for=HEALTHY_AFTER - 1) == 16
    assert fail_once(child, now=0.0, healthy_for=HEALTHY_AFTER) == 1


def test_a_planned_restart_is_forgotten_when_asked_to_stop() -> None:
    child = failing()
    fail_once(child, now=time.monotonic())

    child.ask_to_stop()

    assert child.restart_at is None


def test_what_is_left_of_its_group_ends_with_it(tmp_path) -> None:
    note = tmp_path / "grandchild"
    code = (
        "import subprocess, sys\n"
        "sleeper = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(note)!r}, 'w').write(str(sleeper.pid))"
    )
    child = Child(ProcessSpec("parent", [sys.executable, "-c", code], is_shown_raw=True))

    child.start(0.0)
    assert eventually(child.reap, within=10)

    assert eventually(lambda: not _runs(int(note.read_text())), within=5)


def test_a_program_that_does_not_exist_is_an_error_at_once() -> None:
    with pytest.raises(FileNotFoundError):
        Child(ProcessSpec("absent", ["/nonexistent/program"])).start(0.0)


def _runs(pid: int) -> bool:
    """Orphans are reaped by whoever adopts them; until then they are zombies, which run nothing."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
