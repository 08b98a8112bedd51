import uuid_utils.compat as uuid
from django.contrib.postgres.fields import ArrayField
from django.db import models

from reviewapp.accounts.models import Team
from reviewapp.registry.models.stream import Stream


class Client(models.Model):
    """An upstream system; its keys are credentials of this one client."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    team = models.ForeignKey(Team, models.PROTECT, related_name="clients")
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="client_name")]

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """A credential `rva_<prefix>_<secret>`: the prefix finds the row, the digest proves the secret."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    client = models.ForeignKey(Client, models.PROTECT, related_name="api_keys")
    prefix = models.CharField(max_length=12, unique=True)
    digest = models.BinaryField(max_length=32, help_text="SHA-256 of the whole key; 256 random bits need no salt.")
    scopes = ArrayField(models.CharField(max_length=40))
    streams = models.ManyToManyField(Stream, blank=True, help_text="Empty: every stream of the team.")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(scopes__len__gte=1), name="api_key_scopes"),
        ]

    def __str__(self) -> str:
        return f"rva_{self.prefix}"
