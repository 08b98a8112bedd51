import uuid_utils.compat as uuid
from django.db import models
from django.db.models.functions import Now

from reviewapp.registry.models import ModelVersion, Stream


class LabelledHistory(models.Model):
    """Labelled cases from outside, with a model version's predictions, kept as a first exam."""

    class Drawn(models.TextChoices):
        EVERYTHING = "everything", "Every case of a period"
        RANDOM = "random", "A random sample of them"
        OTHERWISE = "otherwise", "Picked in another way: never proof"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="histories")
    model_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="histories")
    digest = models.BinaryField(max_length=32, help_text="SHA-256 of the file.")
    file_name = models.CharField(max_length=200)
    drawn = models.CharField(max_length=10, choices=Drawn.choices)
    declaration = models.TextField(help_text="How it was drawn, in the owner's words.")
    rows = models.JSONField(help_text="[class predicted, confidence, is wrong] of each row.")
    num_rows = models.PositiveIntegerField()
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.CharField(max_length=120)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model_version", "digest"], name="labelled_history_once"),
            models.CheckConstraint(
                condition=models.Q(drawn__in=["everything", "random", "otherwise"]), name="labelled_history_drawn"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} for {self.model_version}"


class Certificate(models.Model):
    """The statement that a class's threshold keeps its promise, with evidence, expiry and state.

    A change of state or threshold is a new row with the next number; the highest of its scope that is not void is in
    force.
    """

    class State(models.TextChoices):
        CERTIFIED = "certified", "Certified"
        UNPROVEN = "unproven", "Unproven"
        VIOLATED = "violated", "Violated"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="certificates")
    model_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="certificates")
    scope = models.CharField(max_length=80, help_text="A class, or “joint”.")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.UNPROVEN)
    target_error = models.FloatField()
    confidence = models.FloatField()
    threshold = models.FloatField(null=True, blank=True)
    evidence = models.JSONField(
        default=dict, help_text="Ladder, start rungs, budget, counts and bounds, and where the ledger was cut."
    )
    since = models.DateTimeField(null=True, help_text="Evidence of cases that arrived from here on counts.")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    void_reason = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "model_version", "scope", "number"], name="certificate_number"),
            models.UniqueConstraint(
                fields=["stream", "model_version", "scope"],
                condition=models.Q(voided_at__isnull=True),
                name="certificate_one_in_force",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["certified", "unproven", "violated"]), name="certificate_state"
            ),
            models.CheckConstraint(
                condition=models.Q(target_error__gt=0, target_error__lt=1, confidence__gt=0, confidence__lt=1),
                name="certificate_promise",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="certified") | models.Q(threshold__isnull=False),
                name="certificate_threshold",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model_version} {self.scope} certificate {self.number}"
