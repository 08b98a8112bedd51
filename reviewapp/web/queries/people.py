"""Memberships, and a person's own work."""

from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

from reviewapp.cases.models import Review, Verdict
from reviewapp.cases.reasons import visible_mode
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Membership, Stream
from reviewapp.web.queries import desk

RECENT = 25


def members_of(stream: Stream) -> list[Membership]:
    """Everyone with a role in the stream, its own members and those of the whole team."""
    found = Membership.objects.filter(Q(stream=stream) | Q(stream__isnull=True), team=stream.team)
    return list(found.select_related("user").order_by("user__first_name", "user__email", "role", "pk"))


def memberships_of(actor: Actor) -> list[Membership]:
    found = Membership.objects.filter(user=actor.user).select_related("team", "stream")
    return list(found.order_by("team__name", "stream__name", "role", "pk"))


def claims_of(actor: Actor) -> list[Review]:
    """The reviews the person holds now, the oldest claim first, each with the mode that may be told."""
    held = Review.objects.filter(claimed_by=actor.user, state=Review.State.OPEN, claim_until__gt=Now())
    found: list[Any] = list(
        held.select_related("case", "stream").annotate(database_now=Now()).order_by("claimed_at", "pk")
    )
    for review in found:
        review.told_mode = visible_mode(review, is_told=False)
    return found


def recent_verdicts(actor: Actor) -> list[Verdict]:
    """The person's latest answers; `can_undo` says which of them have not left the house."""
    found = list(desk.own_verdicts(actor).order_by("-pk")[:RECENT])
    for verdict in found:
        verdict.can_undo = desk.undoable(verdict)
    return found
