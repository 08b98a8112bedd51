from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from reviewapp.cases import permissions
from reviewapp.cases.actions import claims
from reviewapp.cases.models import Review
from reviewapp.registry.models import Stream
from reviewapp.web.access import actor_of, stream_of
from reviewapp.web.queries import desk, streams
from reviewapp.web.queries import queue as queries


@require_safe
def queue(request: HttpRequest, slug: str) -> HttpResponse:
    """A stream's queue; htmx asks the same address for the list alone."""
    stream, actor = stream_of(request, slug), actor_of(request)
    # Which case is audited is not for those who may have to answer it unseen.
    shows_kind = permissions.oversees(actor, stream)
    kind = request.GET.get("kind", "")
    kind = kind if shows_kind and kind in Review.Kind.values else ""
    context = {
        "stream": stream,
        "kind": kind,
        "shows_kind": shows_kind,
        "figures": streams.figures_of(stream, actor),
        "kinds": queries.counts_by_kind(stream) if shows_kind else [],
        "reviews": queries.next_reviews(stream, kind, shows_kind=shows_kind),
        "in_progress": queries.in_progress(stream, shows_kind=shows_kind),
        "can_review": permissions.can_review(actor, stream),
        "saved": desk.just_saved(actor, request.GET.get("saved", "")),
    }
    template = "queue/queue.html#list" if request.headers.get("HX-Request") else "queue/queue.html"
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_POST
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Claim the next review and go to it."""
    return to_next(request, stream_of(request, slug))


@require_POST
def prefetch(request: HttpRequest, slug: str) -> HttpResponse:
    """Hurry the evidence of the review that would come next."""
    claims.prefetch(stream=stream_of(request, slug), by=actor_of(request))
    return HttpResponse(status=204)


def to_next(request: HttpRequest, stream: Stream, *, saved: str = "") -> HttpResponseRedirect:
    """The next review of the stream, or its queue when nothing is left."""
    review = claims.claim_next(stream=stream, by=actor_of(request))
    query = f"?saved={saved}" if saved else ""
    if review is not None:
        return redirect(reverse("review", args=[review.pk]) + query)
    messages.success(request, "Nothing is waiting in this queue.")
    return redirect(reverse("queue", args=[stream.slug]) + query)
