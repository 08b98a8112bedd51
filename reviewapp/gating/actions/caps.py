"""The cap on automatic actions: so many in an interval, counted over all processes that decide."""

from uuid import UUID

from reviewapp.domain.policy import Cap
from reviewapp.writing import execute

# The row stays locked until the batch commits: two batches never spend the same room.
_ROOM = """
INSERT INTO gating_automaticcount AS c (stream_id, started_at, count) VALUES (%(stream)s, clock_timestamp(), 0)
ON CONFLICT (stream_id) DO UPDATE SET
    started_at = CASE WHEN c.started_at <= excluded.started_at - make_interval(secs => %(seconds)s)
                 THEN excluded.started_at ELSE c.started_at END,
    count = CASE WHEN c.started_at <= excluded.started_at - make_interval(secs => %(seconds)s)
            THEN 0 ELSE c.count END
RETURNING count
"""
_SPEND = "UPDATE gating_automaticcount SET count = count + %s WHERE stream_id = %s"


def room(stream_id: UUID, cap: Cap) -> int:
    """How many more cases may act alone in the interval under way; the next one begins with this call if it is over.

    Call it in the transaction that decides the cases: others wait for its end.
    """
    (count,) = execute(_ROOM, {"stream": stream_id, "seconds": cap.seconds}).fetchone() or (0,)
    return max(cap.limit - int(count), 0)


def spend(stream_id: UUID, number: int) -> None:
    """Count cases that acted alone, in the same transaction."""
    execute(_SPEND, [number, stream_id])
