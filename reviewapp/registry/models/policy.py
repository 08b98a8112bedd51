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

    class Unapproved(models.TextChoices):
        """Why a version that nobody approved came into force."""

        SOLE_OWNER = "sole_owner", "Nobody else owns the policies of the stream"
        ROLLED_BACK = "rolled_back", "Restores what was in force before"
        SYSTEM = "system", "A command of the installation put it in force"
        EARLIER = "earlier", "Put in force before approval was asked for"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="policy_versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    body = models.JSONField(
        help_text='{"promises": {class: {"target_error": 0.02, "confidence": 0.95}}, "thresholds": {class: 0.97}}, '
        "and what docs/reference/policies.md lists."
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
    back_test_id = models.UUIDField(null=True, blank=True, help_text="The back-test that it was proposed with.")
    untested_because = models.CharField(
        max_length=500, blank=True, default="", help_text="Why it was proposed without a back-test."
    )
    sent_back_because = models.CharField(
        max_length=500, blank=True, default="", help_text="Why it was sent back last; kept until it is proposed again."
    )
    unapproved_because = models.CharField(max_length=12, choices=Unapproved.choices, blank=True, default="")
    restores = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        help_text="The earlier version whose body a rollback put back in force.",
    )

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
            models.CheckConstraint(
                condition=~models.Q(state__in=["proposed", "approved"])
                | models.Q(proposed_by__isnull=False, back_test_id__isnull=False)
                | (models.Q(proposed_by__isnull=False) & ~models.Q(untested_because="")),
                name="policy_version_tested",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["approved", "active", "retired"])
                | models.Q(approved_by__isnull=False)
                | models.Q(
                    state__in=["active", "retired"],
                    unapproved_because__in=["sole_owner", "rolled_back", "system", "earlier"],
                ),
                name="policy_version_second_person",
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
