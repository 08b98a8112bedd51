"""A clock that a trial sets: days pass in the database and in the ids of rows while the machine works for seconds.

PostgreSQL looks a function up along the search path. With a schema of its own before its catalogue, whatever the
product asks of the database's clock is answered by the trial's, and no statement of the product is written twice.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import uuid_utils
import uuid_utils.compat
from django.db import connection
from django.db.backends.signals import connection_created

SCHEMA = "trial"
SETTING = "trial.now"
# Of PostgreSQL's clocks those that are called like functions.
_CLOCKS = {
    "now": "STABLE",
    "statement_timestamp": "STABLE",
    "transaction_timestamp": "STABLE",
    "clock_timestamp": "VOLATILE",
}
_PATH = f"SET search_path = {SCHEMA}, pg_catalog, public"
_MAKER = "uuid7"
_DEFAULTS = """
SELECT c.oid::regclass::text, a.attname FROM pg_attrdef d
JOIN pg_class c ON c.oid = d.adrelid JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE pg_get_expr(d.adbin, d.adrelid) ILIKE '%statement_timestamp()' ORDER BY 1, 2
"""


class Clock:
    """The time of a trial: it stands still until it is set, and is never set back."""

    def __init__(self, start: datetime) -> None:
        self.now = start
        self._last = 0

    @contextmanager
    def running(self) -> Iterator["Clock"]:
        """The database of this process and the ids that it draws follow the clock.

        Only for a database that nobody else uses: columns that default to the time keep the trial's as their default.
        """
        self._install()

        def on_connection(**_: Any) -> None:
            self._attach()

        connection_created.connect(on_connection, weak=False)
        makers = (uuid_utils, uuid_utils.compat)
        before = [getattr(maker, _MAKER) for maker in makers]
        for maker in makers:
            setattr(maker, _MAKER, self.id)
        try:
            yield self
        finally:
            for maker, make in zip(makers, before, strict=True):
                setattr(maker, _MAKER, make)
            connection_created.disconnect(on_connection)

    def set(self, moment: datetime) -> None:
        """Raises ValueError for a moment before the present one."""
        if moment < self.now:
            raise ValueError("A trial's clock is never set back.")
        self.now = moment
        self._attach()

    def id(self, *_: Any, **__: Any) -> UUID:
        """A UUID 7 of the clock's time, larger than every one before it."""
        # 48 bits of milliseconds and 74 of a counter; version and variant lie between them.
        self._last = max(self._last + 1, int(self.now.timestamp() * 1000) << 74)
        moment, counter = self._last >> 74, self._last & ((1 << 74) - 1)
        return UUID(int=moment << 80 | 7 << 76 | (counter >> 62) << 64 | 0b10 << 62 | counter & ((1 << 62) - 1))

    def _attach(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_PATH)
            cursor.execute("SELECT set_config(%s, %s, false)", [SETTING, self.now.isoformat()])

    def _install(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA {SCHEMA}")
            for name, volatility in _CLOCKS.items():
                cursor.execute(
                    f"CREATE FUNCTION {SCHEMA}.{name}() RETURNS timestamptz LANGUAGE sql {volatility} "
                    f"AS $$SELECT current_setting('{SETTING}')::timestamptz$$"
                )
        self._attach()
        with connection.cursor() as cursor:
            cursor.execute(_DEFAULTS)
            for table, column in cursor.fetchall():
                # A default knows its function by number: it is looked up anew along the path.
                cursor.execute(f'ALTER TABLE {table} ALTER COLUMN "{column}" SET DEFAULT statement_timestamp()')
