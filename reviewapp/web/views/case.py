from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from reviewapp.cases.actions import reopening
from reviewapp.cases.models import Case
from reviewapp.domain.states import CaseState
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Role
from reviewapp.web.access import actor_of
from reviewapp.web.errors import attempt
from reviewapp.web.queries import trace


class ReopenForm(forms.Form):
    reason = forms.CharField(max_length=500, label="Reason", help_text="The people who answer the case again read it.")


@require_safe
def case(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """A case's trace."""
    actor = actor_of(request)
    return _page(request, trace.case_for(actor, case_id), actor, ReopenForm())


@require_POST
def reopen(request: HttpRequest, case_id: UUID) -> HttpResponse:
    actor, form = actor_of(request), ReopenForm(request.POST)
    shown = trace.case_for(actor, case_id)
    if attempt(form, reopening.reopen, case_id=case_id, by=actor) is None:
        return _page(request, shown, actor, form, status=422)
    messages.success(request, "The case is back in the queue. Its decision stands until somebody supersedes it.")
    return redirect("case", case_id)


def _page(request: HttpRequest, shown: Case, actor: Actor, form: ReopenForm, status: int = 200) -> HttpResponse:
    may_reopen = actor.has_role(shown.stream, (Role.LEAD, Role.AUDITOR))
    context = {
        "trace": trace.trace_of(shown, actor),
        "case": shown,
        "stream": shown.stream,
        "form": form if may_reopen and shown.state == CaseState.DECIDED else None,
    }
    response = render(request, "case/trace.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response
