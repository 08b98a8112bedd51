from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from reviewapp.registry.models import ModelVersion


class CachedResult(models.Model):
    """What a costly bundle answered for one input. Disposable: a row that is missing costs a run of the model."""

    bundle = models.CharField(max_length=64, help_text="The bundle's digest.")
    fingerprint = models.BinaryField(help_text="SHA-256 over the features as PostgreSQL writes them.")
    probabilities = ArrayField(models.FloatField(), help_text="In the order of the model's classes.")
    provider = models.CharField(max_length=40)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bundle", "fingerprint"], name="cached_result_once")]
        indexes = [models.Index(fields=["created_at"], name="cached_result_age")]

    def __str__(self) -> str:
        return f"{self.bundle[:12]} {bytes(self.fingerprint).hex()[:12]}"


class CacheUse(models.Model):
    """How often a model version's cached results were asked for, and how often one was there."""

    model_version = models.OneToOneField(ModelVersion, models.CASCADE, primary_key=True, related_name="+")
    lookups = models.PositiveBigIntegerField(default=0)
    hits = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(hits__lte=models.F("lookups")), name="cache_use_hits"),
        ]

    def __str__(self) -> str:
        return f"{self.model_version} {self.hits}/{self.lookups}"
