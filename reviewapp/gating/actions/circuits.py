"""A model version's circuits: five failures in twenty runs rest it, one batch in half a minute probes it.

A version has one circuit for itself and one for its runs on a GPU, which rests only those. No row is a closed circuit
without a failure on its account, so a healthy version costs no write.
"""

from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction

from reviewapp.gating.models import Circuit
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion
from reviewapp.registry.trail import happened

FAILURES = 5
RUNS = 20
PROBE_EVERY = timedelta(seconds=30)

# A window that is full without having opened the circuit begins anew with this failure.
_FAILED = """
INSERT INTO gating_circuit AS c (kind, subject, failures, runs, detail)
VALUES (%(kind)s, %(subject)s, 1, 1, %(detail)s)
ON CONFLICT (kind, subject) DO UPDATE SET
    failures = CASE WHEN c.opened_at IS NULL AND c.runs >= %(window)s THEN 1 ELSE c.failures + 1 END,
    runs = CASE WHEN c.opened_at IS NULL AND c.runs >= %(window)s THEN 1 ELSE c.runs + 1 END,
    detail = excluded.detail,
    opened_at = CASE WHEN c.opened_at IS NOT NULL THEN c.opened_at
                     WHEN c.runs < %(window)s AND c.failures + 1 >= %(limit)s THEN clock_timestamp() END,
    probe_at = CASE WHEN c.opened_at IS NOT NULL OR (c.runs < %(window)s AND c.failures + 1 >= %(limit)s)
                    THEN clock_timestamp() + make_interval(secs => %(every)s) END
RETURNING opened_at IS NOT NULL, failures
"""


def failed(*, kind: Circuit.Kind, version_id: UUID, error: str) -> bool:
    """Count a failed run; answers whether the circuit is open now. The run that opens it is an event."""
    values: dict[str, str | int | float] = {
        "kind": kind.value,
        "subject": str(version_id),
        "detail": error[:300],
        "limit": FAILURES,
        "window": RUNS,
        "every": PROBE_EVERY.total_seconds(),
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_FAILED, values)
        is_open, failures = cursor.fetchone()
        if is_open and failures == FAILURES:
            _record("circuit.opened", kind, version_id, error=error[:300])
    return bool(is_open)


def succeeded(*, kind: Circuit.Kind, version_id: UUID) -> None:
    """Count a run that went well, of a version with failures on its account; a full window clears the account."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE gating_circuit SET runs = runs + 1 "
            "WHERE kind = %s AND subject = %s AND opened_at IS NULL RETURNING runs",
            [kind.value, version_id],
        )
        row = cursor.fetchone()
        if row and row[0] >= RUNS:
            cursor.execute(
                "DELETE FROM gating_circuit WHERE kind = %s AND subject = %s AND opened_at IS NULL",
                [kind.value, version_id],
            )


@transaction.atomic
def close(*, kind: Circuit.Kind, version_id: UUID) -> None:
    """A probe went well: run as usual."""
    found, _ = Circuit.objects.filter(kind=kind, subject=version_id, opened_at__isnull=False).delete()
    if found:
        _record("circuit.closed", kind, version_id)


def take_probe(*, kind: Circuit.Kind, version_id: UUID) -> bool:
    """Whether the open circuit's probe is due; whoever takes it leaves none for the next half-minute."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE gating_circuit SET probe_at = clock_timestamp() + make_interval(secs => %s) "
            "WHERE kind = %s AND subject = %s AND probe_at <= clock_timestamp()",
            [PROBE_EVERY.total_seconds(), kind.value, version_id],
        )
        return bool(cursor.rowcount)


def _record(type_: str, kind: Circuit.Kind, version_id: UUID, **more: str) -> None:
    version = ModelVersion.objects.select_related("stream").get(pk=version_id)
    happened(
        version.stream,
        type_,
        by=SYSTEM,
        payload={"number": version.number, "circuit": kind.value, **more},
        subject=f"model_version:{version_id}",
    )
