from collections.abc import Mapping
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from reviewapp.web.access import SEES_INTEGRATION, actor_of, can_run_integration, check_sees_integration, teams_with
from reviewapp.web.queries import integration
from reviewapp.webhooks import actions
from reviewapp.webhooks.models import Delivery


@require_safe
def deliveries(request: HttpRequest) -> HttpResponse:
    """What was sent where, with every attempt."""
    actor = actor_of(request)
    check_sees_integration(actor)
    teams = teams_with(actor, SEES_INTEGRATION)
    state = request.GET.get("state", "")
    state = state if state in Delivery.State.values else ""
    endpoint = _id(request, "endpoint")
    rows = integration.deliveries_of(teams, state=state, endpoint=endpoint, before=_id(request, "before"))
    older = rows[integration.PAGE - 1].pk if len(rows) > integration.PAGE else None
    chosen = {"state": state, "endpoint": endpoint or ""}
    context = {
        "deliveries": rows[: integration.PAGE],
        "endpoints": integration.endpoints_of(teams),
        "states": Delivery.State.choices,
        "state": state,
        "endpoint": endpoint,
        "newer_url": _url(chosen) if "before" in request.GET else "",
        "older_url": _url({**chosen, "before": older}) if older else "",
        "may_change": can_run_integration(actor),
    }
    return render(request, "deliveries/deliveries.html", context)


@require_POST
def redeliver(request: HttpRequest, delivery_id: UUID) -> HttpResponse:
    actor = actor_of(request)
    delivery = integration.delivery_of(teams_with(actor, SEES_INTEGRATION), delivery_id)
    actions.redeliver(delivery=delivery, by=actor)
    messages.success(request, f"{delivery.event.type} is sent once more, with the same webhook-id.")
    return redirect("deliveries")


def _url(query: Mapping[str, object]) -> str:
    given = {name: value for name, value in query.items() if value}
    return reverse("deliveries") + (f"?{urlencode(given)}" if given else "")


def _id(request: HttpRequest, name: str) -> UUID | None:
    try:
        return UUID(request.GET.get(name, ""))
    except ValueError:
        return None
