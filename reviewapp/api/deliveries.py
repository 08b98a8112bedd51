"""Deliveries: what was sent where, and how it went."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.endpoints import visible_endpoints
from reviewapp.api.idempotency import idempotent
from reviewapp.api.pages import PAGE_PARAMETERS, QueryInvalid, choice_of, newest_first, page, page_of
from reviewapp.domain.errors import NotFound
from reviewapp.webhooks import actions as webhooks
from reviewapp.webhooks.models import Delivery


class DeliveryOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    endpoint = serializers.UUIDField()
    event = serializers.UUIDField()
    type = serializers.CharField()
    case = serializers.UUIDField(allow_null=True)
    sequence = serializers.IntegerField(allow_null=True)
    state = serializers.ChoiceField(Delivery.State.choices)
    attempts = serializers.IntegerField()
    next_at = serializers.DateTimeField(allow_null=True, help_text="Of the next try; null once it is over.")
    last_status = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class DeliveriesView(ApiView):
    scopes = {"GET": "endpoints:read"}

    @extend_schema(
        operation_id="delivery_list",
        parameters=[
            OpenApiParameter("endpoint", OpenApiTypes.UUID),
            OpenApiParameter("state", enum=Delivery.State.values),
            *PAGE_PARAMETERS,
        ],
        responses=page_of(DeliveryOutput, "DeliveryPage"),
    )
    def get(self, request: Request) -> Response:
        """Deliveries, newest first."""
        deliveries = _visible(self)
        state = choice_of(request, "state", list(Delivery.State.values))
        if state is not None:
            deliveries = deliveries.filter(state=state)
        endpoint = request.query_params.get("endpoint")
        if endpoint is not None:
            deliveries = deliveries.filter(endpoint=_uuid(endpoint))
        found, more = newest_first(request, deliveries)
        return Response(page([_delivery(one) for one in found], more))


class RedeliverView(ApiView):
    scopes = {"POST": "endpoints:write"}

    @extend_schema(operation_id="delivery_redeliver", request=None, responses={202: DeliveryOutput})
    @idempotent
    def post(self, request: Request, delivery_id: UUID) -> Response:  # noqa: ARG002
        """Send a delivery again, whatever became of it; it keeps its `webhook-id`."""
        delivery = _visible(self).filter(pk=delivery_id).first()
        if delivery is None:
            raise NotFound("There is no such delivery.")
        return Response(_delivery(webhooks.redeliver(delivery=delivery, by=self.actor)), status=202)


def _visible(view: ApiView) -> QuerySet[Delivery]:
    return Delivery.objects.filter(endpoint__in=visible_endpoints(view.actor)).select_related("event")


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise QueryInvalid("“endpoint” must be an endpoint's id.") from error


def _delivery(delivery: Delivery) -> dict[str, Any]:
    is_open = delivery.state == Delivery.State.PENDING
    return {
        "id": delivery.pk,
        "endpoint": delivery.endpoint_id,
        "event": delivery.event_id,
        "type": delivery.event.type,
        "case": delivery.case_id,
        "sequence": delivery.sequence,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "next_at": delivery.next_at if is_open else None,
        "last_status": delivery.last_status,
        "created_at": delivery.created_at,
        "closed_at": delivery.closed_at,
    }
