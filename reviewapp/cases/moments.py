"""Moments in ids and manifests.

Ids follow time (UUID 7): a moment bounds a walk over a primary key, where no index by time is needed.
"""

from datetime import UTC, datetime, time, timedelta
from uuid import UUID

# The ids are drawn by the clocks of the processes that write, the moments by the database's.
CLOCKS_APART = timedelta(minutes=5)


def first_id_at(moment: datetime) -> UUID:
    """No row written at the moment or later has a smaller id, as long as the clocks agree within five minutes."""
    # Ids count from 1970 on; an earlier moment, such as the first that a calendar knows, is before them all.
    milliseconds = int((moment.timestamp() - CLOCKS_APART.total_seconds()) * 1000)
    return UUID(int=max(milliseconds, 0) << 80)


def moment_of(written: object) -> datetime | None:
    """A time as a manifest gives it; a day alone means all of it, and no time zone UTC."""
    try:
        moment = datetime.fromisoformat(str(written))
    except ValueError:
        return None
    if len(str(written)) <= len("2026-01-01"):
        moment = datetime.combine(moment, time.max)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
