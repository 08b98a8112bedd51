import pgtrigger
import uuid_utils.compat as uuid
from django.db import models
from django.db.models.functions import Now

from reviewapp.cases.models.case import Case
from reviewapp.cases.models.prediction import Prediction
from reviewapp.cases.models.review import Verdict
from reviewapp.registry.models import ModelVersion, PolicyVersion, Stream


class LabelQuerySet(models.QuerySet["Label"]):
    def live(self) -> "LabelQuerySet":
        return self.filter(superseded_by__isnull=True)


class Label(models.Model):
    """Settled truth for a case, with provenance. A chain like decisions."""

    class Source(models.TextChoices):
        REVIEW = "review", "Review"
        AUDIT = "audit", "Audit"
        OUTCOME = "outcome", "Outcome"
        IMPORT = "import", "Import"
        DEMO = "demo", "Demo"
        WITHDRAWN = "withdrawn", "Withdrawn"

    class Half(models.TextChoices):
        TRAIN = "train", "Train"
        CERTIFY = "certify", "Certify"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="labels", db_index=False)
    case = models.ForeignKey(Case, models.PROTECT, related_name="labels", db_index=False)
    sequence = models.PositiveIntegerField()
    supersedes = models.OneToOneField("self", models.PROTECT, null=True, blank=True, related_name="superseded_by")
    generation = models.PositiveIntegerField()
    answer = models.CharField("class", max_length=80, db_column="class", null=True)
    source = models.CharField(max_length=10, choices=Source.choices)
    is_honest = models.BooleanField(
        help_text="Given before anything of the model was shown, on a case picked by the coin."
    )
    inclusion_probability = models.FloatField(null=True, help_text="π; null for truths that came from outside.")
    half = models.CharField(max_length=8, choices=Half.choices)
    verdict = models.ForeignKey(Verdict, models.PROTECT, null=True, related_name="labels", db_index=False)
    prediction = models.ForeignKey(Prediction, models.PROTECT, null=True, related_name="labels", db_index=False)
    model_version = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+", db_index=False)
    policy_version = models.ForeignKey(PolicyVersion, models.PROTECT, null=True, related_name="+", db_index=False)
    actor = models.CharField(max_length=120)
    event_id = models.UUIDField(help_text="The event that announces it; gives the feed its order.")
    created_at = models.DateTimeField(db_default=Now())

    objects = LabelQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case", "sequence"], name="label_sequence"),
            models.UniqueConstraint(
                fields=["case"], condition=models.Q(supersedes__isnull=True), name="label_one_first"
            ),
            models.CheckConstraint(
                condition=models.Q(supersedes__isnull=True, sequence=1)
                | models.Q(supersedes__isnull=False, sequence__gt=1),
                name="label_chain",
            ),
            models.CheckConstraint(
                condition=models.Q(source="withdrawn", answer__isnull=True)
                | (~models.Q(source="withdrawn") & models.Q(answer__isnull=False)),
                name="label_class",
            ),
            models.CheckConstraint(
                condition=models.Q(source__in=["outcome", "import", "withdrawn"]) | models.Q(verdict__isnull=False),
                name="label_verdict",
            ),
            models.CheckConstraint(
                condition=models.Q(is_honest=False)
                | models.Q(inclusion_probability__isnull=False, inclusion_probability__gt=0),
                name="label_honest_probability",
            ),
        ]
        indexes = [models.Index(fields=["stream", "id"], name="label_newest")]
        triggers = [
            pgtrigger.Protect(name="label_append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} is {self.answer}"
