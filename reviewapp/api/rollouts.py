"""Rollouts: which model versions serve a stream, and every step from one to the next."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.idempotency import idempotent
from reviewapp.api.inputs import Input, checked
from reviewapp.api.pages import PAGE_PARAMETERS, newest_first, page, page_of
from reviewapp.cases.actions import recalls
from reviewapp.domain.errors import Invalid, NotFound
from reviewapp.registry.actions import rollouts, tiers
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import ModelVersion, Rollout, RolloutMember, Stream

Part = RolloutMember.Role
STEPS = ("promote", "canary", "shadow", "stop_shadow", "tier", "stop_tier", "keep_results", "drop_results", "roll_back")


class CanaryOutput(serializers.Serializer[Any]):
    model_version = serializers.IntegerField()
    share = serializers.FloatField(help_text="Of the cases, by each case's own coin.")
    guards = serializers.DictField(help_text="What it must keep to, or be rolled back; null: that guard is off.")


class TierOutput(serializers.Serializer[Any]):
    model_version = serializers.IntegerField()
    sure_from = serializers.FloatField(help_text="The confidence from which it answers without asking the primary.")


class RolloutOutput(serializers.Serializer[Any]):
    generation = serializers.IntegerField()
    is_live = serializers.BooleanField()
    step = serializers.ChoiceField(Rollout.Step.choices, help_text="How it came about.")
    reason = serializers.CharField()
    primary = serializers.IntegerField(help_text="Number of the model version.")
    canary = CanaryOutput(allow_null=True)
    shadows = serializers.ListField(child=serializers.IntegerField())
    tier = TierOutput(allow_null=True, help_text="The cheap version that is asked before the primary.")
    keeps_results = serializers.BooleanField(help_text="Of costly models, for inputs that come again.")
    previous = serializers.IntegerField(allow_null=True, help_text="The primary before, to which a rollback leads.")
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()


class RolloutBody(Input):
    step = serializers.ChoiceField(
        STEPS,
        help_text="`canary` again changes its share; `roll_back` ends the canary, or without one puts the previous "
        "primary back.",
    )
    model_version = serializers.IntegerField(
        required=False, min_value=1, max_value=2**31 - 1, help_text="Its number, where the step is about one version."
    )
    share = serializers.FloatField(required=False, help_text="Of a canary: above 0, at most 1.")
    guards = serializers.DictField(
        required=False,
        help_text="Of a canary; what is not named keeps its default, null switches a guard off: level, min_cases, "
        "min_scored, min_settled, error_rate, latency, latency_floor, automated, confidence_psi, disagreement.",
    )
    sure_from = serializers.FloatField(
        required=False, help_text="Of a tier: the confidence from which it answers alone, above 0, at most 1."
    )
    reason = serializers.CharField(max_length=500, help_text="Stays with the rollout.")
    send_to_review = serializers.BooleanField(
        required=False, help_text="With `roll_back`: the leaving version's automatic decisions go to people."
    )


class RolloutsView(ApiView):
    scopes = {"GET": "streams:read", "POST": "streams:write"}

    @extend_schema(
        operation_id="rollout_list", parameters=PAGE_PARAMETERS, responses=page_of(RolloutOutput, "RolloutPage")
    )
    def get(self, request: Request, stream: str) -> Response:
        """The stream's rollouts, newest first."""
        known = self.stream(stream)
        rows = known.rollouts.select_related("previous").prefetch_related("members__model_version")
        found, more = newest_first(request, rows)
        return Response(page([_rollout(one, known) for one in found], more))

    @extend_schema(operation_id="rollout_step", request=RolloutBody, responses={201: RolloutOutput})
    @idempotent
    def post(self, request: Request, stream: str) -> Response:
        """Promote a version, start or widen a canary, start or stop a shadow, or roll back; from the next batch on."""
        known = self.stream(stream)
        made = _take(known, checked(RolloutBody, request.data), by=self.actor)
        known.refresh_from_db(fields=["live_rollout"])
        rollout = Rollout.objects.select_related("previous").prefetch_related("members__model_version").get(pk=made.pk)
        return Response(_rollout(rollout, known), status=201)


