"""The supervisor alone, with small children, in a process of its own because it owns signals."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reviewapp.embedded.paths import BASE_DIR
from tests.embedded.installation import eventually, processes_of

PREAMBLE = """
import signal, sys
from reviewapp.embedded.child import ProcessSpec
from reviewapp.embedded.console import Console
from reviewapp.embedded.supervisor import Interrupted, Supervisor
def python(name, code, **options):
    return ProcessSpec(name, [sys.executable, "-u", "-c", code], **options)
SLEEP = "import time; print('started'); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP
def tell(name):
    return f"import signal, sys; signal.signal(15, lambda *_: (print('{name} stops'), sys.exit())); " + SLEEP
console = Console()
try:
    with Supervisor(console) as supervisor:
"""
AFTERWARDS = """
except Interrupted:
    console.say("interrupted")
"""


class Run:
    """A script with a supervisor in it."""

    def __init__(self, data: Path, body: str) -> None:
        indented = "".join(f"        {line}\n" for line in body.strip().splitlines())
        self.process = subprocess.Popen(
            [sys.executable, "-c", PREAMBLE + indented + AFTERWARDS],
            env={**os.environ, "REVIEWAPP_DATA_DIR": str(data)},
            cwd=BASE_DIR,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._data = data

    def read_until(self, words: str, *, times: int = 1) -> None:
        assert self.process.stdout is not None
        while sum(words in line for line in self.lines) < times:
            line = self.process.stdout.readline()
            assert line, self.lines
            self.lines.append(line.rstrip("\n"))

    def end(self, number: signal.Signals) -> float:
        begun = time.monotonic()
        self.process.send_signal(number)
        assert self.process.stdout is not None
        self.lines += self.process.stdout.read().splitlines()
        self.process.wait(30)
        return time.monotonic() - begun

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def children(self) -> list[int]:
        return [pid for pid in processes_of(self._data) if pid != self.process.pid]


@pytest.fixture
def run(data: Path) -> Iterator:
    runs: list[Run] = []

    def start(body: str) -> Run:
        runs.append(Run(data, body))
        return runs[-1]

    yield start
    for one in runs:
        one.close()


def test_a_killed_child_is_started_again(run) -> None:
    supervised = run("supervisor.add(python('web', SLEEP))\nsupervisor.run()")
    supervised.read_until("web       | started")
    (child,) = supervised.children()

    os.kill(child, signal.SIGKILL)
    supervised.read_until("web       | started", times=2)

    assert "web       | ended with SIGKILL, starts again in 1 s" in supervised.lines
    assert supervised.children() not in ([child], [])


def test_the_last_words_come_before_the_end_is_told(run) -> None:
    supervised = run("supervisor.add(python('web', \"print('last words', end=''); exit(3)\"))\nsupervisor.run()")

    supervised.read_until("ended with status 3")

    assert supervised.lines[0] == "web       | last words"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_children_are_stopped_in_the_order_of_their_stages(run, number) -> None:
    supervised = run(
        "for stage, name in ((2, 'database'), (0, 'web'), (1, 'worker')):\n"
        "    supervisor.add(python(name, tell(name), stage=stage))\n"
        "supervisor.run()"
    )
    supervised.read_until("started", times=3)

    seconds = supervised.end(number)

    stops = [line.partition("| ")[2] for line in supervised.lines if line.endswith("stops")]
    assert stops == ["web stops", "worker stops", "database stops"]
    assert supervised.lines[-1] == "interrupted"
    assert supervised.process.returncode == 0
    assert seconds < 5
    assert supervised.children() == []


def test_a_child_that_ignores_the_signal_is_killed_at_its_deadline(run) -> None:
    supervised = run("supervisor.add(python('web', STUBBORN, stop_by=1.0))\nsupervisor.run()")
    supervised.read_until("started")

    seconds = supervised.end(signal.SIGTERM)

    assert 0.9 < seconds < 4
    assert supervised.children() == []


def test_a_second_signal_does_not_wait_for_the_deadline(run) -> None:
    supervised = run("supervisor.add(python('web', STUBBORN, stop_by=30.0))\nsupervisor.run()")
    supervised.read_until("started")

    supervised.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    seconds = supervised.end(signal.SIGINT)

    assert seconds < 5
    assert supervised.children() == []


def test_nothing_is_left_after_a_kill_of_the_supervisor(run) -> None:
    supervised = run(
        "supervisor.add(python('web', STUBBORN))\nsupervisor.add(python('worker', SLEEP))\nsupervisor.run()"
    )
    supervised.read_until("started", times=2)
    assert len(supervised.children()) == 2

    supervised.process.kill()
    supervised.process.wait()

    assert eventually(lambda: supervised.children() == [], within=5)


def test_waiting_for_a_child_that_ends_is_refused_and_stops_the_others(run) -> None:
    supervised = run(
        "supervisor.add(python('other', SLEEP))\n"
        "needed = supervisor.add(python('needed', 'raise SystemExit(\"no disk\")'))\n"
        "supervisor.wait_for(lambda: False, needs=needed)"
    )

    supervised.read_until("Unavailable: needed did not start; its lines above say why.")
    supervised.process.wait(20)

    assert "needed    | no disk" in supervised.lines
    assert supervised.process.returncode == 1
    assert supervised.children() == []


def test_a_process_that_runs_once_is_not_started_again(run) -> None:
    supervised = run(
        "supervisor.add(python('web', SLEEP))\n"
        "status = supervisor.run_once(python('migrate', 'print(\"done\"); exit(4)'))\n"
        "console.say(f'status {status}')\n"
        "supervisor.run()"
    )

    supervised.read_until("status 4")
    time.sleep(1.5)
    supervised.end(signal.SIGTERM)

    assert sum("done" in line for line in supervised.lines) == 1


def test_an_interrupt_while_a_process_runs_once_ends_it(run) -> None:
    supervised = run("supervisor.run_once(python('demo', SLEEP))")
    supervised.read_until("started")

    supervised.end(signal.SIGINT)

    assert supervised.lines[-1] == "interrupted"
    assert supervised.children() == []


def test_output_of_a_raw_child_is_passed_through(run) -> None:
    supervised = run(
        "status = supervisor.run_once(python('demo', 'print(\"as it is\")', is_shown_raw=True))\n"
        "console.say(f'status {status}')"
    )

    supervised.read_until("status 0")

    assert supervised.lines[0] == "as it is"


def test_a_hang_up_ignored_by_nohup_stays_ignored(run) -> None:
    supervised = run("supervisor.add(python('web', SLEEP))\nsupervisor.run()")
    supervised.close()
    nohup = run("pass")
    nohup.close()
    body = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN){PREAMBLE}        "
    code = f"{body}print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN){AFTERWARDS}"

    done = subprocess.run([sys.executable, "-c", code], cwd=BASE_DIR, capture_output=True, text=True, check=True)

    assert done.stdout == "True\n"
