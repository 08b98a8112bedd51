"""Replays: a stored prediction made again, and set beside the original."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.idempotency import idempotent
from reviewapp.api.inputs import Input, checked
from reviewapp.api.openapi import PROBLEM, Problem
from reviewapp.cases.actions import replaying
from reviewapp.cases.permissions import check_sees_model
from reviewapp.cases.replays import Replay, replay_of

RETRY_AFTER = "1"


class ReplayBody(Input):
    prediction = serializers.UUIDField(
        required=False, help_text="A prediction of this case; without it the one that routed the case."
    )


class ReplaySide(serializers.Serializer[Any]):
    probabilities = serializers.DictField(child=serializers.FloatField())
    novelty = serializers.FloatField(allow_null=True)
    provider = serializers.CharField(help_text="What ran the model.")

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "class": serializers.CharField()}


class ReplayResult(serializers.Serializer[Any]):
    model_version = serializers.IntegerField()
    bundle = serializers.CharField(help_text="SHA-256 of the bundle, verified before it ran.")
    input_generation = serializers.IntegerField()
    original = ReplaySide()
    again = ReplaySide()
    difference = serializers.FloatField(help_text="The largest of any class's probability.")
    difference_in = serializers.CharField(help_text="The class it is found in.")
    tolerance = serializers.FloatField()
    is_same = serializers.BooleanField(help_text="Same class, and no difference above the tolerance.")


class ReplayOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    case = serializers.UUIDField()
    prediction = serializers.UUIDField()
    state = serializers.ChoiceField(["waiting", "done", "failed"])
    asked_by = serializers.CharField()
    asked_at = serializers.DateTimeField()
    done_at = serializers.DateTimeField(allow_null=True)
    failure = serializers.CharField(allow_null=True)
    result = ReplayResult(allow_null=True)
    url = serializers.CharField()


class ReplaysView(ApiView):
    scopes = {"POST": "cases:write"}
    is_for_people = True

    @extend_schema(
        operation_id="case_replay",
        request=ReplayBody,
        responses={
            202: ReplayOutput,
            (409, PROBLEM): OpenApiResponse(
                Problem, description="`not_replayable`: an external model's, or erased. `prediction_pending`."
            ),
        },
    )
    @idempotent
    def post(self, request: Request, case_id: UUID) -> Response:
        """Make a prediction again with the same bundle and the same stored input; Location tells the result."""
        case = self.case(case_id)
        body = checked(ReplayBody, request.data or {})
        asked = replaying.ask(case_id=case.pk, prediction_id=body.get("prediction"), by=self.actor)
        return _response(case_id, replay_of(case, asked), status=202)


class ReplayView(ApiView):
    scopes = {"GET": "cases:read"}
    is_for_people = True

    @extend_schema(operation_id="case_replay_read", responses=ReplayOutput)
    def get(self, request: Request, case_id: UUID, replay_id: UUID) -> Response:  # noqa: ARG002
        """A replay and, once it is done, both results side by side."""
        case = self.case(case_id)
        check_sees_model(self.actor, case)
        return _response(case_id, replay_of(case, replay_id))


def _response(case_id: UUID, replay: Replay, *, status: int = 200) -> Response:
    content = replay_content(case_id, replay)
    headers = {"Location": content["url"]} if status == 202 else {}
    if replay.state == "waiting":
        headers["Retry-After"] = RETRY_AFTER
    return Response(content, status=status, headers=headers)


def replay_content(case_id: UUID, replay: Replay) -> dict[str, Any]:
    return {
        "id": replay.id,
        "case": case_id,
        "prediction": replay.prediction_id,
        "state": replay.state,
        "asked_by": replay.asked_by,
        "asked_at": replay.asked_at,
        "done_at": replay.done_at,
        "failure": replay.failure or None,
        "result": _result(replay),
        "url": f"/api/v1/cases/{case_id}/replays/{replay.id}",
    }


def _result(replay: Replay) -> dict[str, Any] | None:
    found = replay.result
    if found is None:
        return None
    names = ("model_version", "bundle", "input_generation", "difference", "difference_in", "tolerance", "is_same")
    sides = {
        side: {**found[side], "probabilities": dict(zip(found["classes"], found[side]["probabilities"], strict=True))}
        for side in ("original", "again")
    }
    return {**{name: found[name] for name in names}, **sides}
