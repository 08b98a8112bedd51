from uuid import UUID

from django.contrib import messages
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from reviewapp.registry.actions import clients
from reviewapp.registry.models import ApiKey
from reviewapp.web.access import (
    RUNS_INTEGRATION,
    SEES_INTEGRATION,
    actor_of,
    can_run_integration,
    check_runs_integration,
    check_sees_integration,
    teams_with,
)
from reviewapp.web.errors import attempt
from reviewapp.web.forms.integration import KeyForm
from reviewapp.web.queries import integration

SENT_AGAIN_WITHIN = 24 * 60 * 60  # seconds


@require_safe
def keys(request: HttpRequest) -> HttpResponse:
    """The API keys of the team's clients."""
    return _page(request)


@require_POST
def create(request: HttpRequest) -> HttpResponse:
    """A new key; its text is on this page and on none after it. A page sent again, as by a reload, makes no other."""
    actor = actor_of(request)
    form = KeyForm(teams_with(actor, RUNS_INTEGRATION), request.POST)
    page = f"keys-page:{form.cleaned_data.pop('page')}" if form.is_valid() else ""
    if page and not cache.add(page, True, SENT_AGAIN_WITHIN):
        messages.info(request, "This key was made already, and its text is not shown again.")
        return redirect("keys")
    made = attempt(form, clients.create_key, by=actor)
    if made is None:
        cache.delete(page)
        return _page(request, form=form)
    return _page(request, key=made[0], text=made[1])


@require_POST
def revoke(request: HttpRequest, key_id: UUID) -> HttpResponse:
    actor = actor_of(request)
    key = integration.key_of(teams_with(actor, SEES_INTEGRATION), key_id)
    check_runs_integration(actor, key.client.team_id)
    clients.revoke_key(key=key, by=actor)
    messages.warning(request, f"{key} is revoked: its next request is refused.")
    return redirect("keys")


def _page(
    request: HttpRequest, *, form: KeyForm | None = None, key: ApiKey | None = None, text: str = ""
) -> HttpResponse:
    actor = actor_of(request)
    check_sees_integration(actor)
    may_change = can_run_integration(actor)
    context = {
        "keys": integration.keys_of(teams_with(actor, SEES_INTEGRATION)),
        "may_change": may_change,
        "form": form or (KeyForm(teams_with(actor, RUNS_INTEGRATION)) if may_change else None),
        "made": key,
        "text": text,
    }
    response = render(request, "keys/keys.html", context, status=422 if form else 200)
    response["Cache-Control"] = "no-store"
    return response
