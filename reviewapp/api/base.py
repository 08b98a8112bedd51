"""What every view of the API shares."""

from typing import Any, ClassVar
from uuid import UUID

import msgspec
from django.core.validators import slug_re
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from reviewapp.api.auth import ApiKeyAuthentication, PersonAuthentication
from reviewapp.api.openapi import Schema
from reviewapp.cases.models import Case
from reviewapp.domain.errors import NotFound
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Stream

_encoder = msgspec.json.Encoder()


class JSONRenderer(BaseRenderer):
    """JSON by msgspec, which knows times and UUIDs."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, *_: Any, **__: Any) -> bytes:
        return b"" if data is None else _encoder.encode(data)


class OnlyJSON(BaseContentNegotiation):
    """What the client accepts is not asked: the answer is JSON, and a refusal must be readable in any case."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        given = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == given), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:  # noqa: ARG002
        return renderers[0], renderers[0].media_type


class ApiView(APIView):
    """One operation per method. `scopes` names the key's scope of each; what is not named is refused."""

    scopes: ClassVar[dict[str, str]] = {}
    is_for_people: ClassVar[bool] = False
    renderer_classes = [JSONRenderer]
    content_negotiation_class = OnlyJSON
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    schema = Schema()

    def get_authenticators(self) -> list[Any]:
        people = [PersonAuthentication()] if self.is_for_people else []
        return [ApiKeyAuthentication(), *people]

    @property
    def actor(self) -> Actor:
        actor: Actor = self.request.actor  # type: ignore[attr-defined]
        return actor

    def stream(self, slug: str) -> Stream:
        """The stream of that name, or NotFound when the caller may not know of it."""
        is_name = slug_re.fullmatch(slug) is not None
        found = Stream.objects.visible_to(self.actor).filter(slug=slug).order_by("pk").first() if is_name else None
        if found is None:
            raise unknown_stream(slug)
        return found

    def case(self, case_id: UUID) -> Case:
        found = Case.objects.visible_to(self.actor).select_related("stream").filter(pk=case_id).first()
        if found is None:
            raise NotFound("There is no such case.")
        return found


def unknown_stream(slug: str) -> NotFound:
    return NotFound(f"There is no stream “{slug[:50]}”.", code="stream_unknown")


class UnknownPath(APIView):
    """Whatever is no path of the API."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    renderer_classes = [JSONRenderer]
    content_negotiation_class = OnlyJSON

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        raise NotFound("There is no such path.")
