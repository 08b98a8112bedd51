import pgtrigger
import uuid_utils.compat as uuid
from django.db import models
from django.db.models.functions import Now

from reviewapp.cases.models.case import Case
from reviewapp.cases.models.prediction import Prediction
from reviewapp.registry.models import ModelVersion, PolicyVersion


class DecisionQuerySet(models.QuerySet["Decision"]):
    def live(self) -> "DecisionQuerySet":
        """The last decision of each chain."""
        return self.filter(superseded_by__isnull=True)


class Decision(models.Model):
    """What upstream receives. A chain: a later one supersedes, none is edited.

    The migration adds the foreign key (prediction, prediction_route) → Prediction(id, route).
    """

    class Source(models.TextChoices):
        AUTO = "auto", "Automatic"
        HUMAN = "human", "Human"
        WITHDRAWN = "withdrawn", "Withdrawn"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    case = models.ForeignKey(Case, models.PROTECT, related_name="decisions", db_index=False)
    sequence = models.PositiveIntegerField()
    supersedes = models.OneToOneField("self", models.PROTECT, null=True, blank=True, related_name="superseded_by")
    source = models.CharField(max_length=10, choices=Source.choices)
    answer = models.CharField("class", max_length=80, db_column="class", null=True)
    generation = models.PositiveIntegerField()
    prediction = models.ForeignKey(Prediction, models.PROTECT, null=True, related_name="decisions", db_index=False)
    prediction_route = models.CharField(max_length=8, null=True)
    review = models.ForeignKey("cases.Review", models.PROTECT, null=True, related_name="decisions", db_index=False)
    model_version = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+", db_index=False)
    policy_version = models.ForeignKey(PolicyVersion, models.PROTECT, null=True, related_name="+", db_index=False)
    event_id = models.UUIDField(help_text="The event that announces it.")
    actor = models.CharField(max_length=120)
    decided_at = models.DateTimeField(db_default=Now())

    objects = DecisionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case", "sequence"], name="decision_sequence"),
            models.UniqueConstraint(
                fields=["case"], condition=models.Q(supersedes__isnull=True), name="decision_one_first"
            ),
            models.CheckConstraint(
                condition=models.Q(supersedes__isnull=True, sequence=1)
                | models.Q(supersedes__isnull=False, sequence__gt=1),
                name="decision_chain",
            ),
            models.CheckConstraint(
                condition=models.Q(source="withdrawn", answer__isnull=True)
                | models.Q(source__in=["auto", "human"], answer__isnull=False),
                name="decision_class",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    source="auto",
                    prediction__isnull=False,
                    # A comparison with NULL is not false, and a check refuses only what is false.
                    prediction_route__isnull=False,
                    prediction_route="auto",
                )
                | models.Q(source__in=["human", "withdrawn"], prediction_route__isnull=True),
                name="decision_auto_needs_route",
            ),
            models.CheckConstraint(
                condition=~models.Q(source="human") | models.Q(review__isnull=False),
                name="decision_human_needs_review",
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="decision_append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.answer}"
