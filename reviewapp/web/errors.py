"""Expected refusals become a page, a fragment or JSON; whatever is unexpected stays an error."""

from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from django import forms
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme

from reviewapp.domain.errors import Conflict, DomainError, Invalid

log = structlog.get_logger(__name__)

Result = TypeVar("Result")
RETRY_AFTER = "2"
UNAVAILABLE = "The database did not answer in time. Nothing was kept of what you sent; try again in a moment."
TITLES = {
    403: ("lock", "This is not yours to do"),
    404: ("zoom-question", "There is nothing here"),
    409: ("git-compare", "Something changed meanwhile"),
    412: ("refresh", "The case changed meanwhile"),
    422: ("alert-circle", "This cannot be used as it is"),
}


class RefusalMiddleware:
    """Turns a DomainError that a page did not handle itself into a designed answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, OperationalError | InterfaceError):
            log.warning("web.database_unavailable", error=type(exception.__cause__ or exception).__name__)
            return unavailable(request)
        if isinstance(exception, DomainError) and not request.path.startswith(("/api/", "/admin/")):
            return refusal(request, exception)
        return None


def unavailable(request: HttpRequest) -> HttpResponse:
    """The database did not answer in time: nothing was kept, and the same may be tried again."""
    if request.headers.get("Accept", "").startswith("application/json"):
        content = {"code": "database_unavailable", "detail": UNAVAILABLE}
        response: HttpResponse = JsonResponse(content, status=503)
    else:
        # This page needs no database: no menu, no names.
        response = HttpResponse(render_to_string("503.html"), status=503)
    response["Retry-After"] = RETRY_AFTER
    # Django would log it a second time, as an error of ours.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def refusal(request: HttpRequest, error: DomainError) -> HttpResponse:
    """The answer that says why not: JSON for scripts, an alert for htmx, a page otherwise."""
    if request.headers.get("Accept", "").startswith("application/json"):
        return JsonResponse({"code": error.code, "detail": str(error)}, status=error.status)
    icon, title = TITLES.get(error.status, ("alert-circle", "This was refused"))
    template = "errors/refused.html#alert" if request.headers.get("HX-Request") else "errors/refused.html"
    context = {
        "icon": icon,
        "title": title,
        "sentence": str(error),
        "faults": [entry["message"] for entry in error.details.get("errors", ())],
        "back_url": _back(request),
    }
    return render(request, template, context, status=error.status)


def attempt(form: forms.Form, act: Callable[..., Result], **given: Any) -> Result | None:
    """Run one action with a form's content; None when the form or the action refused it, as the form then says."""
    if not form.is_valid():
        return None
    try:
        return act(**given, **form.cleaned_data)
    except (Invalid, Conflict) as error:
        explain(form, error)
        return None


def explain(form: forms.Form, error: DomainError) -> None:
    """Put a refusal where it belongs in a form."""
    faults = error.details.get("errors") or [{"field": "", "message": str(error)}]
    for fault in faults:
        field = fault["field"] if fault["field"] in form.fields else None
        form.add_error(field, fault["message"])


def _back(request: HttpRequest) -> str:
    referer = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(referer, {request.get_host()}, require_https=request.is_secure())
    return referer if is_ours and request.method == "POST" else "/"
