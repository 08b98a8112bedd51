"""Waiting, in a test of a race, until the other side really waits."""

import time

from django.db import connection


def wait_for_a_waiter() -> None:
    """Return as soon as some transaction waits for a lock that another one holds."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waited for a lock")
