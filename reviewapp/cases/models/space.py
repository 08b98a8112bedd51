from django.db import models
from django.db.models.functions import Now

from reviewapp.registry.models import Stream


class VectorBuild(models.Model):
    """How far the settled cases of a stream have been looked through for vectors they lack in one space.

    `newest` and `oldest` are the labels between which all have been looked at: from where the model began to serve,
    one end follows the new labels, the other goes back to the first.
    """

    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+", db_index=False)
    space = models.CharField(max_length=64)
    newest = models.UUIDField(null=True)
    oldest = models.UUIDField(null=True)
    started_at = models.DateTimeField(db_default=Now())
    completed_at = models.DateTimeField(null=True, help_text="When the vectors of all earlier cases were there.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "space"], name="vector_build_once"),
            models.CheckConstraint(
                condition=models.Q(newest__isnull=True, oldest__isnull=True)
                | models.Q(newest__isnull=False, oldest__isnull=False),
                name="vector_build_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stream_id} in {self.space[:12]}"
