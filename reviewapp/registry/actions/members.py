"""Who may do what in a stream."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from reviewapp.accounts.models import Team, User
from reviewapp.domain.errors import Conflict, Forbidden, Invalid
from reviewapp.events import actions as events
from reviewapp.registry.actors import Actor, check_role
from reviewapp.registry.models import Membership, Role, Stream


def add(*, stream: Stream, email: str, role: str, by: Actor) -> Membership:
    """Give a person a role in one stream. Raises Invalid for an address nobody of the team signs in with."""
    check_role(by, stream, Role.LEAD)
    if role not in Role.values:
        _refuse("role", f"“{role}” is no role; use {', '.join(Role.values)}.")
    user = _person(stream, email)
    try:
        with transaction.atomic():
            membership = Membership.objects.create(team=stream.team, user=user, stream=stream, role=role)
            _record("membership.added", membership, by)
    except IntegrityError as error:
        raise Conflict(f"{user.name} already has this role here.", code="already_member") from error
    return membership


@transaction.atomic
def remove(*, membership: Membership, by: Actor) -> None:
    """Take a role of one stream back. A role in the whole team is taken back by an administrator."""
    if membership.stream is None:
        raise Forbidden("This role covers the whole team; an administrator changes it.", code="team_role")
    check_role(by, membership.stream, Role.LEAD)
    if membership.user == by.user and membership.role == Role.LEAD:
        raise Conflict("Another lead has to take this role from you.", code="own_role")
    if Membership.objects.filter(pk=membership.pk).delete()[0]:
        _record("membership.removed", membership, by)


@transaction.atomic
def appoint(*, team: Team, user: User, stream: Stream | None, role: str, by: Actor) -> Membership:
    """Give a person a role in a stream or in the whole team; administrators only."""
    _check_administers(by, team, stream)
    membership = Membership.objects.create(team=team, user=user, stream=stream, role=role)
    _record("membership.added", membership, by)
    return membership


@transaction.atomic
def change(*, membership: Membership, by: Actor, **changes: Any) -> Membership:
    """Replace a role: the trail tells of the one that ended and of the one that began; administrators only."""
    membership = Membership.objects.select_for_update(of=("self",)).get(pk=membership.pk)
    before = {name: getattr(membership, name) for name in changes}
    if before == changes:
        return membership
    _check_administers(by, changes.get("team", membership.team), changes.get("stream", membership.stream))
    _record("membership.removed", membership, by)
    for name, value in changes.items():
        setattr(membership, name, value)
    membership.save(update_fields=list(changes))
    _record("membership.added", membership, by)
    return membership


@transaction.atomic
def dismiss(*, membership: Membership, by: Actor) -> None:
    """Take any role back; administrators only."""
    _check_administers(by, membership.team, None)
    if Membership.objects.filter(pk=membership.pk).delete()[0]:
        _record("membership.removed", membership, by)


def _check_administers(by: Actor, team: Team, stream: Stream | None) -> None:
    if not by.sees_everything:
        raise Forbidden("Only an administrator changes roles of a whole team.", code="team_role")
    if stream is not None and stream.team_id != team.pk:
        _refuse("stream", "This stream is another team's.")


def _person(stream: Stream, email: str) -> User:
    """An active person of the team, or one who belongs to no team yet: other teams' people are not told apart."""
    belongs = Q(memberships__team=stream.team) | Q(memberships__isnull=True)
    user = User.objects.filter(belongs, email=email.strip().lower(), is_active=True).distinct().first()
    if user is None:
        _refuse("email", "Nobody of this team signs in with this address; an administrator makes accounts.")
    assert user is not None
    return user


def _refuse(field: str, message: str) -> None:
    errors = [{"field": field, "code": "unknown", "message": message}]
    raise Invalid(message, code="membership_invalid", errors=errors)


def _record(type_: str, membership: Membership, by: Actor) -> None:
    events.record(
        events.Happening(
            type=type_,
            subject=f"user:{membership.user_id}",
            actor=str(by),
            payload={"role": membership.role, "is_whole_team": membership.stream_id is None},
            team_id=membership.team_id,
            stream_id=membership.stream_id,
        )
    )
