"""A case as one document: everything that is kept of it, for the files of whoever has to answer for a decision."""

from typing import Any
from uuid import UUID

import msgspec
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.case_output import decision_of, label_of, summary
from reviewapp.api.endpoints import visible_endpoints
from reviewapp.api.evidence import explanation_of
from reviewapp.api.replays import replay_content
from reviewapp.cases.models import Case, Decision, Explanation, Label, Prediction, Review, Verdict
from reviewapp.cases.permissions import check_sees_model
from reviewapp.cases.replays import replays_of
from reviewapp.events.models import Event
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import ModelVersion, PolicyVersion, Role
from reviewapp.webhooks.models import Delivery

FORMAT = 1
SEES_ENDPOINTS = (Role.LEAD, Role.INTEGRATOR, Role.AUDITOR)


class ExportOutput(serializers.Serializer[Any]):
    """Lists are in the order in which their rows were written."""

    format = serializers.IntegerField()
    case = serializers.DictField()
    inputs = serializers.ListField(child=serializers.DictField(), help_text="As received, one per generation.")
    models = serializers.ListField(
        child=serializers.DictField(),
        help_text="Versions that predicted: bundle digest, manifest with preprocessing, calibration and lineage.",
    )
    policies = serializers.ListField(child=serializers.DictField(), help_text="Versions that routed, with thresholds.")
    predictions = serializers.ListField(child=serializers.DictField())
    explanations = serializers.ListField(child=serializers.DictField())
    reviews = serializers.ListField(child=serializers.DictField(), help_text="With their verdicts.")
    decisions = serializers.ListField(child=serializers.DictField())
    replays = serializers.ListField(child=serializers.DictField())
    events = serializers.ListField(child=serializers.DictField())
    deliveries = serializers.ListField(
        child=serializers.DictField(), help_text="An endpoint's address is told to those who may see endpoints."
    )

    def get_fields(self) -> dict[str, Any]:
        # `label` is an argument of every field, so the plural keeps clear of it by being added here.
        return {**super().get_fields(), "labels": serializers.ListField(child=serializers.DictField())}


class ExportView(ApiView):
    scopes = {"GET": "cases:read"}
    is_for_people = True

    @extend_schema(operation_id="case_export", responses=ExportOutput)
    def get(self, request: Request, case_id: UUID) -> Response:  # noqa: ARG002
        """The whole trace of a case as one JSON document."""
        case = self.case(case_id)
        check_sees_model(self.actor, case)
        headers = {"Content-Disposition": f'attachment; filename="case-{case.pk}.json"', "Cache-Control": "no-store"}
        return Response(export(case, self.actor), headers=headers)


def export(case: Case, actor: Actor) -> dict[str, Any]:
    """Everything that is kept of a case; the caller has checked that the actor may see it."""
    predictions = list(Prediction.objects.filter(case=case).order_by("created_at", "pk"))
    decisions = list(Decision.objects.filter(case=case).order_by("sequence"))
    made: list[Prediction | Decision] = [*predictions, *decisions]
    versions = {one.model_version_id for one in made if one.model_version_id}
    policies = {one.policy_version_id for one in made if one.policy_version_id}
    models = ModelVersion.objects.filter(pk__in=versions).select_related("bundle").order_by("number")
    classes = {one.pk: one.bundle.manifest["classes"] if one.bundle else case.stream.classes for one in models}
    explanations = Explanation.objects.filter(prediction__in=predictions).order_by("created_at", "pk")
    events = list(Event.objects.filter(case_id=str(case.pk)).order_by("sequence"))
    return {
        "format": FORMAT,
        "case": summary(case),
        "inputs": [_input(one) for one in case.inputs.order_by("generation")],
        "models": [_model(one) for one in models],
        "policies": [_policy(one) for one in PolicyVersion.objects.filter(pk__in=policies).order_by("number")],
        "predictions": [_prediction(one, classes[one.model_version_id]) for one in predictions],
        "explanations": [{**explanation_of(one), "state": one.state, "failure": one.failure} for one in explanations],
        "reviews": _reviews(case),
        "decisions": [{**(decision_of(one) or {}), **_provenance(one)} for one in decisions],
        "labels": [
            {**label_of(one), "actor": one.actor} for one in Label.objects.filter(case=case).order_by("sequence")
        ],
        "replays": [replay_content(case.pk, one) for one in reversed(replays_of(case))],
        "events": [_event(one) for one in events],
        "deliveries": _deliveries(events, case, actor),
    }


