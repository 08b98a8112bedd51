"""Every refusal under /api/ is application/problem+json (RFC 9457) with a stable code, whatever raised it."""

import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response

from reviewapp.domain.errors import DomainError

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER = "2"
UNAVAILABLE = "The database did not answer in time; try again."


def problem(
    status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
) -> Response:
    """A problem as a response; `members` are the code's own."""
    return Response(body(status, code, detail, **members), status=status, headers=headers, content_type=CONTENT_TYPE)


def body(status: int, code: str, detail: str, **members: Any) -> dict[str, Any]:
    content: dict[str, Any] = {
        "type": f"urn:reviewapp:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        **members,
    }
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id:
        content["instance"] = f"urn:uuid:{request_id}"
    return content


def problem_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """The answer to whatever a view raised; the unexpected is logged once and says nothing of itself."""
    if isinstance(error, DomainError):
        return _refused(error)
    if isinstance(error, exceptions.APIException):
        return _api_error(error)
    if isinstance(error, Http404):
        return problem(404, "not_found", "There is no such thing here.")
    if isinstance(error, PermissionDenied):
        return problem(403, "forbidden", "This is not allowed.")
    if isinstance(error, SuspiciousOperation):
        return problem(400, "bad_request", "The request cannot be read.")
    if isinstance(error, OperationalError | InterfaceError):
        log.warning("api.database_unavailable", error=type(error.__cause__ or error).__name__)
        return problem(
            503,
            "database_unavailable",
            UNAVAILABLE,
            headers={"Retry-After": RETRY_AFTER},
        )
    log.error("api.failed", view=type(context.get("view")).__name__, exc_info=error)
    response = problem(500, "internal_error", "Something went wrong on our side; quote the instance.")
    # Django would log the same failure a second time, by its status.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _refused(error: DomainError) -> Response:
    headers = {}
    retry_after = error.details.pop("retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return problem(error.status, error.code, str(error), headers=headers, **error.details)


def _api_error(error: exceptions.APIException) -> Response:
    headers: dict[str, str] = {}
    if isinstance(error, exceptions.ValidationError):
        errors = list(_fields(error.detail))
        return problem(422, "invalid", errors[0]["message"] if errors else "The body is wrong.", errors=errors)
    if isinstance(error, exceptions.AuthenticationFailed | exceptions.NotAuthenticated):
        headers["WWW-Authenticate"] = getattr(error, "auth_header", 'Bearer realm="reviewapp"')
    wait = getattr(error, "wait", None)
    if wait is not None:
        headers["Retry-After"] = str(max(1, round(wait)))
    code = error.get_codes()
    return problem(
        error.status_code, code if isinstance(code, str) else error.default_code, str(error.detail), headers=headers
    )


def _fields(detail: Any, path: str = "") -> Iterator[dict[str, str]]:
    """A serializer's errors as one flat list: which field, which code, what was expected."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            step = "" if name == "non_field_errors" else str(name)
            yield from _fields(inner, ".".join(filter(None, (path, step))))
    elif isinstance(detail, list):
        for inner in detail:
            yield from _fields(inner, path)
    else:
        name = f"“{path}”: " if path else ""
        yield {"field": path, "code": getattr(detail, "code", "invalid"), "message": f"{name}{detail}"}


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def _json(status: int, code: str, detail: str) -> JsonResponse:
    return JsonResponse(body(status, code, detail), status=status, content_type=CONTENT_TYPE)


def _unavailable(request: HttpRequest) -> HttpResponse:
    if _is_api(request):
        response: HttpResponse = _json(503, "database_unavailable", UNAVAILABLE)
    else:
        response = HttpResponse(render_to_string("503.html"), status=503)
    response["Retry-After"] = RETRY_AFTER
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_api(request):
        return _json(400, "bad_request", "The request cannot be read.")
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_api(request):
        return _json(403, "forbidden", "This is not allowed.")
    return defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_api(request):
        return _json(404, "not_found", "There is no such path.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """What no view could answer, because it was raised before or around it."""
    if isinstance(sys.exception(), OperationalError | InterfaceError):
        return _unavailable(request)
    if _is_api(request):
        return _json(500, "internal_error", "Something went wrong on our side; quote the instance.")
    return defaults.server_error(request)
