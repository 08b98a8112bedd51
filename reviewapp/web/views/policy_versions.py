from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from reviewapp.domain.errors import Conflict, DomainError, Invalid, NotFound
from reviewapp.gating.actions import activation
from reviewapp.registry.actions import policies
from reviewapp.registry.actors import check_role
from reviewapp.registry.models import PolicyVersion, Role, Stream
from reviewapp.web.access import actor_of, stream_of
from reviewapp.web.errors import explain
from reviewapp.web.forms.policy import PolicyForm, place_faults
from reviewapp.web.forms.policy_steps import BackTestForm, ProposeForm, ReasonForm
from reviewapp.web.queries import policy_versions as queries


@require_safe
def versions(request: HttpRequest, slug: str) -> HttpResponse:
    """Every version with who, when and why, the newest first."""
    stream, before = stream_of(request, slug), request.GET.get("before", "")
    found, more = queries.versions_of(stream, before=int(before) if before.isdecimal() and len(before) < 10 else None)
    context = {
        "stream": stream,
        "section": "versions",
        "versions": found,
        "older_url": f"?before={more}" if more else "",
        "may_edit": can_edit(request, stream),
        "may_roll_back": can_edit(request, stream) and queries.can_roll_back(stream),
    }
    return render(request, "policy/versions.html", context)


@require_safe
def version(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """One version: what it says and changes, its back-tests, and the step that comes next."""
    return version_page(request, version_of(stream_of(request, slug), number))


@require_safe
def new(request: HttpRequest, slug: str) -> HttpResponse:
    """An empty editor, or one that begins with what is in force and with what the workshop found."""
    stream = stream_of(request, slug)
    active = policies.active_policy(stream)
    body = queries.with_found(active.body if active else {}, request.GET, stream)
    return _editor(request, stream, form=PolicyForm(stream, body=body))


@require_POST
def draft(request: HttpRequest, slug: str) -> HttpResponse:
    stream = stream_of(request, slug)
    form = PolicyForm(stream, request.POST)
    try:
        if not form.is_valid():
            return _editor(request, stream, form=form)
        made = policies.draft(stream=stream, body=form.body(), note=form.cleaned_data["note"], by=actor_of(request))
    except Invalid as error:
        place_faults(form, _faults(error))
        return _editor(request, stream, form=form)
    messages.success(request, f"Draft {made.number} is written. Nothing changes until it is activated.")
    return redirect("policy_version", slug, made.number)


@require_safe
def edit(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The editor of a draft."""
    found = version_of(stream_of(request, slug), number)
    if found.state != PolicyVersion.State.DRAFT:
        raise Conflict(f"Policy {number} is no draft any more; write a new one.", code="policy_read_only")
    form = PolicyForm(found.stream, body=found.body, initial={"note": found.note})
    return _editor(request, found.stream, form=form, editing=found)


@require_POST
def save(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    found = version_of(stream_of(request, slug), number)
    form = PolicyForm(found.stream, request.POST, body=found.body)
    try:
        if not form.is_valid():
            return _editor(request, found.stream, form=form, editing=found)
        policies.edit(policy=found, body=form.body(), note=form.cleaned_data["note"], by=actor_of(request))
    except Invalid as error:
        place_faults(form, _faults(error))
        return _editor(request, found.stream, form=form, editing=found)
    messages.success(request, f"Draft {number} is saved.")
    return redirect("policy_version", slug, number)


@require_POST
def propose(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    found = version_of(stream_of(request, slug), number)
    form = ProposeForm(request.POST)
    if not form.is_valid():
        return version_page(request, found, propose_form=form)
    try:
        activation.propose(policy=found, by=actor_of(request), **form.cleaned_data)
    except Invalid as error:
        explain(form, error)
        return version_page(request, found, propose_form=form)
    messages.success(request, f"Policy {number} is proposed; another policy owner approves it or sends it back.")
    return redirect("policy_version", slug, number)


@require_POST
def approve(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    policies.approve(policy=version_of(stream_of(request, slug), number), by=actor_of(request))
    messages.success(request, f"Policy {number} is approved; it may be activated now.")
    return redirect("policy_version", slug, number)


@require_POST
def send_back(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    found = version_of(stream_of(request, slug), number)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return version_page(request, found, send_back_form=form)
    policies.send_back(policy=found, by=actor_of(request), **form.cleaned_data)
    messages.warning(request, f"Policy {number} is a draft again.")
    return redirect("policy_version", slug, number)


@require_POST
def activate(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    activation.activate(policy=version_of(stream_of(request, slug), number), by=actor_of(request))
    messages.success(request, f"Policy {number} is in force from the next batch on.")
    return redirect("policy", slug)


@require_POST
def roll_back(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    found = version_of(stream_of(request, slug), number)
    restored = activation.roll_back(policy=found, by=actor_of(request), reason=request.POST.get("reason", ""))
    messages.success(
        request, f"Policy {number} is left; policy {restored.number} puts what was in force before it back."
    )
    return redirect("policy", slug)


def version_of(stream: Stream, number: int) -> PolicyVersion:
    versions = PolicyVersion.objects.select_related("stream__team", "restores")
    found = versions.filter(stream=stream, number=number).first()
    if found is None:
        raise NotFound("There is no such policy version.")
    return found


def version_page(request: HttpRequest, found: PolicyVersion, **forms: Any) -> HttpResponse:
    actor = actor_of(request)
    context = {
        "stream": found.stream,
        "section": "versions",
        "shown": queries.shown(found, actor),
        "may_edit": can_edit(request, found.stream),
        "propose_form": ProposeForm(),
        "send_back_form": ReasonForm(),
        "back_test_form": BackTestForm(),
        **forms,
    }
    return render(request, "policy/version.html", context, status=422 if forms else 200)


def _editor(
    request: HttpRequest, stream: Stream, *, form: PolicyForm, editing: PolicyVersion | None = None
) -> HttpResponse:
    check_role(actor_of(request), stream, Role.POLICY_OWNER)
    context = {"stream": stream, "section": "versions", "form": form, "editing": editing}
    return render(request, "policy/editor.html", context, status=422 if form.is_bound else 200)


def can_edit(request: HttpRequest, stream: Stream) -> bool:
    return actor_of(request).has_role(stream, (Role.POLICY_OWNER,))


def _faults(error: DomainError) -> list[dict[str, str]]:
    return error.details.get("errors") or [{"field": "", "message": str(error)}]
