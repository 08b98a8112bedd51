import uuid_utils.compat as uuid
from django.db import models

from reviewapp.registry.models import ModelVersion, PolicyVersion, Stream


class Hold(models.Model):
    """A person's stop: automation, deliveries or both, for one stream or everywhere, until lifted."""

    class Scope(models.TextChoices):
        AUTOMATION = "automation", "Automation"
        DELIVERIES = "deliveries", "Deliveries"
        ALL = "all", "Automation and deliveries"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, null=True, blank=True, related_name="holds")
    scope = models.CharField(max_length=12, choices=Scope.choices)
    reason = models.TextField()
    placed_by = models.CharField(max_length=120)
    placed_at = models.DateTimeField(auto_now_add=True)
    lifted_by = models.CharField(max_length=120, null=True, blank=True)
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["stream", "scope"],
                condition=models.Q(lifted_at__isnull=True),
                name="hold_one_open",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=models.Q(scope__in=["automation", "deliveries", "all"]), name="hold_scope"
            ),
            models.CheckConstraint(
                condition=models.Q(lifted_by__isnull=True, lifted_at__isnull=True)
                | models.Q(lifted_by__isnull=False, lifted_at__isnull=False),
                name="hold_lifted",
            ),
        ]

    def __str__(self) -> str:
        return f"hold on {self.scope} of {self.stream or 'every stream'}"


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


class Certificate(models.Model):
    """The statement that a class's threshold keeps its promise, with evidence, expiry and state."""

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
    evidence = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "model_version", "scope", "number"], name="certificate_number"),
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


class LedgerEntry(models.Model):
    """One honest label as evidence on a model version, in arrival order. No foreign key to the case: it lies above."""

    model_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="ledger")
    case_id = models.UUIDField()
    answer = models.CharField("class", max_length=80, db_column="class")
    confidence = models.FloatField()
    inclusion_probability = models.FloatField()
    is_wrong = models.BooleanField()
    is_overdue = models.BooleanField(default=False)
    recorded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model_version", "case_id"], name="ledger_entry_once"),
            models.CheckConstraint(
                condition=models.Q(inclusion_probability__gt=0, inclusion_probability__lte=1),
                name="ledger_entry_probability",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model_version} {self.case_id}"


class Breaker(models.Model):
    """Opens when the guarantee of a class or segment fails; while open that class goes to review."""

    class State(models.TextChoices):
        CLOSED = "closed", "Closed"
        AMBER = "amber", "Amber"
        OPEN = "open", "Open"

    stream = models.ForeignKey(Stream, models.PROTECT, related_name="breakers")
    answer = models.CharField("class", max_length=80, db_column="class")
    segment = models.CharField(max_length=120, default="", blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.CLOSED)
    evidence = models.JSONField(default=dict)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "answer", "segment"], name="breaker_once"),
            models.CheckConstraint(condition=models.Q(state__in=["closed", "amber", "open"]), name="breaker_state"),
        ]

    def __str__(self) -> str:
        return f"{self.stream} {self.answer} {self.segment} {self.state}"


class Circuit(models.Model):
    """A failing model version or endpoint is rested: opens after failures, probes, closes."""

    class Kind(models.TextChoices):
        MODEL_VERSION = "model_version", "Model version"
        ACCELERATOR = "accelerator", "Model version on a GPU"
        ENDPOINT = "endpoint", "Endpoint"

    kind = models.CharField(max_length=15, choices=Kind.choices)
    subject = models.UUIDField()
    failures = models.PositiveIntegerField(default=0)
    runs = models.PositiveIntegerField(db_default=0, help_text="Of a model version, since its first failure.")
    detail = models.CharField(max_length=300, db_default="", blank=True, help_text="What went wrong last.")
    opened_at = models.DateTimeField(null=True, blank=True)
    probe_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "subject"], name="circuit_once"),
            models.CheckConstraint(
                condition=models.Q(kind__in=["model_version", "accelerator", "endpoint"]), name="circuit_kind"
            ),
            models.CheckConstraint(
                condition=models.Q(opened_at__isnull=True, probe_at__isnull=True)
                | models.Q(opened_at__isnull=False, probe_at__isnull=False),
                name="circuit_probe",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class BackTest(models.Model):
    """A draft policy replayed on a past period."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    policy_version = models.ForeignKey(PolicyVersion, models.PROTECT, related_name="back_tests")
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    result = models.JSONField(null=True, blank=True)
    created_by = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(period_start__lt=models.F("period_end")), name="back_test_period"
            ),
        ]

    def __str__(self) -> str:
        return f"back-test of {self.policy_version}"
