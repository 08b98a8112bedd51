from datetime import timedelta
from typing import TYPE_CHECKING

import uuid_utils.compat as uuid
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from reviewapp.accounts.models import Team

if TYPE_CHECKING:
    from reviewapp.registry.actors import Actor


class Role(models.TextChoices):
    """What a person may do in a stream, or in every stream of the team."""

    REVIEWER = "reviewer", "Reviewer"
    LEAD = "lead", "Lead"
    POLICY_OWNER = "policy_owner", "Policy owner"
    MODEL_OWNER = "model_owner", "Model owner"
    AUDITOR = "auditor", "Auditor"
    INTEGRATOR = "integrator", "Integrator"


class StreamQuerySet(models.QuerySet["Stream"]):
    def visible_to(self, actor: "Actor") -> "StreamQuerySet":
        """The streams an actor may know of; everything else answers 404."""
        return self.filter(actor.stream_condition())


class Stream(models.Model):
    """One kind of decision: classes, input contract, display, people, SLA, review mode, retention."""

    class Mode(models.TextChoices):
        ASSISTED = "assisted", "Assisted"
        COMMIT_THEN_REVEAL = "commit_then_reveal", "Commit, then reveal"
        BLIND = "blind", "Blind"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    team = models.ForeignKey(Team, models.PROTECT, related_name="streams")
    slug = models.SlugField()
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    classes = ArrayField(models.CharField(max_length=80), help_text="The answers a case can get, in order.")
    review_mode = models.CharField(max_length=20, choices=Mode.choices, default=Mode.ASSISTED)
    blind_share = models.FloatField(
        default=0.1,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Share of assisted reviews read blind, by the case's coin; at least the audit rate.",
    )
    sla = models.DurationField(default=timedelta(hours=24), help_text="Time from arrival to a decision.")
    retention = models.DurationField(null=True, blank=True)
    live_rollout = models.ForeignKey(
        "registry.Rollout", models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = StreamQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "slug"], name="stream_slug"),
            models.CheckConstraint(condition=models.Q(blind_share__range=(0, 1)), name="stream_blind_share"),
            models.CheckConstraint(condition=models.Q(classes__len__gte=2), name="stream_classes"),
            models.CheckConstraint(
                condition=models.Q(review_mode__in=["assisted", "commit_then_reveal", "blind"]),
                name="stream_review_mode",
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class StreamRevision(models.Model):
    """A numbered version of a stream's input contract, display or guideline; the highest number is in force."""

    class Kind(models.TextChoices):
        CONTRACT = "contract", "Contract"
        DISPLAY = "display", "Display"
        GUIDELINE = "guideline", "Guideline"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.CASCADE, related_name="revisions")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    number = models.PositiveIntegerField()
    body = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=120, default="system")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "kind", "number"], name="stream_revision_number"),
            models.CheckConstraint(
                condition=models.Q(kind__in=["contract", "display", "guideline"]), name="stream_revision_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stream} {self.kind} {self.number}"


class Membership(models.Model):
    """A person's role in one stream, or in every stream of the team when no stream is named."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    stream = models.ForeignKey(Stream, models.CASCADE, null=True, blank=True, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["team", "user", "stream", "role"], name="membership_once", nulls_distinct=False
            ),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role"),
        ]

    def __str__(self) -> str:
        return f"{self.user} {self.role} {self.stream or self.team}"
