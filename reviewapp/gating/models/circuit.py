from django.db import models


class Circuit(models.Model):
    """A failing model version or endpoint is rested: opens after failures, probes, closes."""

    class Kind(models.TextChoices):
        MODEL_VERSION = "model_version", "Model version"
        ACCELERATOR = "accelerator", "Model version on a GPU"
        ENDPOINT = "endpoint", "Endpoint"

    kind = models.CharField(max_length=15, choices=Kind.choices)
    subject = models.UUIDField()
    failures = models.PositiveIntegerField(default=0)
    runs = models.PositiveIntegerField(db_default=0, help_text="Of a model version, since its first failure.")
    detail = models.CharField(max_length=300, db_default="", blank=True, help_text="What went wrong last.")
    opened_at = models.DateTimeField(null=True, blank=True)
    probe_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "subject"], name="circuit_once"),
            models.CheckConstraint(
                condition=models.Q(kind__in=["model_version", "accelerator", "endpoint"]), name="circuit_kind"
            ),
            models.CheckConstraint(
                condition=models.Q(opened_at__isnull=True, probe_at__isnull=True)
                | models.Q(opened_at__isnull=False, probe_at__isnull=False),
                name="circuit_probe",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
