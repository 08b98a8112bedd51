"""The person's own pages."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from reviewapp.web.access import actor_of
from reviewapp.web.queries import people


@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """What the person holds and has lately answered."""
    actor = actor_of(request)
    context = {"claims": people.claims_of(actor), "verdicts": people.recent_verdicts(actor)}
    return render(request, "inbox/inbox.html", context)


@require_safe
def me(request: HttpRequest) -> HttpResponse:
    """Who the person is here, and what they may do."""
    return render(request, "me/me.html", {"memberships": people.memberships_of(actor_of(request))})
