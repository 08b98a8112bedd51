from typing import TYPE_CHECKING

import uuid_utils.compat as uuid
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from reviewapp.accounts.models import Team
from reviewapp.events.models import Event
from reviewapp.registry.models import Stream

if TYPE_CHECKING:
    from reviewapp.registry.actors import Actor


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    def visible_to(self, actor: "Actor") -> "EndpointQuerySet":
        return self.filter(team_id__in=actor.team_ids)


class Endpoint(models.Model):
    """Where events are sent."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"
        DISABLED = "disabled", "Disabled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    team = models.ForeignKey(Team, models.PROTECT, related_name="endpoints")
    url = models.URLField(max_length=500)
    description = models.CharField(max_length=200, blank=True)
    event_types = ArrayField(
        models.CharField(max_length=64), default=list, blank=True, help_text="Empty: every published type."
    )
    streams = models.ManyToManyField(Stream, blank=True, help_text="Empty: every stream of the team.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.ACTIVE)
    state_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "url"], name="endpoint_url"),
            models.CheckConstraint(
                condition=models.Q(state__in=["active", "paused", "disabled"]), name="endpoint_state"
            ),
        ]

    def __str__(self) -> str:
        return self.url


class EndpointSecret(models.Model):
    """A signing secret of an endpoint, encrypted at rest; during rotation two are in force."""

    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="secrets")
    number = models.PositiveIntegerField()
    encrypted = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "number"], name="endpoint_secret_number"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} secret {self.number}"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def visible_to(self, actor: "Actor") -> "DeliveryQuerySet":
        return self.filter(endpoint__team_id__in=actor.team_ids)


class Delivery(models.Model):
    """The attempts for one event at one endpoint; a retry is `next_at`, never a timer in a broker."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        DELIVERED = "delivered", "Delivered"
        DEAD = "dead", "Dead"

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    event = models.ForeignKey(Event, models.PROTECT, related_name="deliveries", db_index=False)
    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="deliveries", db_index=False)
    case_id = models.CharField(max_length=36, null=True)
    sequence = models.PositiveIntegerField(null=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(db_default=Now())
    last_status = models.PositiveSmallIntegerField(null=True)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "endpoint"], name="delivery_once"),
            models.CheckConstraint(
                condition=models.Q(lease_token__isnull=True, lease_until__isnull=True)
                | models.Q(lease_token__isnull=False, lease_until__isnull=False),
                name="delivery_lease",
            ),
            models.CheckConstraint(
                condition=models.Q(state="pending", closed_at__isnull=True)
                | models.Q(state__in=["delivered", "dead"], closed_at__isnull=False, lease_token__isnull=True),
                name="delivery_closed",
            ),
        ]
        indexes = [
            models.Index(
                fields=["endpoint", "next_at", "id"],
                name="delivery_endpoint_due",
                condition=models.Q(state="pending"),
            ),
            models.Index(fields=["lease_until"], name="delivery_leased", condition=models.Q(lease_token__isnull=False)),
            models.Index(
                fields=["endpoint", "case_id", "sequence"],
                name="delivery_case_order",
                condition=models.Q(state="pending"),
            ),
            models.Index(fields=["endpoint", "id"], name="delivery_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} to {self.endpoint_id}"


class DeliveryAttempt(models.Model):
    """One try to deliver."""

    delivery = models.ForeignKey(Delivery, models.PROTECT, related_name="log")
    number = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField(db_default=Now())
    seconds = models.FloatField()
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=200, blank=True)
    answer = models.CharField(max_length=1024, blank=True, help_text="The first 1 KB of the receiver's answer.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["delivery", "number"], name="delivery_attempt_number"),
        ]

    def __str__(self) -> str:
        return f"{self.delivery_id} attempt {self.number}"
