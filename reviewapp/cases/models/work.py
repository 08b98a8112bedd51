from django.db import models
from django.db.models.functions import Now


class Work(models.Model):
    """Something to do by machine. Deleted with the write of its result, so claiming costs the same at any backlog."""

    class Kind(models.TextChoices):
        SCORE = "score", "Score"
        SHADOW = "shadow", "Shadow"
        EXPLAIN = "explain", "Explain"
        EMBED = "embed", "Embed"
        CHECK_BUNDLE = "check_bundle", "Check bundle"
        TRAIN = "train", "Train"
        EXPORT = "export", "Export"
        RELABEL = "relabel", "Relabel"
        REPLAY = "replay", "Replay"

    kind = models.CharField(max_length=12, choices=Kind.choices)
    subject = models.CharField(max_length=64, help_text="The case, prediction or bundle to work on.")
    generation = models.PositiveIntegerField(default=1)
    priority = models.SmallIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    run_after = models.DateTimeField(db_default=Now())
    is_dead = models.BooleanField(default=False)
    last_error = models.TextField(default="", blank=True)
    traceparent = models.CharField(max_length=55, default="", blank=True)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "subject", "generation"], name="work_once"),
            models.CheckConstraint(
                condition=models.Q(lease_token__isnull=True, lease_until__isnull=True)
                | models.Q(lease_token__isnull=False, lease_until__isnull=False),
                name="work_lease",
            ),
        ]
        indexes = [
            models.Index(
                "kind",
                models.F("priority").desc(),
                "id",
                name="work_ready",
                condition=models.Q(lease_token__isnull=True, is_dead=False),
            ),
            models.Index(fields=["lease_until"], name="work_leased", condition=models.Q(lease_token__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
