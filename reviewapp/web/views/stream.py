"""How a stream reads and shows its cases, and who works on it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from reviewapp.domain.errors import NotFound
from reviewapp.registry.actions import members, streams
from reviewapp.registry.models import Membership, Role, Stream, StreamRevision
from reviewapp.web.access import actor_of, stream_of
from reviewapp.web.errors import attempt
from reviewapp.web.forms.stream import MemberForm, RevisionForm
from reviewapp.web.queries import people as queries
from reviewapp.web.queries.displays import revisions_in_force

MAY_REVISE = (Role.MODEL_OWNER, Role.LEAD, Role.POLICY_OWNER)


@require_safe
def display(request: HttpRequest, slug: str) -> HttpResponse:
    """The input contract, display and guideline in force."""
    return _display_page(request, stream_of(request, slug))


@require_POST
def revise(request: HttpRequest, slug: str) -> HttpResponse:
    stream, form = stream_of(request, slug), RevisionForm(request.POST)
    made = attempt(form, streams.revise, stream=stream, by=actor_of(request))
    if made is None:
        return _display_page(request, stream, refused=form)
    messages.success(request, f"{made.get_kind_display()} {made.number} is in force.")
    return redirect("display", slug)


@require_safe
def people(request: HttpRequest, slug: str) -> HttpResponse:
    """Who may do what in the stream."""
    return _people_page(request, stream_of(request, slug), MemberForm())


@require_POST
def add_member(request: HttpRequest, slug: str) -> HttpResponse:
    stream, form = stream_of(request, slug), MemberForm(request.POST)
    made = attempt(form, members.add, stream=stream, by=actor_of(request))
    if made is None:
        return _people_page(request, stream, form, status=422)
    messages.success(request, f"{made.user.name} is now {made.get_role_display().lower()} here.")
    return redirect("people", slug)


@require_POST
def remove_member(request: HttpRequest, slug: str, membership_id: UUID) -> HttpResponse:
    stream = stream_of(request, slug)
    found = (
        Membership.objects.select_related("user", "stream")
        .filter(pk=membership_id, team=stream.team, stream__in=[stream])
        .first()
    )
    if found is None:
        raise NotFound("There is no such membership.")
    members.remove(membership=found, by=actor_of(request))
    messages.success(request, f"{found.user.name} is no longer {found.get_role_display().lower()} here.")
    return redirect("people", slug)


def _display_page(request: HttpRequest, stream: Stream, refused: RevisionForm | None = None) -> HttpResponse:
    revisions = revisions_in_force(stream)
    forms = []
    for kind in StreamRevision.Kind.values:
        revision = revisions.get(kind)
        form = RevisionForm.showing(kind, revision.body if revision else None)
        if refused is not None and refused.data.get("kind") == kind:
            form = refused
        forms.append({"kind": kind, "form": form, "revision": revision})
    context = {
        "stream": stream,
        "forms": forms,
        "may_revise": actor_of(request).has_role(stream, MAY_REVISE),
    }
    return render(request, "stream/display.html", context, status=422 if refused else 200)


def _people_page(request: HttpRequest, stream: Stream, form: MemberForm, status: int = 200) -> HttpResponse:
    context = {
        "stream": stream,
        "members": queries.members_of(stream),
        "may_change": actor_of(request).has_role(stream, (Role.LEAD,)),
        "form": form,
    }
    return render(request, "stream/people.html", context, status=status)
