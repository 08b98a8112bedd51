import pgtrigger
import uuid_utils.compat as uuid
from django.db import models
from django.db.models.functions import Now

from reviewapp.events.fields import CurrentTransaction, TransactionIdField


class Event(models.Model):
    """One thing that happened. Append-only: the audit trail, from which webhooks and metrics derive.

    Subjects are text without foreign keys, so that deleting data by retention or erasure never touches the trail.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid7)
    type = models.CharField(max_length=64)
    team_id = models.CharField(max_length=36, null=True)
    stream_id = models.CharField(max_length=36, null=True)
    case_id = models.CharField(max_length=36, null=True)
    subject = models.CharField(max_length=120)
    sequence = models.PositiveIntegerField(null=True)
    actor = models.CharField(max_length=120)
    payload = models.BinaryField()
    traceparent = models.CharField(max_length=55, default="", blank=True)
    xid = TransactionIdField(db_default=CurrentTransaction(), editable=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case_id", "sequence"], name="event_case_sequence"),
            models.CheckConstraint(
                condition=models.Q(case_id__isnull=True, sequence__isnull=True)
                | models.Q(case_id__isnull=False, sequence__isnull=False),
                name="event_sequence_with_case",
            ),
        ]
        indexes = [models.Index(fields=["stream_id", "xid", "id"], name="event_feed")]
        triggers = [
            pgtrigger.Protect(name="event_append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class OutboxEntry(models.Model):
    """A published event that has not yet become deliveries; undo removes it while it waits."""

    event = models.OneToOneField(Event, models.PROTECT, primary_key=True, related_name="outbox_entry")
    available_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["available_at", "event"], name="outbox_available")]

    def __str__(self) -> str:
        return f"outbox {self.event_id}"
