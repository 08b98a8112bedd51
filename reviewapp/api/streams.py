"""Streams, their input contracts and holds."""

from typing import Any

from django.db.models import Q
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.idempotency import idempotent
from reviewapp.api.inputs import Input, checked
from reviewapp.api.pages import PAGE_PARAMETERS, choice_of, newest_first, page, page_of
from reviewapp.domain.errors import DomainError, NotFound
from reviewapp.gating.actions import holds
from reviewapp.gating.models import Hold
from reviewapp.registry.actions import streams
from reviewapp.registry.actions.versions import primary_of
from reviewapp.registry.models import ModelVersion, PolicyVersion, Stream, StreamRevision

CONTRACT = StreamRevision.Kind.CONTRACT


class StreamSummary(serializers.Serializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    classes = serializers.ListField(child=serializers.CharField())
    review_mode = serializers.ChoiceField(Stream.Mode.choices)
    sla_seconds = serializers.FloatField(help_text="Time from arrival to a decision.")


class ModelOutput(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    kind = serializers.ChoiceField(ModelVersion.Kind.choices)
    name = serializers.CharField()
    bundle = serializers.CharField(allow_null=True, help_text="SHA-256 of the bundle.")


class HoldOutput(serializers.Serializer[Any]):
    scope = serializers.ChoiceField(Hold.Scope.choices)
    reason = serializers.CharField()
    placed_by = serializers.CharField()
    placed_at = serializers.DateTimeField()
    is_everywhere = serializers.BooleanField()


class StreamOutput(StreamSummary):
    blind_share = serializers.FloatField()
    model = ModelOutput(allow_null=True, help_text="The primary.")
    policy_version = serializers.IntegerField(allow_null=True)
    contract_number = serializers.IntegerField(allow_null=True)
    holds = HoldOutput(many=True)


class ContractOutput(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    schema = serializers.DictField(help_text="JSON Schema (2020-12) of `features`.")
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()


class HoldBody(Input):
    scope = serializers.ChoiceField(Hold.Scope.choices)
    reason = serializers.CharField(max_length=2000)


class StreamsView(ApiView):
    scopes = {"GET": "streams:read"}

    @extend_schema(
        operation_id="stream_list", parameters=PAGE_PARAMETERS, responses=page_of(StreamSummary, "StreamPage")
    )
    def get(self, request: Request) -> Response:
        """The streams this key may know of."""
        found, more = newest_first(request, Stream.objects.visible_to(self.actor))
        return Response(page([_summary(stream) for stream in found], more))


class StreamView(ApiView):
    scopes = {"GET": "streams:read"}

    @extend_schema(operation_id="stream_read", responses=StreamOutput)
    def get(self, request: Request, stream: str) -> Response:  # noqa: ARG002
        """One stream, with what governs it now."""
        return Response(_stream(self.stream(stream)))


class ContractView(ApiView):
    scopes = {"GET": "streams:read", "PUT": "streams:write"}

    @extend_schema(operation_id="contract_read", responses=ContractOutput)
    def get(self, request: Request, stream: str) -> Response:  # noqa: ARG002
        """The input contract in force."""
        revision = streams.revision_in_force(self.stream(stream), CONTRACT)
        if revision is None:
            raise NotFound("The stream has no contract yet: any object of features is taken.", code="contract_missing")
        return Response(_contract(revision))

    @extend_schema(
        operation_id="contract_edit", request={"application/json": OpenApiTypes.OBJECT}, responses=ContractOutput
    )
    def put(self, request: Request, stream: str) -> Response:
        """Put a JSON Schema in force as contract; the same again changes nothing. Stored cases are not checked anew."""
        known = self.stream(stream)
        revision = streams.revise(stream=known, kind=CONTRACT, body=request.data, by=self.actor)
        return Response(_contract(revision))


class HoldView(ApiView):
    scopes = {"POST": "streams:write", "DELETE": "streams:write"}

    @extend_schema(operation_id="hold_place", request=HoldBody, responses={201: HoldOutput})
    @idempotent
    def post(self, request: Request, stream: str) -> Response:
        """Stop the stream's automation, deliveries or both, with the next commit."""
        body = checked(HoldBody, request.data)
        hold = holds.place(stream=self.stream(stream), scope=body["scope"], reason=body["reason"], by=self.actor)
        return Response(_hold(hold), status=201)

    @extend_schema(
        operation_id="hold_lift",
        parameters=[OpenApiParameter("scope", enum=Hold.Scope.values, required=True)],
        request=None,
        responses={200: HoldOutput},
    )
    def delete(self, request: Request, stream: str) -> Response:
        """Lift the stream's hold of a scope."""
        known = self.stream(stream)
        scope = choice_of(request, "scope", list(Hold.Scope.values))
        if scope is None and isinstance(request.data, dict):
            scope = checked(HoldBody, request.data, partial=True).get("scope")
        if scope is None:
            raise DomainError("Say which scope to lift: ?scope=automation, deliveries or all.", code="scope_missing")
        hold = Hold.objects.filter(stream=known, scope=scope, lifted_at__isnull=True).first()
        if hold is None:
            raise NotFound(f"No hold on {scope} is in place.", code="hold_unknown")
        return Response(_hold(holds.lift(hold=hold, by=self.actor)))


def _summary(stream: Stream) -> dict[str, Any]:
    return {
        "slug": stream.slug,
        "name": stream.name,
        "description": stream.description,
        "classes": stream.classes,
        "review_mode": stream.review_mode,
        "sla_seconds": stream.sla.total_seconds(),
    }


def _stream(stream: Stream) -> dict[str, Any]:
    primary = primary_of(stream)
    policy = PolicyVersion.objects.filter(stream=stream, state=PolicyVersion.State.ACTIVE).first()
    contract = streams.revision_in_force(stream, CONTRACT)
    in_place = Hold.objects.filter(Q(stream=stream) | Q(stream__isnull=True), lifted_at__isnull=True)
    return {
        **_summary(stream),
        "blind_share": stream.blind_share,
        "model": primary
        and {"number": primary.number, "kind": primary.kind, "name": primary.name, "bundle": primary.bundle_id},
        "policy_version": policy.number if policy else None,
        "contract_number": contract.number if contract else None,
        "holds": [_hold(hold) for hold in in_place.order_by("placed_at", "pk")],
    }


def _contract(revision: StreamRevision) -> dict[str, Any]:
    return {
        "number": revision.number,
        "schema": revision.body,
        "created_at": revision.created_at,
        "created_by": revision.created_by,
    }


def _hold(hold: Hold) -> dict[str, Any]:
    return {
        "scope": hold.scope,
        "reason": hold.reason,
        "placed_by": hold.placed_by,
        "placed_at": hold.placed_at,
        "is_everywhere": hold.stream_id is None,
    }
