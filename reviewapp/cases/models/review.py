from typing import TYPE_CHECKING

import pgtrigger
import uuid_utils.compat as uuid
from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Now

from reviewapp.cases.models.case import Case
from reviewapp.cases.models.prediction import Prediction
from reviewapp.registry.models import Stream, StreamRevision

if TYPE_CHECKING:
    from reviewapp.registry.actors import Actor


# The codes alone: the sentences differ from case to case and would make a long index.
REASON_CODES = models.Func(
    "reasons", models.Value("$[*].code"), function="jsonb_path_query_array", output_field=models.JSONField()
)


class ReviewQuerySet(models.QuerySet["Review"]):
    def visible_to(self, actor: "Actor") -> "ReviewQuerySet":
        return self.filter(stream__in=Stream.objects.visible_to(actor))

    def with_reason(self, code: str) -> "ReviewQuerySet":
        """Those that exist for this reason, among others."""
        found = self.alias(reason_codes=REASON_CODES)
        return found.filter(reason_codes__contains=[code])  # type: ignore[misc]  # a list of codes, not one text

    def open(self) -> "ReviewQuerySet":
        return self.filter(state=Review.State.OPEN)


class Review(models.Model):
    """One unit of human work. The claim columns are a reviewer's lease on it."""

    class Kind(models.TextChoices):
        ROUTINE = "routine", "Routine"
        AUDIT = "audit", "Audit"
        SECOND_OPINION = "second_opinion", "Second opinion"
        ADJUDICATION = "adjudication", "Adjudication"
        ESCALATION = "escalation", "Escalation"
        GOLD = "gold", "Gold"
        REOPENED = "reopened", "Reopened"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        DONE = "done", "Done"
        WITHDRAWN = "withdrawn", "Withdrawn"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    case = models.ForeignKey(Case, models.PROTECT, related_name="reviews", db_index=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="reviews", db_index=False)
    generation = models.PositiveIntegerField()
    kind = models.CharField(max_length=15, choices=Kind.choices, default=Kind.ROUTINE)
    round = models.PositiveIntegerField(default=1)
    mode = models.CharField(max_length=20, choices=Stream.Mode.choices)
    prediction = models.ForeignKey(Prediction, models.PROTECT, null=True, related_name="reviews", db_index=False)
    reasons = models.JSONField(default=list)
    inclusion_probability = models.FloatField(help_text="π: the chance that the coin made this reading blind-first.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    priority = models.SmallIntegerField(default=0)
    due_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True)
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="claims", db_index=False
    )
    claim_token = models.UUIDField(null=True)
    claimed_at = models.DateTimeField(null=True)
    claim_until = models.DateTimeField(null=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case", "generation", "kind", "round"], name="review_round"),
            models.CheckConstraint(
                condition=models.Q(
                    claimed_by__isnull=True,
                    claim_token__isnull=True,
                    claimed_at__isnull=True,
                    claim_until__isnull=True,
                )
                | models.Q(
                    claimed_by__isnull=False,
                    claim_token__isnull=False,
                    claimed_at__isnull=False,
                    claim_until__isnull=False,
                ),
                name="review_claim",
            ),
            models.CheckConstraint(
                condition=models.Q(state="open", closed_at__isnull=True)
                | models.Q(state__in=["done", "withdrawn"], closed_at__isnull=False, claimed_by__isnull=True),
                name="review_closed",
            ),
            models.CheckConstraint(condition=models.Q(inclusion_probability__range=(0, 1)), name="review_probability"),
            models.CheckConstraint(
                condition=models.Q(mode__in=["assisted", "commit_then_reveal", "blind"]), name="review_mode"
            ),
            models.CheckConstraint(
                condition=~models.Q(kind__in=["audit", "gold"]) | models.Q(mode="blind"),
                name="review_audit_is_blind",
            ),
        ]
        indexes = [
            models.Index(
                "stream",
                models.F("priority").desc(),
                "due_at",
                "id",
                name="review_queue",
                condition=models.Q(state="open", claimed_by__isnull=True),
            ),
            models.Index(fields=["claim_until"], name="review_claimed", condition=models.Q(claimed_by__isnull=False)),
            GinIndex(OpClass(REASON_CODES, name="jsonb_path_ops"), name="review_reason_codes"),
            models.Index(fields=["claimed_by"], name="review_claimant", condition=models.Q(claimed_by__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.round} of {self.case_id}"


class ReviewSkip(models.Model):
    """A reviewer passed on a review; it is offered to others first."""

    review = models.ForeignKey(Review, models.CASCADE, related_name="skips")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    reason = models.CharField(max_length=200, blank=True)
    skipped_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["review", "user"], name="review_skip_once")]

    def __str__(self) -> str:
        return f"{self.user} skipped {self.review_id}"


class ReviewDraft(models.Model):
    """A note in the making, kept while its author has not submitted."""

    review = models.ForeignKey(Review, models.CASCADE, related_name="drafts")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    note = models.TextField(blank=True)
    saved_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["review", "user"], name="review_draft_once")]

    def __str__(self) -> str:
        return f"draft of {self.user} on {self.review_id}"


class Verdict(models.Model):
    """One person's judgement in one review; the answer before and after the model was shown are two stages."""

    class Stage(models.TextChoices):
        FIRST = "first", "First"
        FINAL = "final", "Final"

    class Status(models.TextChoices):
        COUNTED = "counted", "Counted"
        LATE = "late", "Late"
        SECOND_OPINION = "second_opinion", "Second opinion"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    review = models.ForeignKey(Review, models.PROTECT, related_name="verdicts")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="verdicts")
    stage = models.CharField(max_length=6, choices=Stage.choices)
    status = models.CharField(max_length=15, choices=Status.choices)
    answer = models.CharField("class", max_length=80, db_column="class")
    note = models.TextField(blank=True)
    saw_model = models.BooleanField()
    shown = models.JSONField(default=list, help_text="What was on the screen.")
    seconds = models.FloatField(help_text="From claim, or from reveal, to this answer.")
    guideline = models.ForeignKey(StreamRevision, models.PROTECT, null=True, related_name="+")
    claim_token = models.UUIDField(help_text="The claim it answers: a double submit is told by it.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["review", "reviewer", "stage"], name="verdict_once"),
            models.UniqueConstraint(
                fields=["review", "stage"], condition=models.Q(status="counted"), name="verdict_one_counted"
            ),
            models.CheckConstraint(condition=models.Q(stage__in=["first", "final"]), name="verdict_stage"),
            models.CheckConstraint(
                condition=models.Q(status__in=["counted", "late", "second_opinion"]), name="verdict_status"
            ),
            models.CheckConstraint(condition=models.Q(seconds__gte=0), name="verdict_seconds"),
        ]
        triggers = [
            pgtrigger.Protect(name="verdict_append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.answer} by {self.reviewer}"
