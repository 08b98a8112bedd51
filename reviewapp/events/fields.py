from typing import Any

from django.db import models


class CurrentTransaction(models.Func):
    """pg_current_xact_id(): the id of the transaction that writes the row."""

    function = "pg_current_xact_id"
    template = "%(function)s()"

    def __init__(self, **extra: Any) -> None:
        super().__init__(output_field=TransactionIdField(), **extra)


class TransactionIdField(models.Field):
    """PostgreSQL's 64-bit transaction id (xid8): the feeds' cursor, so that a slow transaction is never skipped."""

    def db_type(self, connection: Any) -> str:  # noqa: ARG002
        return "xid8"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> int | None:  # noqa: ARG002
        return None if value is None else int(value)
