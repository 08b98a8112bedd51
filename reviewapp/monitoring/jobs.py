"""What is done again and again, as a table; the sweeper sees to it that each job gets its turn."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.apps import apps
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection

from reviewapp.cases.actions import (
    audit_rates,
    caching,
    certifying,
    evidence,
    guards,
    overdue,
    retired_spaces,
    shadowing,
    spaces,
)
from reviewapp.gating.actions import breakers
from reviewapp.monitoring import alerts, gate_alerts, heartbeats, metrics

log = structlog.get_logger(__name__)

KEYS_KEPT = timedelta(days=30)
CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Job:
    """A periodic job; `run` may be repeated at any time."""

    name: str
    every: timedelta
    run: Callable[[], Any]

    @property
    def process(self) -> str:
        return f"job:{self.name}"


def forget_idempotency_keys() -> int:
    """Delete stored answers older than 30 days; by then a repetition is a new request."""
    table = apps.get_model("api", "IdempotencyKey")._meta.db_table
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} "  # noqa: S608 a table's own name
                "WHERE created_at < clock_timestamp() - make_interval(secs => %s) LIMIT %s)",
                [KEYS_KEPT.total_seconds(), CHUNK],
            )
            deleted += cursor.rowcount
            if cursor.rowcount < CHUNK:
                return deleted


def clear_sessions() -> None:
    """Delete the sessions that have expired."""
    SessionStore.clear_expired()


JOBS = (
    Job("metrics", timedelta(seconds=15), metrics.snapshot),
    Job("canary_guards", timedelta(seconds=15), guards.evaluate_all),
    Job("alerts", timedelta(seconds=15), alerts.refresh),
    Job("shadows", timedelta(minutes=1), shadowing.drop_overdue),
    Job("vectors", timedelta(seconds=5), spaces.rebuild),
    Job("retired_vectors", timedelta(minutes=1), retired_spaces.drop),
    Job("audit_rates", timedelta(minutes=10), audit_rates.set_rates),
    Job("late_evidence", timedelta(minutes=5), evidence.catch_up),
    Job("overdue_readings", timedelta(hours=1), overdue.mark_overdue),
    Job("breakers", timedelta(seconds=30), breakers.watch_all),
    Job("certificates", timedelta(minutes=2), certifying.look_all),
    Job("gate_alerts", timedelta(minutes=1), gate_alerts.keep),
    Job("promises", timedelta(hours=1), gate_alerts.keep_promises),
    Job("cached_results", timedelta(hours=1), caching.drop_old),
    Job("idempotency_keys", timedelta(hours=1), forget_idempotency_keys),
    Job("sessions", timedelta(days=1), clear_sessions),
)


def any_due() -> bool:
    """Whether a job waits for its turn."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM unnest(%s::text[], %s::float[]) AS job(process, every) "
            "LEFT JOIN monitoring_heartbeat h ON h.process = job.process "
            "WHERE h.beat_at IS NULL OR h.beat_at <= clock_timestamp() - make_interval(secs => job.every))",
            [[job.process for job in JOBS], [job.every.total_seconds() for job in JOBS]],
        )
        return bool(cursor.fetchone()[0])


def run_due() -> int:
    """Run the jobs whose turn it is; one that fails is logged and waits for its next turn."""
    turns = 0
    for job in JOBS:
        if heartbeats.take_turn(process=job.process, every=job.every):
            turns += 1
            try:
                job.run()
            except Exception:
                log.exception("job.failed", job=job.name)
    return turns
