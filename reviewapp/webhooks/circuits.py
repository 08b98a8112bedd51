"""An endpoint's circuit: after five straight failures, or when it asks for it, it is rested and only probed."""

from datetime import timedelta
from uuid import UUID

from django.db import connection

from reviewapp.gating.models import Circuit

FAILURES = 5
PROBE_EVERY = timedelta(minutes=1)
FIRST_PROBE = timedelta(seconds=5)

_FAILED = """
INSERT INTO gating_circuit AS c (kind, subject, failures)
VALUES ('endpoint', %(subject)s, 1)
ON CONFLICT (kind, subject) DO UPDATE SET
    failures = c.failures + 1,
    opened_at = CASE WHEN c.failures + 1 >= %(limit)s THEN coalesce(c.opened_at, clock_timestamp()) END,
    probe_at = CASE WHEN c.failures + 1 >= %(limit)s
                    THEN greatest(c.probe_at, clock_timestamp() + make_interval(secs => %(every)s)) END
"""


# A receiver that is only busy is probed ever more slowly: after 5, 10, 20, 40 seconds, then every minute.
_SLOWED = """
INSERT INTO gating_circuit AS c (kind, subject, failures, opened_at, probe_at)
VALUES ('endpoint', %(subject)s, 1, clock_timestamp(), clock_timestamp() + make_interval(secs => %(wait)s))
ON CONFLICT (kind, subject) DO UPDATE SET
    failures = c.failures + 1,
    opened_at = coalesce(c.opened_at, clock_timestamp()),
    probe_at = clock_timestamp() + make_interval(secs => coalesce(
        %(asked)s::float, least(%(every)s, %(first)s * 2 ^ least(c.failures, 10))::float))
"""


def failed(endpoint_id: UUID) -> None:
    """Count a failure; the fifth in a row opens the circuit."""
    with connection.cursor() as cursor:
        cursor.execute(_FAILED, {"subject": endpoint_id, "limit": FAILURES, "every": PROBE_EVERY.total_seconds()})


def slowed(endpoint_id: UUID, *, asked: timedelta | None) -> None:
    """The receiver is too busy: nothing but a probe goes until a try succeeds, the first after what it asked for."""
    seconds = None if asked is None else asked.total_seconds()
    with connection.cursor() as cursor:
        cursor.execute(
            _SLOWED,
            {
                "subject": endpoint_id,
                "asked": seconds,
                "wait": FIRST_PROBE.total_seconds() if seconds is None else seconds,
                "first": FIRST_PROBE.total_seconds(),
                "every": PROBE_EVERY.total_seconds(),
            },
        )


def has_failed_for(endpoint_id: UUID, period: timedelta) -> bool:
    """Whether nothing has got through since the circuit opened so long ago."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM gating_circuit WHERE kind = 'endpoint' AND subject = %s "
            "AND opened_at <= clock_timestamp() - make_interval(secs => %s))",
            [endpoint_id, period.total_seconds()],
        )
        return bool(cursor.fetchone()[0])


def close(endpoint_id: UUID) -> None:
    """A success, or a person's word: send as usual."""
    Circuit.objects.filter(kind=Circuit.Kind.ENDPOINT, subject=endpoint_id).delete()


def take_probe(endpoint_id: UUID) -> bool:
    """Whether an open circuit's next probe is due; whoever takes it leaves none for the next minute."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE gating_circuit SET probe_at = clock_timestamp() + make_interval(secs => %s) "
            "WHERE kind = 'endpoint' AND subject = %s AND probe_at <= clock_timestamp()",
            [PROBE_EVERY.total_seconds(), endpoint_id],
        )
        return bool(cursor.rowcount)
