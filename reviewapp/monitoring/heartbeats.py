"""Signs of life: a row per process, which outlives the broker."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from django.db import connection


def beat(*, process: str, detail: Mapping[str, Any] | None = None) -> None:
    """A process is alive now, by the database's clock, and what it last finished."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO monitoring_heartbeat (process, beat_at, detail) VALUES (%s, clock_timestamp(), %s::jsonb) "
            "ON CONFLICT (process) DO UPDATE SET beat_at = excluded.beat_at, detail = excluded.detail",
            [process, msgspec.json.encode(detail or {}).decode()],
        )


def age(process: str) -> timedelta | None:
    """How long ago a process gave its last sign; None when it never did."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp() - beat_at FROM monitoring_heartbeat WHERE process = %s", [process])
        row = cursor.fetchone()
    return row[0] if row else None


def take_turn(*, process: str, every: timedelta) -> bool:
    """Whether `every` has passed since the last turn; of several who ask, one gets it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO monitoring_heartbeat AS h (process, beat_at, detail) "
            "VALUES (%s, clock_timestamp(), '{}') "
            "ON CONFLICT (process) DO UPDATE SET beat_at = excluded.beat_at "
            "WHERE h.beat_at <= clock_timestamp() - make_interval(secs => %s)",
            [process, every.total_seconds()],
        )
        return cursor.rowcount == 1
