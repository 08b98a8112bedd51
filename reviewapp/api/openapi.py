"""How the API describes itself: keys, problems and the headers that every writing call takes."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

PROBLEM = "application/problem+json"
WRITES = {"POST", "PUT", "PATCH", "DELETE"}


class FieldError(serializers.Serializer[Any]):
    field = serializers.CharField(help_text="Path of the wrong field, like features.radius.")
    code = serializers.CharField()
    message = serializers.CharField(help_text="What was expected.")
    column = serializers.CharField(required=False)


class Problem(serializers.Serializer[Any]):
    """RFC 9457. `code` is stable; `detail` is a sentence for people and may change."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    instance = serializers.CharField(required=False, help_text="The request's id, as in X-Request-ID.")
    errors = FieldError(many=True, required=False)  # type: ignore[assignment]


IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description=(
        "A name of your own for this call, at most 255 characters. Sent again within 30 days with the same body it "
        "answers what it answered the first time; with another body it is refused."
    ),
)

_ALWAYS = {
    "404": "Unknown, or not yours.",
    "401": "No key, or one that is unknown, expired or revoked.",
    "403": "The key lacks the scope, or the person the role.",
    "503": "The database did not answer in time.",
    "500": "Something went wrong on our side.",
}
_WRITING = {
    "400": "The body cannot be read.",
    "409": "The state of things forbids it.",
    "413": "The body is too large.",
    "429": "Too many requests; see Retry-After.",
    "415": "The media type is not read.",
    "422": "The body is understood and wrong; `errors` names each field.",
}
_READING = {"400": "A query parameter is wrong."}


class Schema(AutoSchema):
    """Adds to each operation the problems it can answer and, where honoured, the Idempotency-Key."""

    def get_override_parameters(self) -> list[Any]:
        handler = getattr(self.view, self.method.lower(), None)
        return [IDEMPOTENCY_KEY] if getattr(handler, "is_idempotent", False) else []

    def get_operation_id(self) -> str:
        handler = getattr(self.view, self.method.lower(), None)
        return str(getattr(handler, "operation_id", None) or super().get_operation_id())

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        responses: dict[str, Any] = super()._get_response_bodies(direction)
        problems = _ALWAYS | _WRITING if self.method in WRITES else _ALWAYS | _READING
        component = self.resolve_serializer(Problem, "response")
        for status, description in sorted(problems.items()):
            responses.setdefault(status, {"description": description, "content": {PROBLEM: {"schema": component.ref}}})
        return dict(sorted(responses.items()))


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "reviewapp.api.auth.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:  # noqa: ARG002
        return {"type": "http", "scheme": "bearer", "description": "A client's key, `rva_…`."}


class PersonScheme(OpenApiAuthenticationExtension):
    target_class = "reviewapp.api.auth.PersonAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:  # noqa: ARG002
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "A signed-in person."}
