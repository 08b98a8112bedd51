from django.db import models
from django.db.models.functions import Now

from reviewapp.registry.models import Stream


class MetricSnapshot(models.Model):
    """A figure of the installation at one moment, written by the sweeper and served by /metrics."""

    stream = models.ForeignKey(Stream, models.CASCADE, null=True, blank=True, related_name="+")
    name = models.CharField(max_length=80)
    labels = models.JSONField(default=dict)
    at = models.DateTimeField()
    value = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["stream", "name", "labels", "at"], name="metric_snapshot_once", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.value}"


class Heartbeat(models.Model):
    """A process's last sign of life, and what it last finished."""

    process = models.CharField(max_length=80, unique=True)
    beat_at = models.DateTimeField(db_default=Now())
    detail = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.process


class Alert(models.Model):
    """Something people should look at; one open alert per name and subject."""

    class Severity(models.TextChoices):
        PAGE = "page", "Page"
        TICKET = "ticket", "Ticket"

    name = models.CharField(max_length=80)
    subject = models.CharField(max_length=120, blank=True)
    stream = models.ForeignKey(Stream, models.CASCADE, null=True, blank=True, related_name="alerts")
    severity = models.CharField(max_length=8, choices=Severity.choices)
    summary = models.TextField()
    opened_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["name", "subject"], condition=models.Q(closed_at__isnull=True), name="alert_one_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.subject}"
