"""Ids follow time (UUID 7): a moment bounds a walk over a primary key, where no index by time is needed."""

from datetime import datetime, timedelta
from uuid import UUID

# The ids are drawn by the clocks of the processes that write, the moments by the database's.
CLOCKS_APART = timedelta(minutes=5)


def first_id_at(moment: datetime) -> UUID:
    """No row written at the moment or later has a smaller id, as long as the clocks agree within five minutes."""
    milliseconds = int((moment - CLOCKS_APART).timestamp() * 1000)
    return UUID(int=milliseconds << 80)
