"""Wake-ups of the relay and of the sender."""

import threading
from typing import Any

from reviewapp.cases.actions.recalls import RECALL_TASK
from reviewapp.cases.tasks import GATHERING_SECONDS, SLICE_SECONDS, drain
from reviewapp.celery import task, waker
from reviewapp.events.actions import RELAY_TASK
from reviewapp.webhooks import relay as relaying
from reviewapp.webhooks import sending, unsending

# One sender per process: it polls for what falls due while receivers answer, so a second one would only occupy the
# thread in which the relay runs.
_sender = threading.Lock()


@task(name=RELAY_TASK)
def relay(**_: Any) -> None:
    """Turn released events into deliveries."""
    drain(RELAY_TASK, relaying.relay_batch, after=GATHERING_SECONDS)


@task(name=relaying.DELIVER_TASK)
def deliver(**_: Any) -> None:
    """Send what is due."""
    waker.taken(relaying.DELIVER_TASK)
    if not _sender.acquire(blocking=False):
        return
    try:
        sending.deliver(seconds=SLICE_SECONDS)
    finally:
        _sender.release()
    if sending.is_due():
        waker.wake(relaying.DELIVER_TASK)


@task(name=RECALL_TASK)
def recall(**_: Any) -> None:
    """Bring the decisions of versions that were rolled back to people."""
    drain(RECALL_TASK, unsending.recall_batch)
