"""The periodic jobs, run by a worker when the sweeper says that it is time."""

from typing import Any

from reviewapp.celery import task, waker
from reviewapp.monitoring import jobs

JOBS_TASK = "monitoring.run_jobs"


@task(name=JOBS_TASK)
def run_jobs(**_: Any) -> None:
    """Run the jobs whose turn it is."""
    waker.taken(JOBS_TASK)
    jobs.run_due()
