from django.conf import settings
from django.db import models

from reviewapp.registry.models import Client


class IdempotencyKey(models.Model):
    """The stored answer of a writing POST; inserted first in the transaction of its effect."""

    client = models.ForeignKey(Client, models.CASCADE, null=True, related_name="idempotency_keys")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    key = models.CharField(max_length=255)
    route = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["client", "user", "key"], name="idempotency_key_once", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=models.Q(client__isnull=False, user__isnull=True)
                | models.Q(client__isnull=True, user__isnull=False),
                name="idempotency_key_owner",
            ),
        ]

    def __str__(self) -> str:
        return self.key
