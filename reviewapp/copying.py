"""COPY into tables: the fastest way to write the rows of a batch."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import uuid_utils
from django.db import connection


def copy_rows(table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
    """Append rows in the present transaction; `columns` names them, separated by commas.

    Values are what PostgreSQL reads as text; None is NULL. Raises Django's database errors, as every statement does.
    """
    with (
        connection.cursor() as cursor,
        # Django wraps the cursor's own methods only; `copy` is psycopg's.
        connection.wrap_database_errors,
        cursor.copy(f'COPY "{table}" ({columns}) FROM STDIN') as copy,
    ):
        for row in rows:
            copy.write_row([render(value) if (render := _RENDER.get(type(value))) else value for value in row])


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