def _input(row: Any) -> dict[str, Any]:
    names = ("generation", "features", "context", "observed_at", "received_at")
    return {name: getattr(row, name) for name in names}


def _model(version: ModelVersion) -> dict[str, Any]:
    return {
        "id": version.pk,
        "number": version.number,
        "name": version.name,
        "kind": version.kind,
        "bundle": version.bundle_id,
        "manifest": version.bundle.manifest if version.bundle else None,
        "registered_by": version.created_by,
        "registered_at": version.created_at,
    }


def _policy(policy: PolicyVersion) -> dict[str, Any]:
    return {
        "id": policy.pk,
        "number": policy.number,
        "body": policy.body,
        "activated_at": policy.activated_at,
        "retired_at": policy.retired_at,
    }


def _prediction(row: Prediction, classes: list[str]) -> dict[str, Any]:
    names = ("id", "role", "generation", "confidence", "novelty", "provider", "latency", "route", "reasons")
    more = ("threshold", "inclusion_probability", "created_at")
    return {
        **{name: getattr(row, name) for name in (*names, *more)},
        "class": row.answer,
        "probabilities": dict(zip(classes, row.probabilities, strict=True)),
        "model_version": row.model_version_id,
        "policy_version": row.policy_version_id,
        "certificate": row.certificate_id,
    }


def _provenance(decision: Decision) -> dict[str, Any]:
    return {
        "actor": decision.actor,
        "prediction": decision.prediction_id,
        "review": decision.review_id,
        "model_version": decision.model_version_id,
        "policy_version": decision.policy_version_id,
        "event": decision.event_id,
    }


def _reviews(case: Case) -> list[dict[str, Any]]:
    verdicts: dict[UUID, list[dict[str, Any]]] = {}
    for one in Verdict.objects.filter(review__case=case).order_by("created_at", "pk"):
        verdicts.setdefault(one.review_id, []).append(_verdict(one))
    names = ("id", "generation", "kind", "round", "mode", "state", "reasons", "created_at", "closed_at", "due_at")
    return [
        {**{name: getattr(one, name) for name in names}, "verdicts": verdicts.get(one.pk, [])}
        for one in Review.objects.filter(case=case).order_by("created_at", "pk")
    ]


def _verdict(row: Verdict) -> dict[str, Any]:
    names = ("id", "stage", "status", "note", "saw_model", "shown", "seconds", "created_at")
    return {**{name: getattr(row, name) for name in names}, "class": row.answer, "reviewer": f"user:{row.reviewer_id}"}


def _event(event: Event) -> dict[str, Any]:
    return {
        "id": event.pk,
        "type": event.type,
        "sequence": event.sequence,
        "actor": event.actor,
        "at": event.created_at,
        "payload": msgspec.Raw(bytes(event.payload)),
    }


def _deliveries(events: list[Event], case: Case, actor: Actor) -> list[dict[str, Any]]:
    deliveries = Delivery.objects.filter(event__in=[event.pk for event in events]).select_related("endpoint")
    addresses = _addresses(case, actor)
    return [
        {
            "id": one.pk,
            "event": one.event_id,
            "endpoint": one.endpoint_id,
            "address": addresses.get(one.endpoint_id),
            "state": one.state,
            "attempts": one.attempts,
            "last_status": one.last_status,
            "created_at": one.created_at,
            "closed_at": one.closed_at,
        }
        for one in deliveries.order_by("created_at", "pk")
    ]


def _addresses(case: Case, actor: Actor) -> dict[UUID, str]:
    may = actor.has_scope("endpoints:read") if actor.key else actor.has_team_role(case.stream.team_id, SEES_ENDPOINTS)
    return dict(visible_endpoints(actor).values_list("pk", "url")) if may else {}
