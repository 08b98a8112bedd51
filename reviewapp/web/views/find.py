from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from reviewapp.cases.models import Decision
from reviewapp.registry.models import Stream
from reviewapp.web.access import actor_of
from reviewapp.web.actor_names import ActorNames
from reviewapp.web.forms.find import FindForm
from reviewapp.web.moments import Moment
from reviewapp.web.queries import find as queries
from reviewapp.web.queries.find import Found


@dataclass(frozen=True)
class Row:
    decision: Decision
    by: str
    is_superseded: bool
    reasons: Sequence[str]
    is_here: bool


@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """A case by its id, or decisions by what is known of them; with neither the newest cases."""
    text = request.GET.get("q", "").strip().replace("\0", "")
    if text:
        return _by_id(request, text)
    form = FindForm(actor_of(request), request.GET)
    if form.is_used and set(request.GET) != {"stream"}:
        return _by_facts(request, form)
    return _newest(request, form)


def _by_id(request: HttpRequest, text: str) -> HttpResponse:
    actor = actor_of(request)
    cases = queries.matching(actor, text)
    if len(cases) == 1:
        return redirect("case", cases[0].pk)
    context = {"text": text, "cases": queries.with_states(actor, cases), "form": FindForm(actor)}
    return _page(request, context)


def _newest(request: HttpRequest, form: FindForm) -> HttpResponse:
    actor, stream = actor_of(request), request.GET.get("stream", "").replace("\0", "")
    context = {
        "stream": stream,
        "streams": list(Stream.objects.visible_to(actor).order_by("name", "pk")),
        "cases": queries.with_states(actor, queries.newest(actor, stream)),
        "form": form,
    }
    return _page(request, context)


def _by_facts(request: HttpRequest, form: FindForm) -> HttpResponse:
    if not form.is_valid():
        return _page(request, {"form": form, "is_search": True}, status=422)
    search = form.search(_id(request.GET.get("before", "")))
    try:
        found = queries.decisions(actor_of(request), search)
    except queries.TooSlow as error:
        form.add_error(None, str(error))
        return _page(request, {"form": form, "is_search": True}, status=422)
    asked = {name: request.GET.get(name, "") for name in form.fields}
    context = {
        "form": form,
        "is_search": True,
        "when": search.when,
        "rows": _rows(found, search.when),
        "newer_url": _url(asked) if search.before else "",
        "older_url": _url({**asked, "before": found.older}) if found.older else "",
        "earlier_url": _url(form.with_when(found.earlier)) if found.earlier else "",
        "later_url": _url(form.with_when(found.later)) if found.later else "",
    }
    return _page(request, context)


def _rows(found: Found, when: Moment | None) -> list[Row]:
    names = ActorNames([one.actor for one in found.decisions])
    return [
        Row(
            decision=one,
            by=names[one.actor],
            is_superseded=hasattr(one, "superseded_by"),
            reasons=[reason["sentence"] for reason in one.prediction.reasons] if one.prediction else [],
            is_here=one is _first_after(found, when),
        )
        for one in found.decisions
    ]


def _first_after(found: Found, when: Moment | None) -> Decision | None:
    """The row above which the moment that was asked for lies."""
    if when is None or not when.is_point:
        return None
    return next((one for one in found.decisions if one.decided_at >= when.start), None)


def _page(request: HttpRequest, found: Mapping[str, object], status: int = 200) -> HttpResponse:
    defaults: dict[str, object] = {
        "text": "",
        "stream": "",
        "streams": [],
        "cases": [],
        "is_search": False,
        "when": None,
        "rows": [],
        **dict.fromkeys(("newer_url", "older_url", "earlier_url", "later_url"), ""),
        "zone": timezone.get_current_timezone_name(),
    }
    response = render(request, "find/find.html", {**defaults, **found}, status=status)
    response["Cache-Control"] = "no-store"
    return response


def _url(query: Mapping[str, object]) -> str:
    given = {name: value for name, value in query.items() if value}
    return reverse("find") + (f"?{urlencode(given)}" if given else "")


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
