"""One way to break each constraint: an existing row, copied with changes that the database must refuse."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, models
from django.db.models import NOT_PROVIDED


@dataclass(frozen=True)
class Violation:
    """Copying `row` with `changes` breaks a constraint.

    A change may name another row of the world with `row:name`, or its primary key with `key:name`. `without` drops
    constraints that say the same and would answer first; `by` is the one that answers where this one is not reached.
    """

    row: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    by: str | None = None

    def commit(self, world: Mapping[str, models.Model]) -> None:
        row = world[self.row]
        table = connection.ops.quote_name(row._meta.db_table)
        # What the making of the world left to check would forbid to alter the table.
        connection.check_constraints()
        with connection.cursor() as cursor:
            for name in self.without:
                cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {connection.ops.quote_name(name)}")
        changes = {name: _resolved(value, world) for name, value in self.changes.items()}
        copied(row, **changes).save(force_insert=True)
        connection.check_constraints()


def _resolved(value: Any, world: Mapping[str, models.Model]) -> Any:
    kind, _, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if kind == "row":
        return world[name]
    return world[name].pk if kind == "key" else value


def broken(row: str, **changes: Any) -> Violation:
    return Violation(row, changes)


def copied(row: models.Model, **changes: Any) -> models.Model:
    """An unsaved row with the same content; what the database fills in is left to it."""
    copy = type(row)(
        **{
            one.attname: getattr(row, one.attname)
            for one in row._meta.concrete_fields
            if not one.primary_key and one.db_default is NOT_PROVIDED
        }
    )
    for name, value in changes.items():
        setattr(copy, name, value)
    return copy
