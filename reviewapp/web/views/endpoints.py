from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from reviewapp.domain.errors import Invalid
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
from reviewapp.web.forms.integration import DisableForm, EndpointForm, RotateForm
from reviewapp.web.queries import integration
from reviewapp.webhooks import actions
from reviewapp.webhooks.models import Endpoint


@require_safe
def endpoints(request: HttpRequest) -> HttpResponse:
    """Where the team's events are sent."""
    return _page(request)


@require_POST
def create(request: HttpRequest) -> HttpResponse:
    """A new endpoint; its secret is on this page and on none after it."""
    actor = actor_of(request)
    form = EndpointForm(teams_with(actor, RUNS_INTEGRATION), request.POST)
    made = attempt(form, actions.create_endpoint, by=actor)
    if made is None:
        return _page(request, form=form)
    return _page(request, endpoint=made[0], secret=made[1])


@require_POST
def rotate(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    """A new secret, on this page and on none after it. Sending the page again, as a reload does, makes no other."""
    endpoint, form = _endpoint(request, endpoint_id), RotateForm(request.POST)
    check_runs_integration(actor_of(request), endpoint.team_id)
    if not form.is_valid():
        raise Invalid("The page is too old; load Endpoints again.", code="latest_missing")
    secret = actions.rotate(endpoint=endpoint, by=actor_of(request), latest=form.cleaned_data["latest"])
    return _page(request, endpoint=endpoint, secret=secret)


@require_POST
def ping(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    endpoint = _endpoint(request, endpoint_id)
    actions.ping(endpoint=endpoint, by=actor_of(request))
    messages.success(request, f"A ping is on its way to {endpoint.url}; its delivery is in the log.")
    return redirect("endpoints")


@require_POST
def disable(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    endpoint, form = _endpoint(request, endpoint_id), DisableForm(request.POST)
    if attempt(form, actions.disable, endpoint=endpoint, by=actor_of(request)):
        messages.warning(request, f"Nothing is sent to {endpoint.url} any more.")
    else:
        messages.error(request, "Say why it is disabled, in at most 200 characters.")
    return redirect("endpoints")


@require_POST
def enable(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    endpoint = _endpoint(request, endpoint_id)
    actions.enable(endpoint=endpoint, by=actor_of(request))
    messages.success(request, f"{endpoint.url} receives events again, beginning with what waited.")
    return redirect("endpoints")


def _endpoint(request: HttpRequest, endpoint_id: UUID) -> Endpoint:
    return integration.endpoint_of(teams_with(actor_of(request), SEES_INTEGRATION), endpoint_id)


def _page(
    request: HttpRequest,
    *,
    form: EndpointForm | None = None,
    endpoint: Endpoint | None = None,
    secret: str = "",
) -> HttpResponse:
    actor = actor_of(request)
    check_sees_integration(actor)
    may_change = can_run_integration(actor)
    context = {
        "endpoints": integration.endpoints_of(teams_with(actor, SEES_INTEGRATION)),
        "may_change": may_change,
        "form": form or (EndpointForm(teams_with(actor, RUNS_INTEGRATION)) if may_change else None),
        "made": endpoint,
        "secret": secret,
    }
    response = render(request, "endpoints/endpoints.html", context, status=422 if form else 200)
    response["Cache-Control"] = "no-store"
    return response
