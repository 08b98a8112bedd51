"""The API's description and its page, for whoever is signed in or holds a key."""

from typing import Any, ClassVar

from django.contrib.auth.views import redirect_to_login
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework import exceptions
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from reviewapp.api.auth import ApiKeyAuthentication, HasScope, PersonAuthentication
from reviewapp.api.base import JSONRenderer

# Any key may read what the API can do.
ANY_KEY = ""


class _Always(DefaultContentNegotiation):
    """A client that accepts none of the formats gets the first: a refusal must be readable in any case."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        try:
            return super().select_renderer(request, renderers, format_suffix)
        except (exceptions.NotAcceptable, exceptions.NotFound):
            return renderers[0], renderers[0].media_type


class _ForReaders(APIView):
    scopes: ClassVar[dict[str, str]] = {"GET": ANY_KEY}
    is_for_people = True
    http_method_names = ["get", "head"]
    authentication_classes = (ApiKeyAuthentication, PersonAuthentication)
    permission_classes = (HasScope,)
    content_negotiation_class = _Always

    def handle_exception(self, error: Exception) -> Any:
        response = super().handle_exception(error)
        # The page and the description have renderers of their own, which cannot show a problem.
        self.request.accepted_renderer = JSONRenderer()
        self.request.accepted_media_type = JSONRenderer.media_type
        return response


class SchemaView(_ForReaders, SpectacularAPIView):
    """OpenAPI 3.1, as YAML or, by Accept or ?format=json, as JSON."""

    renderer_classes = [OpenApiYamlRenderer, OpenApiJsonRenderer]


class DocsView(_ForReaders, SpectacularSwaggerSplitView):
    """Swagger UI, served locally; its script comes from the same path, so that no script is inline."""

    url_name = "api:schema"
    template_name = "api/docs.html"

    def handle_exception(self, error: Exception) -> Any:
        accepts_page = "text/html" in self.request.META.get("HTTP_ACCEPT", "")
        if isinstance(error, exceptions.NotAuthenticated) and accepts_page:
            return redirect_to_login(self.request.get_full_path())
        return super().handle_exception(error)
