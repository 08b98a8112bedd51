"""Wake-ups: each looks in the table until nothing is left, and returns in time for a soft shutdown."""

import time
from collections.abc import Callable
from typing import Any

from reviewapp.cases.actions import (
    back_testing,
    checking,
    embedding,
    explaining,
    replaying,
    scoring,
    shadowing,
    warming,
)
from reviewapp.cases.actions.back_testing import BACK_TEST_TASK
from reviewapp.cases.actions.checking import CHECK_TASK
from reviewapp.cases.actions.intake import INFERENCE_TASK
from reviewapp.cases.actions.replaying import REPLAY_TASK
from reviewapp.cases.actions.routing import EXPLAIN_TASK
from reviewapp.celery import task, waker

SLICE_SECONDS = 20.0
# What nobody waits for to the millisecond gathers a moment: one run for ten cases costs little more than for one.
GATHERING_SECONDS = 0.05
# Cases seldom come alone. For a moment it is cheaper to look again than to be woken again.
LINGERING_SECONDS = 0.1
LOOK_EVERY = 0.005


def drain(name: str, one_batch: Callable[[], int], *, after: float = 0.0, linger: float = 0.0) -> None:
    """Run batches until none is left or the slice of time is used; then ask for another slice.

    It begins after `after` seconds, for what is committed meanwhile needs no wake-up of its own, and it looks again
    until nothing came for `linger` seconds.
    """
    time.sleep(after)
    waker.taken(name)
    found_at = time.monotonic()
    end = found_at + SLICE_SECONDS
    while True:
        if one_batch():
            found_at = time.monotonic()
        elif time.monotonic() >= found_at + linger:
            return
        else:
            time.sleep(LOOK_EVERY)
        if time.monotonic() > end:
            waker.wake(name)
            return


@task(name=INFERENCE_TASK)
def drain_inference(**_: Any) -> None:
    """Score what waits, then let the shadows see it, then keep warm what may be needed next."""
    drain(
        INFERENCE_TASK,
        lambda: scoring.score_batch() or shadowing.shadow_batch() or warming.warm_one(),
        linger=LINGERING_SECONDS,
    )


@task(name=EXPLAIN_TASK)
def drain_explain(**_: Any) -> None:
    """Explain what people will look at, then place settled cases among the precedents."""
    drain(EXPLAIN_TASK, lambda: explaining.explain_batch() or embedding.embed_batch(), after=GATHERING_SECONDS)


@task(name=REPLAY_TASK)
def drain_replays(**_: Any) -> None:
    """Replay the predictions that somebody wants to see made again."""
    drain(REPLAY_TASK, replaying.replay_batch)


@task(name=CHECK_TASK)
def drain_checks(**_: Any) -> None:
    """Check the models that were uploaded."""
    drain(CHECK_TASK, checking.check_batch)


@task(name=BACK_TEST_TASK)
def run_back_tests(**_: Any) -> None:
    """Replay policy versions on past periods."""
    drain(BACK_TEST_TASK, back_testing.run_waiting)
