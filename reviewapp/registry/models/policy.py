import pgtrigger
import uuid_utils.compat as uuid
from django.db import models

from reviewapp.registry.models.stream import Stream


class PolicyVersion(models.Model):
    """Thresholds per class, audit rule and guardrails; editable as a draft, then its body is read-only."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        PROPOSED = "proposed", "Proposed"
        APPROVED = "approved", "Approved"
        ACTIVE = "active", "Active"
        RETIRED = "retired", "Retired"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="policy_versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    body = models.JSONField(
        help_text='{"thresholds": {class: 0.97}, "audit_rates": {class: 0.05}, "never_automate": [], "novelty_floor": 0.01}'  # noqa: E501
    )
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=120)
    proposed_by = models.CharField(max_length=120, null=True, blank=True)
    proposed_at = models.DateTimeField(null=True, blank=True)
    approved_by = models.CharField(max_length=120, null=True, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    activated_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "number"], name="policy_version_number"),
            models.UniqueConstraint(
                fields=["stream"], condition=models.Q(state="active"), name="policy_version_one_active"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["draft", "proposed", "approved", "active", "retired"]),
                name="policy_version_state",
            ),
            models.CheckConstraint(
                condition=models.Q(approved_by__isnull=True) | ~models.Q(approved_by=models.F("proposed_by")),
                name="policy_version_two_persons",
            ),
            models.CheckConstraint(
                condition=models.Q(approved_by__isnull=True, approved_at__isnull=True)
                | models.Q(approved_by__isnull=False, approved_at__isnull=False),
                name="policy_version_approval",
            ),
            models.CheckConstraint(
                condition=models.Q(proposed_by__isnull=True, proposed_at__isnull=True)
                | models.Q(proposed_by__isnull=False, proposed_at__isnull=False),
                name="policy_version_proposal",
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="policy_version_body_read_only",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__state__in=["proposed", "approved", "active", "retired"])
                & pgtrigger.Q(old__body__df=pgtrigger.F("new__body")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stream} policy {self.number}"
