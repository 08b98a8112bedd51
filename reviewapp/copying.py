"""COPY into tables: the fastest way to write the rows of a batch."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection


def copy_rows(table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
    """Append rows in the present transaction; `columns` names them, separated by commas. Values are what PostgreSQL reads as text; None is NULL.

    Raises Django's database errors, as every other statement does.
    """
    with (
        connection.cursor() as cursor,
        # Django wraps the cursor's own methods only; `copy` is psycopg's.
        connection.wrap_database_errors,
        cursor.copy(f'COPY "{table}" ({columns}) FROM STDIN') as copy,
    ):
        for row in rows:
            copy.write_row(row)
