import uuid_utils.compat as uuid
from django.db import models

from reviewapp.registry.models import Stream


class Hold(models.Model):
    """A person's stop: automation, deliveries or both, for one stream or everywhere, until lifted."""

    class Scope(models.TextChoices):
        AUTOMATION = "automation", "Automation"
        DELIVERIES = "deliveries", "Deliveries"
        ALL = "all", "Automation and deliveries"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, null=True, blank=True, related_name="holds")
    scope = models.CharField(max_length=12, choices=Scope.choices)
    reason = models.TextField()
    placed_by = models.CharField(max_length=120)
    placed_at = models.DateTimeField(auto_now_add=True)
    lifted_by = models.CharField(max_length=120, null=True, blank=True)
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["stream", "scope"],
                condition=models.Q(lifted_at__isnull=True),
                name="hold_one_open",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=models.Q(scope__in=["automation", "deliveries", "all"]), name="hold_scope"
            ),
            models.CheckConstraint(
                condition=models.Q(lifted_by__isnull=True, lifted_at__isnull=True)
                | models.Q(lifted_by__isnull=False, lifted_at__isnull=False),
                name="hold_lifted",
            ),
        ]

    def __str__(self) -> str:
        return f"hold on {self.scope} of {self.stream or 'every stream'}"
