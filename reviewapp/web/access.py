"""Who asks, and what they may know of: foreign things answer 404."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest

from reviewapp.accounts.models import Team
from reviewapp.domain.errors import Forbidden, NotFound
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Role, Stream

# What a team shares (endpoints, keys) is run by these roles, held for the whole team.
RUNS_INTEGRATION = (Role.LEAD, Role.INTEGRATOR)
SEES_INTEGRATION = (*RUNS_INTEGRATION, Role.AUDITOR)


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in person with their roles, read once per request."""
    known: Actor | None = getattr(request, "_web_actor", None)
    if known is None:
        known = Actor.for_user(request.user)
        request._web_actor = known  # type: ignore[attr-defined]
    return known


def stream_of(request: HttpRequest, slug: str) -> Stream:
    """The stream of that name, or NotFound when the person may not know of it."""
    stream = (
        Stream.objects.visible_to(actor_of(request)).select_related("team").filter(slug=slug).order_by("pk").first()
    )
    if stream is None:
        raise NotFound("There is no such stream.")
    return stream


def teams_with(actor: Actor, roles: Sequence[Role]) -> list[Team]:
    """The teams in which the person holds one of the roles for the whole team."""
    if actor.sees_everything:
        return list(Team.objects.order_by("name", "pk"))
    wanted = {grant.team_id for grant in actor.grants if grant.stream_id is None and grant.role in roles}
    return list(Team.objects.filter(pk__in=wanted).order_by("name", "pk")) if wanted else []


def can_see_integration(actor: Actor) -> bool:
    return _holds_for_team(actor, SEES_INTEGRATION)


def can_run_integration(actor: Actor) -> bool:
    return _holds_for_team(actor, RUNS_INTEGRATION)


def check_sees_integration(actor: Actor) -> None:
    """Endpoints, deliveries and keys are the business of the whole team's leads, integrators and auditors."""
    if not can_see_integration(actor):
        raise Forbidden("You need to be lead, integrator or auditor of the team for this.", code="role_required")


def check_runs_integration(actor: Actor, team_id: Any) -> None:
    if not actor.has_team_role(team_id, RUNS_INTEGRATION):
        raise Forbidden("You need to be lead or integrator of the team for this.", code="role_required")


def _holds_for_team(actor: Actor, roles: Sequence[Role]) -> bool:
    return actor.sees_everything or any(grant.stream_id is None and grant.role in roles for grant in actor.grants)
