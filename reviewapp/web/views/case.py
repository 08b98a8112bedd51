from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from reviewapp.cases import permissions
from reviewapp.cases.actions import reopening, replaying
from reviewapp.cases.models import Case, Prediction
from reviewapp.cases.replays import replays_of
from reviewapp.domain.states import CaseState
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Role
from reviewapp.web.access import actor_of
from reviewapp.web.actor_names import ActorNames
from reviewapp.web.errors import attempt
from reviewapp.web.queries import trace


class ReopenForm(forms.Form):
    reason = forms.CharField(max_length=500, label="Reason", help_text="The people who answer the case again read it.")


@require_safe
def case(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """A case's trace; htmx asks the same address for the replays alone."""
    actor = actor_of(request)
    shown = trace.case_for(actor, case_id)
    if not request.headers.get("HX-Request"):
        return _page(request, shown, actor, ReopenForm())
    permissions.check_sees_model(actor, shown)
    context = {"case": shown, **_replays(shown, actor, trace.predictions_of(shown))}
    return _unstored(render(request, "case/replays.html", context))


@require_POST
def reopen(request: HttpRequest, case_id: UUID) -> HttpResponse:
    actor, form = actor_of(request), ReopenForm(request.POST)
    shown = trace.case_for(actor, case_id)
    if attempt(form, reopening.reopen, case_id=case_id, by=actor) is None:
        return _page(request, shown, actor, form, status=422)
    messages.success(request, "The case is back in the queue. Its decision stands until somebody supersedes it.")
    return redirect("case", case_id)


@require_POST
def replay(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """Have a prediction made again; the page it leads to shows the result when it is there."""
    actor = actor_of(request)
    shown = trace.case_for(actor, case_id)
    try:
        prediction = UUID(request.POST["prediction"]) if "prediction" in request.POST else None
    except ValueError:
        prediction = UUID(int=0)
    replaying.ask(case_id=shown.pk, by=actor, prediction_id=prediction)
    return redirect(f"{reverse('case', args=[case_id])}#replays")


def _page(request: HttpRequest, shown: Case, actor: Actor, form: ReopenForm, status: int = 200) -> HttpResponse:
    may_reopen = actor.has_role(shown.stream, (Role.LEAD, Role.AUDITOR))
    whole = trace.trace_of(shown, actor)
    context = {
        "trace": whole,
        "case": shown,
        "stream": shown.stream,
        "form": form if may_reopen and shown.state == CaseState.DECIDED else None,
        **_replays(shown, actor, whole.predictions),
    }
    return _unstored(render(request, "case/trace.html", context, status=status))


def _replays(shown: Case, actor: Actor, predictions: Sequence[Prediction]) -> dict[str, Any]:
    """The replays with who asked for each, and the predictions that can be replayed, for whoever may see them."""
    replays = replays_of(shown)
    names = ActorNames([one.asked_by for one in replays])
    replayable = replaying.replayable(shown, predictions)
    return {
        "replays": [(one, names[one.asked_by]) for one in replays],
        "is_waiting": any(one.state == "waiting" for one in replays),
        "replayable": replayable,
        "may_replay": bool(replayable) and permissions.oversees(actor, shown.stream),
    }


def _unstored(response: HttpResponse) -> HttpResponse:
    patch_vary_headers(response, ["HX-Request"])
    response["Cache-Control"] = "no-store"
    return response
