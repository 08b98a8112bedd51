from typing import TYPE_CHECKING, Any
from uuid import UUID

import uuid_utils.compat as uuid
from django.db import models
from django.db.models.functions import Now

from reviewapp.domain.states import CaseState, can_move
from reviewapp.registry.models import Stream

if TYPE_CHECKING:
    from reviewapp.registry.actors import Actor

STATES = [(state.value, state.value.replace("_", " ").capitalize()) for state in CaseState]


class CaseQuerySet(models.QuerySet["Case"]):
    def visible_to(self, actor: "Actor") -> "CaseQuerySet":
        return self.filter(stream__in=Stream.objects.visible_to(actor))

    def transition(self, pk: UUID, frm: CaseState, to: CaseState, **changes: Any) -> bool:
        """Move a case by compare-and-swap; False when it was no longer in `frm`."""
        if not can_move(frm, to):
            raise ValueError(f"a case cannot move from {frm} to {to}")
        return self.filter(pk=pk, state=frm).update(state=to, **changes) == 1


class Case(models.Model):
    """One subject to decide on, in one stream. `external_id` is upstream's own id, unique in its stream for ever."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="cases", db_index=False)
    external_id = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=STATES, default=CaseState.SCORING)
    generation = models.PositiveIntegerField(default=1)
    fingerprint = models.BinaryField(max_length=32, help_text="SHA-256 of the first input, keys sorted.")
    coin = models.FloatField()
    rollout_coin = models.FloatField()
    half_coin = models.FloatField()
    num_events = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())

    objects = CaseQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "external_id"], name="case_external_id"),
            models.CheckConstraint(
                condition=models.Q(state__in=[state.value for state in CaseState]), name="case_state"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    coin__gte=0,
                    coin__lt=1,
                    rollout_coin__gte=0,
                    rollout_coin__lt=1,
                    half_coin__gte=0,
                    half_coin__lt=1,
                ),
                name="case_coins",
            ),
            models.CheckConstraint(condition=models.Q(generation__gte=1), name="case_generation"),
        ]
        indexes = [models.Index(fields=["stream", "id"], name="case_newest")]

    def __str__(self) -> str:
        return self.external_id


class CaseInput(models.Model):
    """One generation of a case's input; an amendment adds one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    case = models.ForeignKey(Case, models.PROTECT, related_name="inputs", db_index=False)
    generation = models.PositiveIntegerField()
    features = models.JSONField()
    context = models.JSONField(default=dict)
    observed_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case", "generation"], name="case_input_generation"),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} input {self.generation}"
