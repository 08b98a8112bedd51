from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from reviewapp.web.access import actor_of
from reviewapp.web.queries import alerts as queries


@require_safe
def alerts(request: HttpRequest) -> HttpResponse:
    """What people should look at, and which processes give a sign of life."""
    actor = actor_of(request)
    context = {
        "alerts": queries.open_alerts(actor),
        "closed": queries.closed_alerts(actor),
        "beats": queries.heartbeats(),
    }
    return render(request, "alerts/alerts.html", context)
