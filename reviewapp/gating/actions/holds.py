"""A person's stop, effective with the next commit."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from reviewapp.domain.errors import Conflict, Forbidden, Invalid
from reviewapp.events import actions as events
from reviewapp.gating.models import Hold
from reviewapp.registry.actors import Actor, check_role
from reviewapp.registry.models import Role, Stream

MAY_HOLD = (Role.LEAD, Role.POLICY_OWNER, Role.MODEL_OWNER)


def place(*, stream: Stream | None, scope: str, reason: str, by: Actor) -> Hold:
    """Stop automation, deliveries or both, in one stream or (stream=None) everywhere."""
    _check_may(by, stream)
    if scope not in Hold.Scope.values:
        raise Invalid(f"“{scope}” cannot be held; use {', '.join(Hold.Scope.values)}.", code="scope_unknown")
    if not reason.strip():
        raise Invalid("A hold needs a reason: say why, for those who find the stream stopped.", code="reason_missing")
    try:
        with transaction.atomic():
            _lock(stream)
            hold = Hold.objects.create(stream=stream, scope=scope, reason=reason.strip(), placed_by=str(by))
            _record("hold.placed", hold, by)
    except IntegrityError as error:
        raise Conflict("That hold is already in place.", code="already_held") from error
    return hold


@transaction.atomic
def lift(*, hold: Hold, by: Actor) -> Hold:
    """End a hold; lifting it twice changes nothing."""
    _check_may(by, hold.stream)
    now = timezone.now()
    if Hold.objects.filter(pk=hold.pk, lifted_at__isnull=True).update(lifted_by=str(by), lifted_at=now):
        hold.lifted_by, hold.lifted_at = str(by), now
        _record("hold.lifted", hold, by)
    return hold


def _check_may(by: Actor, stream: Stream | None) -> None:
    if stream is not None:
        check_role(by, stream, *MAY_HOLD)
    elif not by.sees_everything:
        raise Forbidden("Only an administrator may hold every stream.", code="role_required")


def _lock(stream: Stream | None) -> None:
    streams = Stream.objects.select_for_update(of=("self",), no_key=True).order_by("pk")
    list(streams if stream is None else streams.filter(pk=stream.pk))


def _record(type_: str, hold: Hold, by: Actor) -> None:
    events.record(
        events.Happening(
            type=type_,
            subject=f"hold:{hold.pk}",
            actor=str(by),
            payload={"scope": hold.scope, "reason": hold.reason},
            team_id=hold.stream.team_id if hold.stream else None,
            stream_id=hold.stream_id,
        )
    )
