"""Wake-ups: each looks in the table until nothing is left, and returns in time for a soft shutdown."""

import time
from collections.abc import Callable
from typing import Any

from reviewapp.cases.actions import embedding, explaining, scoring
from reviewapp.cases.actions.intake import INFERENCE_TASK
from reviewapp.cases.actions.routing import EXPLAIN_TASK
from reviewapp.celery import task, waker

SLICE_SECONDS = 20.0


def drain(name: str, one_batch: Callable[[], int]) -> None:
    """Run batches until none is left or the slice of time is used; then ask for another slice."""
    waker.taken(name)
    end = time.monotonic() + SLICE_SECONDS
    while one_batch():
        if time.monotonic() > end:
            waker.wake(name)
            return


@task(name=INFERENCE_TASK)
def drain_inference(**_: Any) -> None:
    """Score what waits."""
    drain(INFERENCE_TASK, scoring.score_batch)


@task(name=EXPLAIN_TASK)
def drain_explain(**_: Any) -> None:
    """Explain what people will look at, then place settled cases among the precedents."""
    drain(EXPLAIN_TASK, lambda: explaining.explain_batch() or embedding.embed_batch())
