"""Work: rows claimed under a lease, finished by deleting them, freed when their holder died."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from django.db import connection

from reviewapp.writing import array, execute

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 3
BACK_OFF = timedelta(seconds=2)
# A row that a person is waiting for.
URGENT = 100


@dataclass(slots=True)
class Claimed:
    """One row of work under lease. `attempts` counts this claim: a process that dies while working is counted too."""

    id: int
    subject: str
    generation: int
    attempts: int
    traceparent: str


@dataclass(frozen=True, slots=True)
class Lease:
    token: UUID
    rows: tuple[Claimed, ...]

    @property
    def ids(self) -> list[int]:
        return [row.id for row in self.rows]


# The claim need not survive a crash of the database: nothing is lost with a lease. So nobody waits for the disk.
_CLAIM = """
UPDATE cases_work
SET lease_token = %(token)s, lease_until = clock_timestamp() + make_interval(secs => %(lease)s), attempts = attempts + 1
WHERE id = ANY(ARRAY(
    SELECT id FROM cases_work
    WHERE kind = %(kind)s AND lease_token IS NULL AND NOT is_dead AND run_after <= clock_timestamp()
    ORDER BY priority DESC, id
    LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
))
RETURNING id, subject, generation, attempts, traceparent, set_config('synchronous_commit', 'off', true)
"""


def claim(*, kind: str, limit: int) -> Lease:
    """Take up to `limit` ready rows of a kind, the urgent and the oldest first. An empty lease: nothing to do.

    Call it outside a transaction: the one it runs in does not wait for the disk.
    """
    token = uuid4()
    found = execute(_CLAIM, {"token": token, "lease": LEASE.total_seconds(), "kind": kind, "limit": limit})
    rows = [Claimed(*row[:-1]) for row in found]
    # RETURNING keeps no order, and the order of arrival is the order of the results.
    rows.sort(key=lambda row: row.id)
    return Lease(token, tuple(rows))


def finish(*, token: UUID, ids: Sequence[int]) -> set[int]:
    """Delete finished rows that are still ours; call it in the transaction that writes their results.

    The answer names the rows whose results may be written: a row whose lease was lost belongs to another worker.
    """
    finished = execute(
        "DELETE FROM cases_work WHERE id = ANY(%s::bigint[]) AND lease_token = %s RETURNING id", [array(ids), token]
    )
    return {row[0] for row in finished}


def give_back(
    *, token: UUID, ids: Sequence[int], error: str = "", wait: timedelta = timedelta(0), is_try: bool = True
) -> None:
    """Return rows unfinished, to be tried again after `wait`; `is_try=False` takes the attempt off the count."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE cases_work SET lease_token = NULL, lease_until = NULL, last_error = %s, "
            "attempts = attempts - %s, run_after = clock_timestamp() + make_interval(secs => %s) "
            "WHERE id = ANY(%s) AND lease_token = %s",
            [error[:500], 0 if is_try else 1, wait.total_seconds(), list(ids), token],
        )


def free_expired() -> int:
    """Return the rows whose holder stopped showing signs of life."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE cases_work SET lease_token = NULL, lease_until = NULL, last_error = 'lease expired' "
            "WHERE lease_token IS NOT NULL AND lease_until < clock_timestamp()"
        )
        return int(cursor.rowcount)


def extend(*, token: UUID) -> None:
    """A sign of life from the holder of a lease."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE cases_work SET lease_until = clock_timestamp() + make_interval(secs => %s) WHERE lease_token = %s",
            [LEASE.total_seconds(), token],
        )


def add(*, kind: str, subjects: Iterable[str], generation: int = 1, priority: int = 0, traceparent: str = "") -> None:
    """Ask for work; asking twice for the same is asking once, at the higher priority."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO cases_work (kind, subject, generation, priority, attempts, is_dead, last_error, traceparent) "
            "VALUES (%s, %s, %s, %s, 0, false, '', %s) "
            "ON CONFLICT (kind, subject, generation) DO UPDATE SET priority = excluded.priority "
            "WHERE cases_work.priority < excluded.priority",
            [(kind, subject, generation, priority, traceparent) for subject in subjects],
        )


def hurry(*, kind: str, subject: str) -> bool:
    """Put waiting work before everything else of its kind: a person is looking at it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE cases_work SET priority = %s WHERE kind = %s AND subject = %s AND lease_token IS NULL "
            "AND priority < %s",
            [URGENT, kind, subject, URGENT],
        )
        return bool(cursor.rowcount)
