"""Waiting for what other processes do, with a bar that shows how far they are."""

import time
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from reviewapp.monitoring.demo.sending import Refused

# A process that starts cold loads its libraries first.
PATIENCE = 90.0
PAUSE = 0.2


def bar(label: str, total: int) -> "tqdm[Any]":
    """A progress bar on stderr; nothing where nobody watches."""
    return tqdm(total=total, desc=f"{label:<26}", unit=" cases", disable=None, leave=True)


def wait_until_done(label: str, *, total: int, left: Callable[[], int], by: str) -> None:
    """Turn until nothing is left; refuse when nothing has moved for long."""
    remaining, moved = left(), time.monotonic()
    with bar(label, total) as shown:
        shown.update(total - remaining)
        while remaining:
            if time.monotonic() - moved > PATIENCE:
                raise Refused(
                    f"{label}: {remaining} of {total} wait, and for {PATIENCE:.0f} s nothing moved; "
                    f"look at the lines of the {by} process."
                )
            time.sleep(PAUSE)
            now_left = left()
            if now_left < remaining:
                moved = time.monotonic()
                shown.update(remaining - now_left)
                remaining = now_left
