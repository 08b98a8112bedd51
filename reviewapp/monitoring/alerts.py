"""Alerts follow the tables: what should be open is worked out anew each time, so none is missed or left behind.

An alert bears the name of its page in docs/runbooks.
"""

from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from reviewapp.gating.models import Circuit
from reviewapp.monitoring.models import Alert
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion, Rollout, Stream

MODEL_FAILS = "model-fails"
CANARY_ROLLED_BACK = "canary-rolled-back"
NAMES = (MODEL_FAILS, CANARY_ROLLED_BACK)
# Who has not answered a rollback by then knows of it, or looks at the rollouts.
ROLLED_BACK_FOR = timedelta(days=3)


@transaction.atomic
def refresh() -> int:
    """Open the alerts whose cause has come, close those whose cause has gone; answers how many changed."""
    wanted = {(alert.name, alert.subject): alert for alert in (*_failing_models(), *_rolled_back())}
    known = Alert.objects.filter(name__in=NAMES, closed_at__isnull=True)
    by_key = {(alert.name, alert.subject): alert for alert in known.order_by("pk")}
    gone = [alert.pk for key, alert in by_key.items() if key not in wanted]
    new = [alert for key, alert in wanted.items() if key not in by_key]
    Alert.objects.filter(pk__in=gone).update(closed_at=Now())
    Alert.objects.bulk_create(new, ignore_conflicts=True)
    return len(gone) + len(new)


def _failing_models() -> Iterator[Alert]:
    """A version that rests; where only its GPU does, the CPU goes on and nobody has to get up."""
    kinds = [Circuit.Kind.MODEL_VERSION, Circuit.Kind.ACCELERATOR]
    circuits = list(Circuit.objects.filter(kind__in=kinds, opened_at__isnull=False).order_by("pk"))
    versions = ModelVersion.objects.select_related("stream").in_bulk([one.subject for one in circuits])
    for circuit in circuits:
        version = versions.get(circuit.subject)
        if version is None:
            continue
        is_gpu = circuit.kind == Circuit.Kind.ACCELERATOR
        what = f"Model {version.number}{' on the GPU' if is_gpu else ''}"
        then = "It is run on the CPU" if is_gpu else "What it would score goes to an earlier version and to people"
        yield Alert(
            name=MODEL_FAILS,
            subject=f"{circuit.kind}:{version.pk}",
            stream=version.stream,
            severity=Alert.Severity.TICKET if is_gpu else Alert.Severity.PAGE,
            summary=f"{what} fails and rests: {circuit.detail.rstrip('.')}. {then} until a probe succeeds.",
        )


def _rolled_back() -> Iterator[Alert]:
    """A rollback by the guards, until somebody rolls something else out."""
    streams = Stream.objects.filter(
        live_rollout__step=Rollout.Step.ROLLED_BACK,
        live_rollout__created_by=str(SYSTEM),
        live_rollout__created_at__gt=Now() - ROLLED_BACK_FOR,
    ).annotate(rollout_pk=F("live_rollout__pk"), rollout_reason=F("live_rollout__reason"))
    for stream in streams.order_by("pk"):
        yield Alert(
            name=CANARY_ROLLED_BACK,
            subject=f"rollout:{stream.rollout_pk}",
            stream=stream,
            severity=Alert.Severity.TICKET,
            summary=stream.rollout_reason or "The canary was rolled back.",
        )
