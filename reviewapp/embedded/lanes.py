"""The sweeper's lanes: what it wakes, and what it does itself while the broker is away."""

import time
from collections.abc import Callable
from datetime import timedelta

from django.db import connection

from reviewapp.cases.actions import (
    back_testing,
    checking,
    claims,
    embedding,
    explaining,
    recalls,
    replaying,
    scoring,
    shadowing,
    work,
)
from reviewapp.cases.actions.intake import INFERENCE_TASK
from reviewapp.cases.actions.routing import EXPLAIN_TASK
from reviewapp.cases.models import Work
from reviewapp.events.actions import RELAY_TASK
from reviewapp.monitoring import jobs
from reviewapp.monitoring.sweeper import Lane
from reviewapp.monitoring.tasks import JOBS_TASK
from reviewapp.webhooks import claiming, relay, sending, unsending

# Fresh work has its own wake-up under way.
PATIENCE = timedelta(seconds=2)
SLICE_SECONDS = 5.0


def work_waits(*kinds: str) -> bool:
    """Whether work of these kinds has been ready for longer than a wake-up takes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM cases_work WHERE kind = ANY(%s) AND lease_token IS NULL "
            "AND NOT is_dead AND run_after <= clock_timestamp() - make_interval(secs => %s))",
            [list(kinds), PATIENCE.total_seconds()],
        )
        return bool(cursor.fetchone()[0])


def slice_of(one_batch: Callable[[], int]) -> None:
    """Batches until none is left or the other lanes of the crew want their turn."""
    end = time.monotonic() + SLICE_SECONDS
    while one_batch() and time.monotonic() < end:
        pass


LANES = (
    Lane(
        task=INFERENCE_TASK,
        crew="models",
        is_due=lambda: work_waits(Work.Kind.SCORE, Work.Kind.SHADOW),
        drain=lambda: slice_of(lambda: scoring.score_batch() or shadowing.shadow_batch()),
        free=work.free_expired,
    ),
    Lane(
        task=EXPLAIN_TASK,
        crew="models",
        is_due=lambda: work_waits(Work.Kind.EXPLAIN, Work.Kind.EMBED),
        drain=lambda: slice_of(lambda: explaining.explain_batch() or embedding.embed_batch()),
        free=claims.free_expired,
    ),
    Lane(
        task=replaying.REPLAY_TASK,
        crew="models",
        is_due=lambda: work_waits(Work.Kind.REPLAY),
        drain=lambda: slice_of(replaying.replay_batch),
    ),
    Lane(
        task=checking.CHECK_TASK,
        crew="checks",
        is_due=lambda: work_waits(Work.Kind.CHECK_BUNDLE),
        drain=lambda: slice_of(checking.check_batch),
    ),
    Lane(
        task=RELAY_TASK,
        crew="webhooks",
        is_due=relay.is_due,
        drain=lambda: slice_of(relay.relay_batch),
    ),
    Lane(
        task=relay.DELIVER_TASK,
        crew="webhooks",
        is_due=sending.is_due,
        drain=lambda: sending.deliver(seconds=SLICE_SECONDS),
        free=claiming.free_expired,
    ),
    Lane(
        task=recalls.RECALL_TASK,
        crew="jobs",
        is_due=recalls.is_due,
        drain=lambda: slice_of(unsending.recall_batch),
    ),
    Lane(
        task=back_testing.BACK_TEST_TASK,
        crew="jobs",
        is_due=back_testing.is_due,
        drain=lambda: slice_of(back_testing.run_waiting),
    ),
    Lane(task=JOBS_TASK, crew="jobs", is_due=jobs.any_due, drain=jobs.run_due),
)
