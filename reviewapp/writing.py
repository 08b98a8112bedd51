"""Many rows, or few statements: what a batch writes costs as few trips to the database as can be."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import uuid_utils
from django.db import connection

# Up to here one INSERT is quicker than a COPY, which takes trips of its own and cannot be sent with other statements.
FEW = 8


def write_rows(table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
    """Append rows in the present transaction; `columns` names them, separated by commas.

    Values are what PostgreSQL reads as text; None is NULL. Raises Django's database errors, as every statement does;
    within `together` only the end of the block tells of them.
    """
    rendered = [[render(value) if (render := _RENDER.get(type(value))) else value for value in row] for row in rows]
    if not rendered:
        return
    if len(rendered) > FEW:
        _copy(table, columns, rendered)
        return
    places = "(" + ", ".join(["%s"] * len(rendered[0])) + ")"
    statement = f'INSERT INTO "{table}" ({columns}) VALUES {", ".join([places] * len(rendered))}'  # noqa: S608 our own
    execute(statement, [value for row in rendered for value in row])


def _copy(table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
    with (
        connection.cursor() as cursor,
        # Django wraps the cursor's own methods only; `copy` is psycopg's.
        connection.wrap_database_errors,
        cursor.copy(f'COPY "{table}" ({columns}) FROM STDIN') as copy,
    ):
        for row in rows:
            copy.write_row(row)


def execute(statement: str, values: Sequence[Any] | dict[str, Any]) -> psycopg.Cursor[Any]:
    """Run a statement that this connection has prepared; the cursor holds its answer.

    For statements that run for every batch: reading and planning them costs more than what they do.
    """
    with connection.wrap_database_errors:
        return psycopg.Cursor(_driver()).execute(statement, values, prepare=True)


@contextmanager
def together(number: int) -> Iterator[None]:
    """Statements of the block go out without waiting for one another's answers; with many rows, one by one.

    `number` is how many rows the block writes at most into one table.
    """
    if number > FEW:
        yield
        return
    with connection.wrap_database_errors, _driver().pipeline():
        yield


def _driver() -> psycopg.Connection[Any]:
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    driver: psycopg.Connection[Any] = connection.connection
    return driver


def fresh_id() -> str:
    """The id of a new row (UUID 7) as text: a UUID object costs ten times as much to make and to write."""
    return str(uuid_utils.uuid7())


def array(values: Iterable[int | str | UUID]) -> str:
    """Numbers or ids as the text of an array, for a parameter that the statement casts."""
    return "{" + ",".join(map(str, values)) + "}"


def _numbers(values: list[Any]) -> Any:
    """An array of floats as PostgreSQL writes it; other lists are left to psycopg, which knows how to quote."""
    if all(type(value) is float for value in values):
        return "{" + ",".join(map(repr, values)) + "}"
    return values


# psycopg converts these in Python: five times what the rest of a row costs.
_RENDER: dict[type, Callable[[Any], Any]] = {
    UUID: lambda value: f"{value.int:032x}",
    datetime: datetime.isoformat,
    list: _numbers,
}
