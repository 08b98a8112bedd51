import uuid_utils.compat as uuid
from django.db import models

from reviewapp.registry.models import PolicyVersion


class BackTest(models.Model):
    """A policy version replayed on a past period; nothing is decided by it."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    policy_version = models.ForeignKey(PolicyVersion, models.PROTECT, related_name="back_tests")
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    result = models.JSONField(null=True, blank=True)
    detail = models.CharField(max_length=300, blank=True, default="", help_text="Why it failed.")
    created_by = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(period_start__lt=models.F("period_end")), name="back_test_period"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["waiting", "running", "done", "failed"]), name="back_test_state"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="done") | models.Q(result__isnull=False), name="back_test_result"
            ),
        ]

    def __str__(self) -> str:
        return f"back-test of {self.policy_version}"


class BackTestChange(models.Model):
    """A case that would have taken another route. No foreign key to the case: it lies above."""

    back_test = models.ForeignKey(BackTest, models.CASCADE, related_name="changes")
    case_id = models.UUIDField()
    route_before = models.CharField(max_length=8)
    route_after = models.CharField(max_length=8)
    answer = models.CharField("class", max_length=80, db_column="class")
    confidence = models.FloatField()
    truth = models.CharField(max_length=80, null=True, help_text="What people found, where they looked.")
    reason = models.CharField(max_length=40, help_text="Why, as the gate's code under the tested policy.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["back_test", "case_id"], name="back_test_change_once"),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} {self.route_before} → {self.route_after}"