def _take(stream: Stream, body: Mapping[str, Any], *, by: Actor) -> Rollout:
    reason = body["reason"]
    _check_fits(body)
    if body["step"] == "roll_back":
        return recalls.roll_back(stream=stream, by=by, reason=reason, send_to_review=body.get("send_to_review", False))
    if body["step"] == "stop_tier":
        return tiers.stop_tier(stream=stream, by=by, reason=reason)
    if body["step"] in {"keep_results", "drop_results"}:
        return tiers.keep_results(stream=stream, is_on=body["step"] == "keep_results", by=by, reason=reason)
    version = _version(stream, body.get("model_version"))
    if body["step"] == "tier":
        if "sure_from" not in body:
            raise _missing("sure_from", "Say from which confidence the first tier answers alone.")
        return tiers.start_tier(version=version, sure_from=body["sure_from"], by=by, reason=reason)
    if body["step"] == "canary":
        if "share" not in body:
            raise _missing("share", "Say which share of the cases the canary gets.")
        return rollouts.start_canary(
            version=version, share=body["share"], guards=body.get("guards"), by=by, reason=reason
        )
    act = {
        "promote": rollouts.promote,
        "shadow": rollouts.start_shadow,
        "stop_shadow": rollouts.stop_shadow,
    }[body["step"]]
    return act(version=version, by=by, reason=reason)


def _check_fits(body: Mapping[str, Any]) -> None:
    """Refuse what the step would ignore."""
    wanted = {"canary": {"share", "guards", "model_version"}, "roll_back": {"send_to_review"}, **_TIERS}
    allowed = wanted.get(body["step"], {"model_version"}) | {"step", "reason"}
    if extra := sorted(body.keys() - allowed):
        raise Invalid(
            f"“{body['step']}” takes no {', '.join(extra)}.",
            code="field_unexpected",
            errors=[
                {"field": name, "code": "field_unexpected", "message": f"is not for “{body['step']}”"} for name in extra
            ],
        )


_TIERS: dict[str, set[str]] = {
    "tier": {"sure_from", "model_version"},
    "stop_tier": set(),
    "keep_results": set(),
    "drop_results": set(),
}


def _version(stream: Stream, number: int | None) -> ModelVersion:
    if number is None:
        raise _missing("model_version", "Say which model version, by its number.")
    found = stream.model_versions.select_related("stream", "bundle").filter(number=number).first()
    if found is None:
        raise NotFound(f"“{stream.name}” has no model version {number}.", code="model_version_unknown")
    return found


def _missing(field: str, message: str) -> Invalid:
    return Invalid(
        message, code="field_missing", errors=[{"field": field, "code": "field_missing", "message": message}]
    )


def _rollout(rollout: Rollout, stream: Stream) -> dict[str, Any]:
    members = sorted(rollout.members.all(), key=lambda member: member.model_version.number)
    by_role = {member.role: member for member in members}
    canary, tier = by_role.get(Part.CANARY), by_role.get(Part.TIER)
    return {
        "generation": rollout.generation,
        "is_live": rollout.pk == stream.live_rollout_id,
        "step": rollout.step,
        "reason": rollout.reason,
        "primary": by_role[Part.PRIMARY].model_version.number,
        "canary": canary
        and {"model_version": canary.model_version.number, "share": canary.share, "guards": rollout.guards},
        "shadows": [member.model_version.number for member in members if member.role == Part.SHADOW],
        "tier": tier and {"model_version": tier.model_version.number, "sure_from": tier.sure_from},
        "keeps_results": rollout.caches_results,
        "previous": rollout.previous.number if rollout.previous else None,
        "created_at": rollout.created_at,
        "created_by": rollout.created_by,
    }
