"""Backlogs: what the product wrote, kept as COPY text, and put back as often as a measurement needs it."""

from dataclasses import dataclass
from typing import Any

import psycopg

# What intake writes; each is read in the order of the cases.
INTAKE = {
    "cases_case": "id",
    "cases_caseinput": "case_id",
    "events_event": "case_id",
    "cases_work": "id",
}
VACUUMED = ", ".join(INTAKE)


@dataclass(frozen=True)
class Backlog:
    """The rows of cases that wait for their score, as bytes that COPY reads; one per row and table."""

    rows: dict[str, list[bytes]]
    columns: dict[str, str]

    def __len__(self) -> int:
        return len(self.rows["cases_case"])


def read(connection: psycopg.Connection[Any]) -> Backlog:
    """Everything that intake has written and nothing has scored yet."""
    rows, columns = {}, {}
    for table, order in INTAKE.items():
        columns[table] = _columns(connection, table)
        condition = "WHERE type = 'case.received'" if table == "events_event" else ""
        question = f"COPY (SELECT {columns[table]} FROM {table} {condition} ORDER BY {order}) TO STDOUT"
        with connection.cursor().copy(question.encode()) as copy:
            rows[table] = b"".join(bytes(block) for block in copy).splitlines(keepends=True)
    return Backlog(rows, columns)


def _columns(connection: psycopg.Connection[Any], table: str) -> str:
    """All but the number that the database draws, so that rows put back queue up anew."""
    found = connection.execute(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attidentity = ''",
        [table],
    ).fetchone()
    assert found is not None
    return str(found[0])


def write(connection: psycopg.Connection[Any], backlog: Backlog, *, batch: int | None = None) -> None:
    """Put the rows back, `batch` cases to a transaction, table after table as intake does."""
    step = batch or len(backlog)
    for start in range(0, len(backlog), step):
        with connection.transaction():
            for table in INTAKE:
                question = f"COPY {table} ({backlog.columns[table]}) FROM STDIN"
                with connection.cursor().copy(question.encode()) as copy:
                    copy.write(b"".join(backlog.rows[table][start : start + step]))


def clear(connection: psycopg.Connection[Any]) -> None:
    """Forget all cases; streams, models, policies and people stay."""
    while True:
        try:
            connection.execute("TRUNCATE cases_case, cases_work, events_event CASCADE")
            return
        except psycopg.errors.DeadlockDetected:  # workers look into these tables in an order of their own
            continue


def settle(connection: psycopg.Connection[Any]) -> None:
    """VACUUM ANALYZE what was filled and only that: an empty table's statistics make bad plans for its foreign keys."""
    connection.execute(f"VACUUM ANALYZE {VACUUMED}")
