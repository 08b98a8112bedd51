import pgtrigger
import uuid_utils.compat as uuid
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from pgvector.django import VectorField

from reviewapp.cases.models.case import Case
from reviewapp.registry.models import ModelVersion, PolicyVersion, Stream

EMBEDDING_WIDTH = 128


class Prediction(models.Model):
    """One model version's class probabilities for one input and, unless shadow, the gate's result on it."""

    class Role(models.TextChoices):
        PRIMARY = "primary", "Primary"
        CANARY = "canary", "Canary"
        SHADOW = "shadow", "Shadow"
        EXTERNAL = "external", "External"
        FALLBACK = "fallback", "Fallback"
        TIER = "tier", "First tier"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    case = models.ForeignKey(Case, models.PROTECT, related_name="predictions", db_index=False)
    model_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="predictions", db_index=False)
    role = models.CharField(max_length=10, choices=Role.choices)
    generation = models.PositiveIntegerField()
    answer = models.CharField("class", max_length=80, db_column="class")
    probabilities = ArrayField(models.FloatField(), help_text="In the order of the model's classes.")
    confidence = models.FloatField()
    novelty = models.FloatField(null=True, help_text="Share of training rows stranger than this one.")
    provider = models.CharField(max_length=40)
    latency = models.FloatField(help_text="Seconds of the batch that scored it.")
    route = models.CharField(max_length=8, null=True)
    reasons = models.JSONField(default=list)
    policy_version = models.ForeignKey(
        PolicyVersion, models.PROTECT, null=True, related_name="predictions", db_index=False
    )
    threshold = models.FloatField(null=True)
    certificate_id = models.UUIDField(null=True, help_text="Of the certificate that the threshold comes from.")
    inclusion_probability = models.FloatField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case", "model_version", "role", "generation"], name="prediction_once"),
            # The target of Decision's composite key: an automatic decision needs a prediction routed `auto`.
            models.UniqueConstraint(fields=["id", "route"], name="prediction_route_key"),
            models.CheckConstraint(
                condition=models.Q(role__in=["shadow", "tier"], route__isnull=True)
                | models.Q(role__in=["primary", "canary", "external", "fallback"], route__isnull=False),
                name="prediction_shadow_cannot_route",
            ),
            # A version that is no longer rolled out may inform people and never act.
            models.CheckConstraint(
                condition=~models.Q(role="fallback") | models.Q(route__isnull=False, route="review"),
                name="prediction_fallback_cannot_act",
            ),
            models.CheckConstraint(
                condition=models.Q(route__isnull=True) | models.Q(route__in=["auto", "review"]),
                name="prediction_route",
            ),
            models.CheckConstraint(condition=models.Q(confidence__range=(0, 1)), name="prediction_confidence"),
            models.CheckConstraint(
                condition=models.Q(inclusion_probability__isnull=True) | models.Q(inclusion_probability__range=(0, 1)),
                name="prediction_probability",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.answer} at {self.confidence:.3f}"


class Embedding(models.Model):
    """A case's vector in one space (a bundle's), for similar cases."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+", db_index=False)
    case = models.ForeignKey(Case, models.PROTECT, related_name="embeddings", db_index=False)
    generation = models.PositiveIntegerField()
    space = models.CharField(max_length=64)
    vector = VectorField(dimensions=EMBEDDING_WIDTH)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case", "generation", "space"], name="embedding_once"),
        ]
        indexes = [models.Index(fields=["stream", "space"], name="embedding_space")]

    def __str__(self) -> str:
        return f"{self.case_id} in {self.space[:12]}"


class Explanation(models.Model):
    """Attributions of one prediction's class, by the very artifact that scored it."""

    class State(models.TextChoices):
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    prediction = models.ForeignKey(Prediction, models.PROTECT, related_name="explanations", db_index=False)
    method = models.CharField(max_length=40)
    state = models.CharField(max_length=8, choices=State.choices)
    failure = models.TextField(default="", blank=True)
    answer = models.CharField("class", max_length=80, db_column="class")
    output_space = models.CharField(max_length=20, default="", blank=True)
    base_value = models.FloatField(null=True)
    output_value = models.FloatField(null=True)
    residual = models.FloatField(null=True)
    is_additive = models.BooleanField(null=True)
    background = models.CharField(max_length=64, default="", blank=True)
    attributions = models.JSONField(
        default=list,
        help_text='[{"column", "value", "attribution"}], largest magnitude first; sampled ones have an "error", '
        'texts "words" and the "rest" of their attribution.',
    )
    sampling_error = models.FloatField(
        null=True, help_text="Largest standard error of an attribution; null where they are exact."
    )
    evaluations = models.PositiveIntegerField(default=0, help_text="Rows that the model answered for it.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["prediction", "method"], name="explanation_once"),
            models.CheckConstraint(
                condition=models.Q(
                    state="ready", base_value__isnull=False, residual__isnull=False, is_additive__isnull=False
                )
                | (models.Q(state="failed") & ~models.Q(failure="")),
                name="explanation_state",
            ),
        ]
        triggers = [
            # What people were shown when they decided stays what they were shown.
            pgtrigger.Protect(name="explanation_append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.method} of {self.prediction_id}"
