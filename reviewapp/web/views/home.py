from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from reviewapp.web.access import actor_of
from reviewapp.web.queries import streams


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The person's streams and how their queues stand."""
    return render(request, "home/home.html", {"streams": streams.overview(actor_of(request))})
