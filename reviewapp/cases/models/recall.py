import uuid_utils.compat as uuid
from django.db import models
from django.db.models.functions import Now

from reviewapp.gating.models import Hold
from reviewapp.registry.models import ModelVersion, Stream


class Recall(models.Model):
    """The automatic decisions of one model version, or of one class or segment of its, on their way back to people.

    It walks them by their ids, which follow time: `reached` is the last one looked at.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="recalls")
    model_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="recalls")
    answer = models.CharField("class", max_length=80, db_column="class", default="", blank=True)
    segment = models.CharField(max_length=120, default="", blank=True)
    segment_column = models.CharField(max_length=120, default="", blank=True)
    since = models.DateTimeField(help_text="Decisions from here on.")
    reason = models.TextField()
    created_by = models.CharField(max_length=120)
    created_at = models.DateTimeField(db_default=Now())
    hold = models.ForeignKey(
        Hold,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="Keeps deliveries back until it is done; null where a person holds them anyway.",
    )
    reached = models.UUIDField()
    num_recalled = models.PositiveIntegerField(default=0)
    num_unsent = models.PositiveIntegerField(default=0, help_text="Of those, never sent to anybody.")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["model_version", "answer", "segment"],
                condition=models.Q(finished_at__isnull=True),
                name="recall_one_under_way",
            ),
            models.CheckConstraint(
                condition=models.Q(segment="") | (~models.Q(answer="") & ~models.Q(segment_column="")),
                name="recall_segment_of_class",
            ),
            models.CheckConstraint(
                condition=models.Q(num_unsent__lte=models.F("num_recalled")), name="recall_unsent_of_recalled"
            ),
            models.CheckConstraint(condition=~models.Q(reason=""), name="recall_reason"),
        ]

    def __str__(self) -> str:
        return f"recall of {self.model_version}"
