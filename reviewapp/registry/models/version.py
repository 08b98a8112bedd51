import uuid_utils.compat as uuid
from django.db import models

from reviewapp.registry.models.stream import Stream


class Bundle(models.Model):
    """A model as files, identified by the SHA-256 over them."""

    class State(models.TextChoices):
        CHECKING = "checking", "Checking"
        READY = "ready", "Ready"
        REFUSED = "refused", "Refused"

    digest = models.CharField(max_length=64, primary_key=True)
    manifest = models.JSONField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.CHECKING)
    refusal = models.TextField(blank=True)
    run_budget = models.JSONField(null=True, blank=True)
    size = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=["checking", "ready", "refused"]), name="bundle_state"),
            models.CheckConstraint(
                condition=models.Q(state="refused") ^ models.Q(refusal=""), name="bundle_refusal_with_state"
            ),
        ]

    def __str__(self) -> str:
        return self.digest[:12]


class BundleChunk(models.Model):
    """Up to 4 MB of one file of a bundle."""

    bundle = models.ForeignKey(Bundle, models.PROTECT, related_name="chunks")
    file = models.CharField(max_length=40)
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["bundle", "file", "number"], name="bundle_chunk_number"),
        ]

    def __str__(self) -> str:
        return f"{self.bundle_id[:12]} {self.file} {self.number}"


class ModelVersion(models.Model):
    """A registered model of a stream, immutable: a bundle we run, or an external model that upstream runs."""

    class Kind(models.TextChoices):
        BUNDLE = "bundle", "Bundle"
        EXTERNAL = "external", "External"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="model_versions")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    bundle = models.ForeignKey(Bundle, models.PROTECT, null=True, blank=True, related_name="model_versions")
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=120)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "number"], name="model_version_number"),
            models.UniqueConstraint(fields=["stream", "bundle"], name="model_version_bundle"),
            models.CheckConstraint(
                condition=models.Q(kind="bundle", bundle__isnull=False)
                | models.Q(kind="external", bundle__isnull=True),
                name="model_version_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stream} v{self.number}"

    @property
    def same_as(self) -> int | None:
        """The number of the stream's version that this upload turned out to be."""
        told = self.bundle.manifest.get("same_as", {}) if self.bundle else {}
        return told.get(str(self.stream_id))


class Rollout(models.Model):
    """Which model versions serve a stream; an immutable generation, the stream points at the live one."""

    class Step(models.TextChoices):
        PROMOTED = "promoted", "Promoted"
        CANARY = "canary", "Canary"
        SHADOWS = "shadows", "Shadows"
        ROLLED_BACK = "rolled_back", "Rolled back"
        SERVING = "serving", "Serving"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="rollouts")
    generation = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=120)
    reason = models.TextField(blank=True)
    step = models.CharField(max_length=12, choices=Step.choices, default=Step.PROMOTED)
    previous = models.ForeignKey(
        ModelVersion,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="The primary before: kept warm, gone back to, and scored with when the primary cannot.",
    )
    guards = models.JSONField(default=dict, blank=True, help_text="What the canary must keep to; empty without one.")
    caches_results = models.BooleanField(
        default=False, help_text="Keeps the answers of a costly primary for inputs that come again."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "generation"], name="rollout_generation"),
            models.CheckConstraint(
                condition=models.Q(step__in=["promoted", "canary", "shadows", "rolled_back", "serving"]),
                name="rollout_step",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stream} rollout {self.generation}"


class RolloutMember(models.Model):
    """A model version's part in a rollout."""

    class Role(models.TextChoices):
        PRIMARY = "primary", "Primary"
        CANARY = "canary", "Canary"
        SHADOW = "shadow", "Shadow"
        TIER = "tier", "First tier"

    rollout = models.ForeignKey(Rollout, models.CASCADE, related_name="members")
    model_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    role = models.CharField(max_length=10, choices=Role.choices)
    share = models.FloatField(default=1.0, help_text="Share of cases; below 1 for a canary only.")
    sure_from = models.FloatField(
        null=True, blank=True, help_text="Confidence from which the first tier answers without asking the primary."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rollout", "model_version"], name="rollout_member_once"),
            models.UniqueConstraint(fields=["rollout"], condition=models.Q(role="primary"), name="rollout_one_primary"),
            models.UniqueConstraint(fields=["rollout"], condition=models.Q(role="canary"), name="rollout_one_canary"),
            models.CheckConstraint(
                condition=models.Q(role="canary", share__range=(0, 1))
                | models.Q(role__in=["primary", "shadow", "tier"], share=1.0),
                name="rollout_member_share",
            ),
            models.UniqueConstraint(fields=["rollout"], condition=models.Q(role="tier"), name="rollout_one_tier"),
            models.CheckConstraint(
                condition=models.Q(role="tier", sure_from__isnull=False, sure_from__gt=0, sure_from__lte=1)
                | (~models.Q(role="tier") & models.Q(sure_from__isnull=True)),
                name="rollout_member_sure_from",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rollout} {self.role} {self.model_version}"
