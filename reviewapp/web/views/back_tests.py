from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from reviewapp.cases import back_tests
from reviewapp.domain.errors import Invalid
from reviewapp.domain.gate import Route
from reviewapp.gating.models import BackTest
from reviewapp.web.access import actor_of, stream_of
from reviewapp.web.forms.policy_steps import BackTestForm
from reviewapp.web.views.policy_versions import can_edit, version_of, version_page

UNFINISHED = (BackTest.State.WAITING, BackTest.State.RUNNING)
LISTED = 50
# A longer number is no id of a row.
MAX_DIGITS = 19


@require_POST
def start(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Have a version replayed on a past period."""
    # The replay reckons with numpy: a process that never starts one never loads it.
    from reviewapp.cases.actions import back_testing

    found = version_of(stream_of(request, slug), number)
    form = BackTestForm(request.POST)
    if not form.is_valid():
        return version_page(request, found, back_test_form=form)
    first, last = form.period()
    try:
        made = back_testing.start(policy=found, period_start=first, period_end=last, by=actor_of(request))
    except Invalid as error:
        form.add_error(None, str(error))
        return version_page(request, found, back_test_form=form)
    return redirect("back_test", slug, made.pk)


@require_safe
def back_test(request: HttpRequest, slug: str, back_test_id: UUID) -> HttpResponse:
    """How far it is, and then what it found, with the cases behind it."""
    stream, actor = stream_of(request, slug), actor_of(request)
    found = back_tests.found(stream, back_test_id, by=actor)
    is_watched = request.headers.get("HX-Target") == "back-test-progress"
    context = {"stream": stream, "section": "versions", "test": found, "may_edit": can_edit(request, stream)}
    if found.state in UNFINISHED:
        return render(request, f"policy/back_test.html{'#progress' if is_watched else ''}", context)
    if is_watched:
        # The figures take the place of the whole page.
        response = HttpResponse()
        response["HX-Refresh"] = "true"
        return response
    if found.state == BackTest.State.DONE:
        context |= _cases(request, found)
    return render(request, "policy/back_test.html", context)


@require_POST
def cancel(request: HttpRequest, slug: str, back_test_id: UUID) -> HttpResponse:
    from reviewapp.cases.actions import back_testing

    actor = actor_of(request)
    back_testing.cancel(back_test=back_tests.found(stream_of(request, slug), back_test_id, by=actor), by=actor)
    messages.warning(request, "The back-test is cancelled.")
    return redirect("back_test", slug, back_test_id)


def _cases(request: HttpRequest, found: BackTest) -> dict[str, Any]:
    """The page of changed cases that the address asks for."""
    to, answer = request.GET.get("to"), request.GET.get("class")
    chosen: dict[str, Any] = {
        "to": to if to in set(Route) else None,
        "answer": answer if answer in found.policy_version.stream.classes else None,
        "is_contradicted": request.GET.get("contradicted") == "1",
    }
    after = request.GET.get("after", "")
    cases = back_tests.changes_of(
        found,
        by=actor_of(request),
        **chosen,
        after=int(after) if after.isdecimal() and len(after) < MAX_DIGITS else 0,
        limit=LISTED + 1,
    )
    kept = request.GET.copy()
    kept["after"] = str(cases[LISTED - 1].id) if len(cases) > LISTED else ""
    return {
        "cases": cases[:LISTED],
        "chosen": chosen,
        "next_url": f"?{kept.urlencode()}#cases" if len(cases) > LISTED else "",
    }
