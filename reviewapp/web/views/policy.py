from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from reviewapp.domain.errors import NotFound
from reviewapp.gating.actions import holds
from reviewapp.gating.models import Hold
from reviewapp.registry.models import Role, Stream
from reviewapp.web.access import actor_of, stream_of
from reviewapp.web.actor_names import ActorNames
from reviewapp.web.errors import attempt
from reviewapp.web.forms.policy import HoldForm
from reviewapp.web.queries import policy as queries


@require_safe
def policy(request: HttpRequest, slug: str) -> HttpResponse:
    """What acts alone now, class by class, with the evidence for it and what is on hold."""
    return _page(request, stream_of(request, slug))


@require_POST
def hold(request: HttpRequest, slug: str) -> HttpResponse:
    stream = stream_of(request, slug)
    form = HoldForm(request.POST)
    if attempt(form, holds.place, stream=stream, by=actor_of(request)) is None:
        return _page(request, stream, hold_form=form)
    messages.warning(request, "The hold is in place.")
    return redirect("policy", slug)


@require_POST
def lift(request: HttpRequest, slug: str, hold_id: UUID) -> HttpResponse:
    found = Hold.objects.select_related("stream").filter(pk=hold_id, stream=stream_of(request, slug)).first()
    if found is None:
        raise NotFound("There is no such hold.")
    holds.lift(hold=found, by=actor_of(request))
    messages.success(request, "The hold is lifted.")
    return redirect("policy", slug)


def _page(request: HttpRequest, stream: Stream, *, hold_form: HoldForm | None = None) -> HttpResponse:
    actor, acting = actor_of(request), queries.acting(stream)
    context = {
        "stream": stream,
        "section": "now",
        "acting": acting,
        "names": ActorNames([one.placed_by for one in acting.holds]),
        "may_edit": actor.has_role(stream, (Role.POLICY_OWNER,)),
        "may_hold": actor.has_role(stream, holds.MAY_HOLD),
        "hold_form": hold_form or HoldForm(),
    }
    return render(request, "policy/policy.html", context, status=422 if hold_form else 200)
