"""An endpoint's circuit: after five straight failures it is rested, with one probe a minute."""

from datetime import timedelta
from uuid import UUID

from django.db import connection

from reviewapp.gating.models import Circuit

FAILURES = 5
PROBE_EVERY = timedelta(minutes=1)

_FAILED = """
INSERT INTO gating_circuit AS c (kind, subject, failures)
VALUES ('endpoint', %(subject)s, 1)
ON CONFLICT (kind, subject) DO UPDATE SET
    failures = c.failures + 1,
    opened_at = CASE WHEN c.failures + 1 >= %(limit)s THEN coalesce(c.opened_at, clock_timestamp()) END,
    probe_at = CASE WHEN c.failures + 1 >= %(limit)s
                    THEN greatest(c.probe_at, clock_timestamp() + make_interval(secs => %(every)s)) END
"""


def failed(endpoint_id: UUID) -> None:
    """Count a failure; the fifth in a row opens the circuit."""
    with connection.cursor() as cursor:
        cursor.execute(_FAILED, {"subject": endpoint_id, "limit": FAILURES, "every": PROBE_EVERY.total_seconds()})


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
