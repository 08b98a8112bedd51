from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from reviewapp.registry.models import Stream
from reviewapp.web.access import actor_of
from reviewapp.web.queries import find as queries


@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """A case by its id: one hit opens it, none says so; without an id the newest cases."""
    actor = actor_of(request)
    text = request.GET.get("q", "").strip().replace("\0", "")
    stream = request.GET.get("stream", "").replace("\0", "")
    cases = queries.matching(actor, text) if text else queries.newest(actor, stream)
    if text and len(cases) == 1:
        return redirect("case", cases[0].pk)
    context = {
        "text": text,
        "stream": stream,
        "streams": list(Stream.objects.visible_to(actor).order_by("name", "pk")),
        "cases": queries.with_states(actor, cases),
    }
    return render(request, "find/find.html", context)
