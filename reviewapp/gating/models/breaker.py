from django.db import models
from django.db.models.functions import Now

from reviewapp.registry.models import ModelVersion, Stream


class Breaker(models.Model):
    """Opens when the guarantee of a class or segment fails; while open that class goes to review."""

    class State(models.TextChoices):
        CLOSED = "closed", "Closed"
        AMBER = "amber", "Amber"
        OPEN = "open", "Open"

    stream = models.ForeignKey(Stream, models.PROTECT, related_name="breakers")
    model_version = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")
    answer = models.CharField("class", max_length=80, db_column="class")
    segment = models.CharField(max_length=120, default="", blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.CLOSED)
    evidence = models.JSONField(default=dict, help_text="Level, limit, audits and wrong ones since it was armed.")
    armed_at = models.DateTimeField(db_default=Now(), help_text="Audits of cases that arrived from here on count.")
    changed_at = models.DateTimeField(auto_now=True)
    rearm_asked_by = models.CharField(max_length=120, null=True, blank=True)
    rearm_asked_at = models.DateTimeField(null=True, blank=True)
    rearm_reason = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "answer", "segment"], name="breaker_once"),
            models.CheckConstraint(condition=models.Q(state__in=["closed", "amber", "open"]), name="breaker_state"),
            models.CheckConstraint(
                condition=models.Q(rearm_asked_by__isnull=True, rearm_asked_at__isnull=True)
                | models.Q(rearm_asked_by__isnull=False, rearm_asked_at__isnull=False, state="open"),
                name="breaker_rearm",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stream} {self.answer} {self.segment} {self.state}"
