from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from reviewapp.domain.errors import Invalid, NotFound
from reviewapp.gating.actions import holds
from reviewapp.gating.models import Hold
from reviewapp.registry.actions import policies
from reviewapp.registry.models import PolicyVersion, Role, Stream
from reviewapp.web.access import actor_of, stream_of
from reviewapp.web.actor_names import ActorNames
from reviewapp.web.errors import attempt, explain
from reviewapp.web.forms.policy import HoldForm, PolicyForm
from reviewapp.web.queries import policy as queries


@require_safe
def policy(request: HttpRequest, slug: str) -> HttpResponse:
    """The active policy, drafts, history, and what is on hold."""
    return _page(request, stream_of(request, slug))


@require_POST
def draft(request: HttpRequest, slug: str) -> HttpResponse:
    stream = stream_of(request, slug)
    form = PolicyForm(stream, request.POST)
    if not form.is_valid():
        return _page(request, stream, form=form)
    try:
        made = policies.draft(stream=stream, body=form.body(), note=form.cleaned_data["note"], by=actor_of(request))
    except Invalid as error:
        explain(form, error)
        return _page(request, stream, form=form)
    messages.success(request, f"Draft {made.number} is written. Nothing changes until it is activated.")
    return redirect("policy", slug)


@require_POST
def activate(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    version = _version(stream_of(request, slug), number)
    policies.activate(policy=version, by=actor_of(request))
    messages.success(request, f"Policy {number} is in force from the next batch on.")
    return redirect("policy", slug)


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


def _version(stream: Stream, number: int) -> PolicyVersion:
    version = PolicyVersion.objects.select_related("stream").filter(stream=stream, number=number).first()
    if version is None:
        raise NotFound("There is no such policy version.")
    return version


def _page(
    request: HttpRequest,
    stream: Stream,
    *,
    form: PolicyForm | None = None,
    hold_form: HoldForm | None = None,
) -> HttpResponse:
    actor = actor_of(request)
    versions, placed = queries.versions_of(stream), queries.holds_on(stream)
    active = next((one for one in versions if one.state == PolicyVersion.State.ACTIVE), None)
    may_edit = actor.has_role(stream, (Role.POLICY_OWNER,))
    context = {
        "stream": stream,
        "active": active,
        "classes": queries.classes_of(stream, active),
        "versions": queries.with_names(versions),
        "holds": placed,
        "names": ActorNames([one.placed_by for one in placed]),
        "may_edit": may_edit,
        "may_hold": actor.has_role(stream, holds.MAY_HOLD),
        "form": form or (PolicyForm(stream, body=active.body if active else None) if may_edit else None),
        "hold_form": hold_form or HoldForm(),
    }
    return render(request, "policy/policy.html", context, status=422 if form or hold_form else 200)
