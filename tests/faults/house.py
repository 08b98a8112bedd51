"""A whole installation with a stream, an upstream system and a receiver, and what must hold in it after a fault."""

import json
import os
import signal
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any, Self

import psycopg

from reviewapp.embedded import leftovers, paths
from reviewapp.env import database
from tests.embedded.installation import MANAGE, Installation, environment, eventually
from tests.faults import processes
from tests.faults.load import Upstream
from tests.webhooks.receiver import Receiver


class House:
    """One installation at a time on one data directory and one port, with everything around it."""

    def __init__(self, data: Path, *, port: int, **env: str) -> None:
        self.data = data
        self.receiver = Receiver()
        self._begun: list[Installation] = []
        self._port, self._env = port, env

    def __enter__(self) -> Self:
        self.receiver.__enter__()
        try:
            self.open()
            self._furnish()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for installation in reversed(self._begun):
            installation.__exit__()
        self.receiver.__exit__(None, None, None)

    def _furnish(self) -> None:
        done = processes.run("furnish", "parcels", self.receiver.url, env=self._environment())
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout.splitlines()[-1])
        self.stream, self._key = told["stream"], told["key"]

    @property
    def installation(self) -> Installation:
        """The one that runs now."""
        return self._begun[-1]

    def open(self, **env: str) -> None:
        """`manage.py up`, until it is ready."""
        self._env |= env
        self._begun.append(Installation(self.data, "--port", str(self._port), **self._env).__enter__())
        self.url = self.installation.url

    def kill_supervisor(self) -> None:
        self.installation.end(signal.SIGKILL)

    def upstream(self, name: str) -> Upstream:
        return Upstream(self.url, self._key, self.stream, name=name)

    def signal_redis(self, number: signal.Signals) -> None:
        (pid,) = leftovers.running_in((self.data / "redis").resolve(), "redis-server")
        os.kill(pid, number)

    def ask(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        with self._connect() as connection:
            return connection.execute(question.encode(), values).fetchall()

    def age_leases(self) -> None:
        """Let the time be over in which a killed process could still be alive."""
        with self._connect() as connection:
            for table in ("cases_work", "webhooks_delivery"):
                aged = f"UPDATE {table} SET lease_until = clock_timestamp() WHERE lease_token IS NOT NULL"
                connection.execute(aged.encode())

    def gaps(self) -> list[Any]:
        """What `manage.py verify` finds."""
        done = subprocess.run(
            [*MANAGE, "verify", "--json"],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode in {0, 1}, done.stderr
        return [check for check in json.loads(done.stdout)["checks"] if check["count"]]

    def _environment(self) -> dict[str, str]:
        return environment(REVIEWAPP_DATA_DIR=str(self.data), WEBHOOK_ALLOW_PRIVATE="1", **self._env)

    def _connect(self) -> psycopg.Connection[Any]:
        at = database(self._env["DATABASE_URL"]) if "DATABASE_URL" in self._env else paths.postgres_conninfo(self.data)
        return psycopg.connect(
            host=at["HOST"],
            port=at["PORT"],
            user=at["USER"],
            dbname=at["NAME"],
            password=at.get("PASSWORD"),
            autocommit=True,
        )


SCORED = "SELECT count(*) FROM cases_prediction"
STATES = "SELECT external_id, state FROM cases_case WHERE external_id LIKE %s"
# One prediction each; a case that killed its workers too often has none and goes to people with the reason.
NOT_ONCE = """
SELECT c.external_id, count(p.id) FROM cases_case c LEFT JOIN cases_prediction p ON p.case_id = c.id
WHERE c.external_id LIKE %s GROUP BY c.id
HAVING count(p.id) <> 1 AND NOT EXISTS (SELECT 1 FROM cases_review r
    WHERE r.case_id = c.id AND r.reasons::jsonb @> '[{"code": "scoring_failed"}]')
"""
UNDELIVERED = """
SELECT count(*) FROM events_event e LEFT JOIN webhooks_delivery d ON d.event_id = e.id AND d.state = 'delivered'
WHERE e.type = 'decision.made' AND d.id IS NULL
"""


def wait_for_progress(house: House, upstream: Upstream) -> None:
    """Until more is sent and more is scored than now."""
    sent, ((scored,),) = len(upstream.answers), house.ask(SCORED)

    def is_further() -> bool:
        return len(upstream.answers) > sent + 3 and house.ask(SCORED) > [(scored,)]

    assert eventually(is_further, within=60), "\n".join(house.installation.lines[-200:])


def assert_nothing_failed(upstream: Upstream) -> None:
    assert {answer.status for answer in upstream.answers} <= {200, 202}


def assert_each_accepted_case_was_done_once(house: House, upstream: Upstream, name: str) -> None:
    """Every confirmed case is there, decided or waiting for people, and every decision was heard of."""
    pattern = f"{name}-%"

    def states() -> dict[str, str]:
        return dict(house.ask(STATES, pattern))

    assert eventually(lambda: "scoring" not in states().values(), within=90)
    assert upstream.accepted <= set(states())
    assert set(states().values()) == {"decided", "in_review"}
    assert house.ask(NOT_ONCE, pattern) == []
    assert eventually(lambda: house.ask(UNDELIVERED) == [(0,)], within=90)
    assert house.gaps() == []
    assert_receiver_heard_of(house.receiver, {name for name, state in states().items() if state == "decided"})


def assert_receiver_heard_of(receiver: Receiver, decided: set[str]) -> None:
    """Of each decided case exactly one message came, repeated under its own id and word for word if at all."""
    ids: dict[str, set[str]] = defaultdict(set)
    bodies: dict[str, set[bytes]] = defaultdict(set)
    with receiver.lock:
        received = list(receiver.received)
    for one in received:
        ids[json.loads(one.body)["data"]["external_id"]].add(one.headers["webhook-id"])
        bodies[one.headers["webhook-id"]].add(one.body)
    assert decided <= set(ids)
    assert [names for names in ids.values() if len(names) != 1] == []
    assert [versions for versions in bodies.values() if len(versions) != 1] == []
