"""Breakers: read, armed again by two, and the decisions of a class sent back to people."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.idempotency import idempotent
from reviewapp.api.inputs import Input, checked
from reviewapp.gating import wording
from reviewapp.gating.models import Breaker

STEPS = ("ask", "confirm", "refuse")


class BreakerOutput(serializers.Serializer[Any]):
    segment = serializers.CharField(help_text="Empty for the whole class.")
    state = serializers.ChoiceField(Breaker.State.choices)
    sentence = serializers.CharField()
    audits = serializers.IntegerField(help_text="Of automatic decisions since it was armed.")
    wrong = serializers.IntegerField()
    level = serializers.FloatField(help_text="Evidence that the promise is broken.")
    limit = serializers.FloatField(allow_null=True, help_text="The level that opens it; null before the first step.")
    armed_at = serializers.DateTimeField()
    opened_at = serializers.DateTimeField(allow_null=True)
    rearm_asked_by = serializers.CharField(allow_null=True)
    rearm_asked_at = serializers.DateTimeField(allow_null=True)
    rearm_reason = serializers.CharField()

    def get_fields(self) -> dict[str, Any]:
        return {"class": serializers.CharField(), **super().get_fields()}


class BreakersOutput(serializers.Serializer[Any]):
    items = BreakerOutput(many=True)


class RearmBody(Input):
    step = serializers.ChoiceField(
        STEPS, help_text="`confirm` is for a second person; `refuse` turns down what was asked."
    )
    segment = serializers.CharField(required=False, default="", max_length=120, allow_blank=True)
    reason = serializers.CharField(required=False, default="", max_length=500, allow_blank=True)


class RecallBody(Input):
    segment = serializers.CharField(required=False, default="", max_length=120, allow_blank=True)
    reason = serializers.CharField(max_length=500)
    since = serializers.DateTimeField(
        required=False, help_text="Decisions from here on; without it from a week before the breaker opened."
    )


class RecallOutput(serializers.Serializer[Any]):
    model_version = serializers.IntegerField()
    segment = serializers.CharField()
    since = serializers.DateTimeField()

    def get_fields(self) -> dict[str, Any]:
        return {"class": serializers.CharField(), **super().get_fields()}


class RecallsOutput(serializers.Serializer[Any]):
    items = RecallOutput(many=True)


class BreakersView(ApiView):
    scopes = {"GET": "streams:read"}

    @extend_schema(operation_id="breaker_list", responses=BreakersOutput)
    def get(self, request: Request, stream: str) -> Response:  # noqa: ARG002
        """Every breaker of the stream: of its classes, and of their segments."""
        found = Breaker.objects.filter(stream=self.stream(stream)).order_by("answer", "segment")
        return Response({"items": [_breaker(one) for one in found]})


class RearmView(ApiView):
    scopes = {"POST": "streams:write"}
    is_for_people = True

    @extend_schema(operation_id="breaker_rearm", request=RearmBody, responses=BreakerOutput)
    @idempotent
    def post(self, request: Request, stream: str, answer: str) -> Response:
        """Ask to arm an open breaker again, agree to it as a second person, or turn it down."""
        # Evidence is weighed with numpy: a process that is never asked never loads it.
        from reviewapp.cases.actions import rearming

        known = self.stream(stream)
        body = checked(RearmBody, request.data)
        breaker = rearming.breaker_of(known, answer, body["segment"])
        if body["step"] == "ask":
            breaker = rearming.ask(breaker=breaker, reason=body["reason"], by=self.actor)
        elif body["step"] == "confirm":
            breaker = rearming.confirm(breaker=breaker, by=self.actor)
        else:
            breaker = rearming.refuse(breaker=breaker, reason=body["reason"], by=self.actor)
        return Response(_breaker(breaker))


class ClassRecallView(ApiView):
    scopes = {"POST": "streams:write"}

    @extend_schema(operation_id="breaker_recall", request=RecallBody, responses={202: RecallsOutput})
    @idempotent
    def post(self, request: Request, stream: str, answer: str) -> Response:
        """Send the automatic decisions of an open breaker's class to people; deliveries are held meanwhile."""
        from reviewapp.cases.actions import rearming, recalls

        known = self.stream(stream)
        body = checked(RecallBody, request.data)
        breaker = rearming.breaker_of(known, answer, body["segment"])
        since: datetime | None = body.get("since")
        begun = recalls.start_class(breaker=breaker, by=self.actor, reason=body["reason"], since=since)
        items = [
            {
                "model_version": one.model_version.number,
                "class": one.answer,
                "segment": one.segment,
                "since": one.since,
            }
            for one in begun
        ]
        return Response({"items": items}, status=202)


def _breaker(one: Breaker) -> dict[str, Any]:
    evidence = one.evidence
    return {
        "class": one.answer,
        "segment": one.segment,
        "state": one.state,
        "sentence": wording.breaker(one.state, evidence),
        "audits": evidence.get("audits", 0),
        "wrong": evidence.get("wrong", 0),
        "level": evidence.get("level", 0.0),
        "limit": evidence.get("limit"),
        "armed_at": one.armed_at,
        "opened_at": evidence.get("opened_at"),
        "rearm_asked_by": one.rearm_asked_by,
        "rearm_asked_at": one.rearm_asked_at,
        "rearm_reason": one.rearm_reason,
    }
