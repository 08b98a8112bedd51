"""Who calls: a client by its key or, where a view is meant for people too, a signed-in person."""

from typing import Any, ClassVar

import structlog
from django.contrib.auth.models import AnonymousUser
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from reviewapp.domain.errors import Forbidden
from reviewapp.registry.actions import clients
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import ApiKey

# The scope of a call that only people may make.
PERSON = "person"
SCHEME = 'Bearer realm="reviewapp"'


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer rva_…`. Looked up with every request: a revoked key ends with the next one."""

    def authenticate(self, request: Any) -> tuple[Any, ApiKey] | None:
        scheme, _, text = str(request.META.get("HTTP_AUTHORIZATION", "")).partition(" ")
        if scheme.lower() != "bearer":
            return None
        entrance = clients.enter(text.strip(), slug=request.parser_context["kwargs"].get("stream"))
        if entrance is None or entrance.actor.key is None:
            raise exceptions.AuthenticationFailed("The key is unknown, expired or revoked.", code="key_invalid")
        _act(request, entrance.actor)
        request.entrance = entrance
        return None, entrance.actor.key

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return SCHEME


class PersonAuthentication(SessionAuthentication):
    """A signed-in person, with the same protection against forged requests as the pages."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        found = super().authenticate(request)
        if found is not None:
            _act(request, Actor.for_user(found[0]))
        return found

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied as error:
            raise Forbidden(str(error.detail), code="csrf_failed") from error


def _act(request: Any, actor: Actor) -> None:
    request.actor = actor
    structlog.contextvars.bind_contextvars(actor_id=str(actor))


class HasScope(BasePermission):
    """Default deny: a view names the scope of each method it has, and whether people may call it."""

    needs: ClassVar[str] = "A key is needed: send “Authorization: Bearer rva_…”."

    def has_permission(self, request: Request, view: Any) -> bool:
        method = "GET" if request.method == "HEAD" else str(request.method)
        scope = getattr(view, "scopes", {}).get(method)
        if scope is None:
            raise exceptions.MethodNotAllowed(method)
        key = request.auth
        if isinstance(key, ApiKey):
            _check_key(key, scope)
            return True
        if request.user is None or isinstance(request.user, AnonymousUser):
            raise exceptions.NotAuthenticated(self.needs)
        return bool(getattr(view, "is_for_people", False))


def _check_key(key: ApiKey, scope: str) -> None:
    if scope == PERSON:
        raise Forbidden("Only a person can review: sign in.", code="person_required")
    if scope and scope not in key.scopes:
        raise Forbidden(f"The key lacks the scope “{scope}”.", code="scope_missing", scope=scope)
