"""Damage that the database itself would refuse, done behind its back inside a test's transaction."""

from typing import Any

from django.db import connection


def unguard(*tables: str) -> None:
    """Take the triggers, constraints and unique indexes off tables; the test's rollback brings them back."""
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    for table in tables:
        execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for holder, name in query(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint "
            "WHERE contype IN ('f', 'u', 'c') AND (conrelid = %s::regclass OR confrelid = %s::regclass) "
            "ORDER BY contype <> 'f'",
            [table, table],
        ):
            execute(f'ALTER TABLE {holder} DROP CONSTRAINT IF EXISTS "{name}" CASCADE')
        for (name,) in query(
            "SELECT indexrelid::regclass::text FROM pg_index "
            "WHERE indrelid = %s::regclass AND indisunique AND NOT indisprimary",
            [table],
        ):
            execute(f"DROP INDEX IF EXISTS {name} CASCADE")


def execute(sql: str, params: list[Any] | None = None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def query(sql: str, params: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()
