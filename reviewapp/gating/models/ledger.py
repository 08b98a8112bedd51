import uuid_utils.compat as uuid
from django.db import models
from django.db.models.functions import Now

from reviewapp.registry.models import ModelVersion, Stream


class AuditRate(models.Model):
    """The day's audit rate r of a class, set before the day's cases."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="audit_rates")
    model_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="audit_rates")
    answer = models.CharField("class", max_length=80, db_column="class")
    day = models.DateField()
    rate = models.FloatField()
    cause = models.CharField(max_length=120)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "model_version", "answer", "day"], name="audit_rate_of_day"),
            models.CheckConstraint(condition=models.Q(rate__range=(0, 1)), name="audit_rate_range"),
        ]

    def __str__(self) -> str:
        return f"{self.stream} {self.answer} {self.day} {self.rate}"


class LedgerEntry(models.Model):
    """One honest label as evidence on a model version, in the order its case arrived (the case's id).

    No foreign key to the case: it lies above. An overdue reading counts as wrong until it is given.
    """

    model_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="ledger")
    case_id = models.UUIDField()
    answer = models.CharField("class", max_length=80, db_column="class", help_text="What the model said.")
    truth = models.CharField(max_length=80, null=True, help_text="What people found; null while overdue.")
    confidence = models.FloatField()
    coin = models.FloatField()
    inclusion_probability = models.FloatField()
    least_probability = models.FloatField(
        help_text="The least π that a case of this model and class could have had at that time."
    )
    is_wrong = models.BooleanField()
    is_overdue = models.BooleanField(default=False)
    is_automatic = models.BooleanField(help_text="An audit of what acted alone, on this model's word.")
    segment = models.CharField(max_length=120, default="", blank=True)
    value = models.FloatField(null=True, help_text="What a wrong decision on the case costs, in the stream's money.")
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model_version", "case_id"], name="ledger_entry_once"),
            models.CheckConstraint(
                condition=models.Q(inclusion_probability__gt=0, inclusion_probability__lte=1),
                name="ledger_entry_probability",
            ),
            models.CheckConstraint(
                condition=models.Q(least_probability__gt=0, least_probability__lte=models.F("inclusion_probability")),
                name="ledger_entry_least_probability",
            ),
            models.CheckConstraint(
                condition=models.Q(is_overdue=True, is_wrong=True, truth__isnull=True)
                | models.Q(is_overdue=False, truth__isnull=False),
                name="ledger_entry_overdue",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model_version} {self.case_id}"
