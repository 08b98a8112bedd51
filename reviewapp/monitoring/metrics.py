"""Truth gauges: counted in the database by the sweeper, served as they were last written."""

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q
from django.utils import timezone
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from reviewapp.monitoring.models import MetricSnapshot
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Stream

_QUERIES: dict[str, str] = {
    "reviewapp_oldest_age_seconds": (
        "SELECT NULL, kind, extract(epoch FROM clock_timestamp() - min(run_after)) FROM cases_work "
        "WHERE lease_token IS NULL AND NOT is_dead AND run_after <= clock_timestamp() GROUP BY kind"
    ),
    "reviewapp_work_ready": (
        "SELECT NULL, kind, count(*) FROM cases_work WHERE lease_token IS NULL AND NOT is_dead GROUP BY kind"
    ),
    "reviewapp_work_dead": "SELECT NULL, kind, count(*) FROM cases_work WHERE is_dead GROUP BY kind",
    "reviewapp_reviews_open": (
        "SELECT stream_id, kind, count(*) FROM cases_review WHERE state = 'open' GROUP BY stream_id, kind"
    ),
    "reviewapp_outbox_waiting": "SELECT NULL, 'outbox', count(*) FROM events_outboxentry",
    "reviewapp_circuits_open": (
        "SELECT v.stream_id, c.kind, count(*) FROM gating_circuit c "
        "JOIN registry_modelversion v ON v.id = c.subject WHERE c.opened_at IS NOT NULL "
        "AND c.kind IN ('model_version', 'accelerator') GROUP BY v.stream_id, c.kind"
    ),
    "reviewapp_breakers_open": (
        "SELECT stream_id, class, count(*) FROM gating_breaker WHERE state = 'open' GROUP BY stream_id, class"
    ),
    "reviewapp_certificates": (
        "SELECT stream_id, state, count(*) FROM gating_certificate WHERE voided_at IS NULL GROUP BY stream_id, state"
    ),
    "reviewapp_result_cache_hit_share": (
        "SELECT v.stream_id, 'model_' || v.number, u.hits::float / u.lookups FROM cases_cacheuse u "
        "JOIN registry_modelversion v ON v.id = u.model_version_id WHERE u.lookups > 0"
    ),
    "reviewapp_result_cache_lookups": (
        "SELECT v.stream_id, 'model_' || v.number, u.lookups FROM cases_cacheuse u "
        "JOIN registry_modelversion v ON v.id = u.model_version_id"
    ),
    "reviewapp_deliveries_pending": ("SELECT NULL, 'pending', count(*) FROM webhooks_delivery WHERE state = 'pending'"),
}


def snapshot() -> None:
    """Count and store every gauge; the snapshots before are replaced."""
    now = timezone.now()
    rows = [row for name in _QUERIES for row in _measure(name, now)]
    MetricSnapshot.objects.filter(at__lt=now).delete()
    MetricSnapshot.objects.bulk_create(rows)


def _measure(name: str, now: datetime) -> list[MetricSnapshot]:
    with connection.cursor() as cursor:
        cursor.execute(_QUERIES[name])
        return [
            MetricSnapshot(stream_id=stream, name=name, labels={"kind": kind}, at=now, value=float(value))
            for stream, kind, value in cursor.fetchall()
        ]


def exposition(actor: Actor) -> bytes:
    """The latest snapshots of the installation and of the actor's streams, in Prometheus' text format."""
    registry = CollectorRegistry()
    gauges: dict[str, Any] = {
        name: Gauge(name, name.removeprefix("reviewapp_").replace("_", " "), ["stream", "kind"], registry=registry)
        for name in _QUERIES
    }
    known = Q(stream__in=Stream.objects.visible_to(actor)) | Q(stream__isnull=True)
    for row in MetricSnapshot.objects.filter(known).select_related("stream"):
        gauges[row.name].labels(row.stream.slug if row.stream else "", row.labels["kind"]).set(row.value)
    return generate_latest(registry)
