"""Endpoints: where events are sent."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.idempotency import idempotent
from reviewapp.api.inputs import Input, checked
from reviewapp.api.pages import PAGE_PARAMETERS, newest_first, page, page_of
from reviewapp.domain.errors import Invalid, NotFound
from reviewapp.events.actions import PUBLISHED
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import ApiKey, Stream
from reviewapp.webhooks import actions as webhooks
from reviewapp.webhooks.models import Endpoint


class EndpointOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    url = serializers.CharField()
    description = serializers.CharField()
    event_types = serializers.ListField(child=serializers.CharField(), help_text="Empty: every published type.")
    streams = serializers.ListField(child=serializers.CharField(), help_text="Empty: every stream of the team.")
    state = serializers.ChoiceField(Endpoint.State.choices)
    state_reason = serializers.CharField()
    created_at = serializers.DateTimeField()


class NewEndpointOutput(EndpointOutput):
    secret = serializers.CharField(help_text="Signs what is sent. Shown this once.")


class SecretOutput(serializers.Serializer[Any]):
    secret = serializers.CharField(help_text="The new secret, shown this once; the one before signs for a day more.")


class PingOutput(serializers.Serializer[Any]):
    event = serializers.UUIDField()


class EndpointBody(Input):
    url = serializers.CharField(max_length=500)
    description = serializers.CharField(max_length=200, required=False, allow_blank=True)
    event_types = serializers.ListField(
        child=serializers.ChoiceField(sorted(PUBLISHED)), required=False, max_length=len(PUBLISHED)
    )
    streams = serializers.ListField(child=serializers.SlugField(max_length=50), required=False, max_length=200)


class _EndpointsView(ApiView):
    def endpoint(self, endpoint_id: UUID) -> Endpoint:
        found = visible_endpoints(self.actor).filter(pk=endpoint_id).first()
        if found is None:
            raise NotFound("There is no such endpoint.")
        return found

    @property
    def key(self) -> ApiKey:
        key = self.actor.key
        assert key is not None, "endpoints are for keys only"
        return key


class EndpointsView(_EndpointsView):
    scopes = {"GET": "endpoints:read", "POST": "endpoints:write"}

    @extend_schema(
        operation_id="endpoint_list", parameters=PAGE_PARAMETERS, responses=page_of(EndpointOutput, "EndpointPage")
    )
    def get(self, request: Request) -> Response:
        """The team's endpoints, newest first."""
        found, more = newest_first(request, visible_endpoints(self.actor).prefetch_related("streams"))
        return Response(page([_endpoint(one) for one in found], more))

    @extend_schema(operation_id="endpoint_create", request=EndpointBody, responses={201: NewEndpointOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Have events sent to an address. The answer holds the signing secret."""
        body = checked(EndpointBody, request.data)
        body["streams"] = _streams(self.actor, body.get("streams", []))
        endpoint, secret = webhooks.create_endpoint(team=self.key.client.team, by=self.actor, **body)
        headers = {"Location": f"/api/v1/endpoints/{endpoint.pk}"}
        return Response({**_endpoint(endpoint), "secret": secret}, status=201, headers=headers)


class EndpointView(_EndpointsView):
    scopes = {"GET": "endpoints:read", "PATCH": "endpoints:write", "DELETE": "endpoints:write"}

    @extend_schema(operation_id="endpoint_read", responses=EndpointOutput)
    def get(self, request: Request, endpoint_id: UUID) -> Response:  # noqa: ARG002
        """One endpoint."""
        return Response(_endpoint(self.endpoint(endpoint_id)))

    @extend_schema(operation_id="endpoint_update", request=EndpointBody, responses=EndpointOutput)
    def patch(self, request: Request, endpoint_id: UUID) -> Response:
        """Change an endpoint's address, description, event types or streams."""
        endpoint = self.endpoint(endpoint_id)
        body = checked(EndpointBody, request.data, partial=True)
        if "streams" in body:
            body["streams"] = _streams(self.actor, body["streams"])
        return Response(_endpoint(webhooks.update_endpoint(endpoint=endpoint, by=self.actor, **body)))

    @extend_schema(operation_id="endpoint_disable", responses={200: EndpointOutput})
    def delete(self, request: Request, endpoint_id: UUID) -> Response:  # noqa: ARG002
        """Disable an endpoint. It stays, with the log of its deliveries."""
        endpoint = self.endpoint(endpoint_id)
        return Response(_endpoint(webhooks.disable(endpoint=endpoint, by=self.actor, reason="Disabled by the API.")))


class PingView(_EndpointsView):
    scopes = {"POST": "endpoints:write"}

    @extend_schema(operation_id="endpoint_ping", request=None, responses={202: PingOutput})
    @idempotent
    def post(self, request: Request, endpoint_id: UUID) -> Response:  # noqa: ARG002
        """Send a test event to this endpoint only."""
        event = webhooks.ping(endpoint=self.endpoint(endpoint_id), by=self.actor)
        return Response({"event": event.pk}, status=202)


class RotateView(_EndpointsView):
    scopes = {"POST": "endpoints:write"}

    @extend_schema(operation_id="endpoint_rotate", request=None, responses=SecretOutput)
    @idempotent
    def post(self, request: Request, endpoint_id: UUID) -> Response:  # noqa: ARG002
        """A new signing secret; for a day both sign."""
        return Response({"secret": webhooks.rotate(endpoint=self.endpoint(endpoint_id), by=self.actor)})


def visible_endpoints(actor: Actor) -> QuerySet[Endpoint]:
    """The team's endpoints; of them, to a key of some streams, those that serve these streams only."""
    endpoints = Endpoint.objects.visible_to(actor)
    if not actor.key_stream_ids:
        return endpoints
    served = Endpoint.streams.through.objects
    foreign = served.exclude(stream_id__in=actor.key_stream_ids).values("endpoint_id")
    return endpoints.filter(pk__in=served.values("endpoint_id")).exclude(pk__in=foreign)


def _streams(actor: Actor, slugs: list[str]) -> list[Stream]:
    """The streams of these names. Raises Invalid for one that the caller may not know of."""
    found = {stream.slug: stream for stream in Stream.objects.visible_to(actor).filter(slug__in=slugs)}
    unknown = sorted(set(slugs) - found.keys())
    if unknown:
        message = f"There is no stream “{unknown[0]}”."
        raise Invalid(
            message,
            code="stream_unknown",
            errors=[{"field": "streams", "code": "stream_unknown", "message": message}],
        )
    return list(found.values())


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.pk,
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": endpoint.event_types,
        "streams": sorted(stream.slug for stream in endpoint.streams.all()),
        "state": endpoint.state,
        "state_reason": endpoint.state_reason,
        "created_at": endpoint.created_at,
    }
