"""Runs of the model, one at a time: whatever has come while one was under way is scored together by the next.

Nothing ever waits for a batch to fill. A run that is over in a few milliseconds is made between two turns of the
event loop, because handing it to a thread would cost more; a longer one is made beside it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from inference.decode import Feeds
from inference.serve.answers import Answers, Found
from inference.session import DEFAULT_TIMEOUT_S, RunTimedOut

logger = logging.getLogger(__name__)

# The loop may be kept from its connections for that long.
INLINE_SECONDS = 0.004


@dataclass(slots=True)
class Batch:
    """The rows of one request, and who is told what became of them."""

    feeds: Feeds
    rows: int
    outputs: Sequence[str]
    answered: Callable[[Found | Exception], None]


@dataclass
class Tally:
    """What has been run since the start."""

    runs: int = 0
    rows: int = 0
    failures: int = 0
    seconds: float = 0.0


@dataclass
class Scorer:
    """Everything that is to be scored passes here; used from one event loop only."""

    answers: Answers
    batch_rows: int
    timeout_s: float = DEFAULT_TIMEOUT_S
    tally: Tally = field(default_factory=Tally)
    waiting_rows: int = 0

    def __post_init__(self) -> None:
        self._waiting: deque[Batch] = deque()
        self._is_due = False
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference-run")
        self._seconds_per_row = self.answers.model.seconds_per_row

    def submit(self, batch: Batch) -> None:
        """Have it scored with all that come in the same turn of the loop, or while the model is busy."""
        self._waiting.append(batch)
        self.waiting_rows += batch.rows
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._next)

    def close(self) -> None:
        self._thread.shutdown(wait=False)

    def _next(self) -> None:
        batches = self._take()
        rows = sum(batch.rows for batch in batches)
        if rows * self._seconds_per_row <= INLINE_SECONDS:
            self._done(batches, self._run(batches))
            return
        run = self._loop.run_in_executor(self._thread, self._run, batches)
        run.add_done_callback(lambda done: self._done(batches, done.result()))

    def _take(self) -> list[Batch]:
        """The oldest, and as many after it as fit beside it."""
        taken = [self._waiting.popleft()]
        rows = taken[0].rows
        while self._waiting and rows + self._waiting[0].rows <= self.batch_rows:
            taken.append(self._waiting.popleft())
            rows += taken[-1].rows
        self.waiting_rows -= rows
        return taken

    def _done(self, batches: Sequence[Batch], results: Sequence[Found | Exception]) -> None:
        if self._waiting:
            self._loop.call_soon(self._next)
        else:
            self._is_due = False
        for batch, result in zip(batches, results, strict=True):
            batch.answered(result)

    def _run(self, batches: Sequence[Batch]) -> Sequence[Found | Exception]:
        """One result per batch; a request that spoils a common run fails alone."""
        started = self._loop.time()
        try:
            return self._together(batches)
        except RunTimedOut as error:
            return [error] * len(batches)
        except Exception as error:  # the runtime raises types of its own, none of them public
            if len(batches) > 1:
                return [self._run([batch])[0] for batch in batches]
            self.tally.failures += 1
            logger.warning("serve.run_failed rows=%d", batches[0].rows, exc_info=True)
            return [error]
        finally:
            self.tally.runs += 1
            self.tally.seconds += self._loop.time() - started

    def _together(self, batches: Sequence[Batch]) -> list[Found | Exception]:
        if len(batches) == 1:
            (batch,) = batches
            found: list[Found | Exception] = [
                self.answers.compute(batch.feeds, batch.outputs, timeout_s=self.timeout_s)
            ]
        else:
            feeds = {name: np.concatenate([batch.feeds[name] for batch in batches]) for name in batches[0].feeds}
            wanted = {name for batch in batches for name in batch.outputs}
            whole = self.answers.compute(feeds, tuple(wanted), timeout_s=self.timeout_s)
            found, start = [], 0
            for batch in batches:
                part = slice(start, start + batch.rows)
                found.append({name: whole[name][part] for name in batch.outputs})
                start += batch.rows
        self.tally.rows += sum(batch.rows for batch in batches)
        return found
