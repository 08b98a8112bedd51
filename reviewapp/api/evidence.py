"""Why a case was decided or routed as it was: explanation, timeline."""

from typing import Any
from uuid import UUID

import msgspec
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.case_output import latest_prediction
from reviewapp.api.pages import PAGE_PARAMETERS, decode, encode, limit_of, page, page_of, position
from reviewapp.cases.models import Case, Explanation, Prediction, Work
from reviewapp.cases.permissions import check_sees_model
from reviewapp.domain.errors import NotFound
from reviewapp.events.models import Event


class WordAttribution(serializers.Serializer[Any]):
    word = serializers.CharField()
    attribution = serializers.FloatField()


class Attribution(serializers.Serializer[Any]):
    column = serializers.CharField()
    value = serializers.JSONField(allow_null=True)
    attribution = serializers.FloatField()
    error = serializers.FloatField(required=False, help_text="Standard error, where the attribution is sampled.")
    words = WordAttribution(many=True, required=False, help_text="Of a text: its words, largest magnitude first.")
    rest = serializers.FloatField(required=False, help_text="What the words leave of a text's attribution.")


class ExplanationOutput(serializers.Serializer[Any]):
    prediction = serializers.UUIDField()
    method = serializers.CharField()
    output_space = serializers.CharField(help_text="`log_odds`, `probability`, `class_score` or `raw`.")
    base_value = serializers.FloatField()
    output_value = serializers.FloatField(allow_null=True)
    residual = serializers.FloatField(help_text="Output minus base value and attributions.")
    is_additive = serializers.BooleanField(help_text="Whether the residual is within tolerance.")
    background = serializers.CharField(help_text="SHA-256 of the background sample.")
    sampling_error = serializers.FloatField(
        allow_null=True, help_text="Largest standard error of an attribution; null where they are exact."
    )
    evaluations = serializers.IntegerField(help_text="Rows that the model answered for it; 0 where none were needed.")
    attributions = Attribution(many=True, help_text="Largest magnitude first.")
    created_at = serializers.DateTimeField()

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "class": serializers.CharField(help_text="The class explained.")}


class EventOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    type = serializers.CharField()
    sequence = serializers.IntegerField()
    actor = serializers.CharField()
    at = serializers.DateTimeField()
    payload = serializers.DictField()


class ExplanationView(ApiView):
    scopes = {"GET": "cases:read"}

    @extend_schema(operation_id="case_explanation", responses=ExplanationOutput)
    def get(self, request: Request, case_id: UUID) -> Response:  # noqa: ARG002
        """The attributions of the prediction that routed the case, by the very artifact that scored it."""
        case = self.case(case_id)
        check_sees_model(self.actor, case)
        return Response(explanation_of(explanation(case, latest_prediction(case))))


class TimelineView(ApiView):
    scopes = {"GET": "cases:read"}

    @extend_schema(
        operation_id="case_timeline", parameters=PAGE_PARAMETERS, responses=page_of(EventOutput, "EventPage")
    )
    def get(self, request: Request, case_id: UUID) -> Response:
        """Everything that happened to the case, oldest first."""
        case = self.case(case_id)
        check_sees_model(self.actor, case)
        limit = limit_of(request)
        cursor = request.query_params.get("cursor")
        after = decode(cursor, position)[0] if cursor is not None else 0
        found = list(Event.objects.filter(case_id=str(case.pk), sequence__gt=after).order_by("sequence")[: limit + 1])
        more = encode(found[limit - 1].sequence) if len(found) > limit else None
        return Response(page([_event(event) for event in found[:limit]], more))


def explanation(case: Case, prediction: Prediction | None) -> Explanation:
    """The finished explanation. Raises NotFound that says whether one is to come, failed, or never will be."""
    if prediction is None:
        raise NotFound("The case is not scored yet.", code="prediction_pending")
    if prediction.model_version.bundle_id is None:
        raise NotFound("Upstream scored this case; its model is not here to be explained.", code="not_explainable")
    rows = {row.state: row for row in Explanation.objects.filter(prediction=prediction).order_by("created_at")}
    if Explanation.State.READY in rows:
        return rows[Explanation.State.READY]
    if Explanation.State.FAILED in rows:
        raise NotFound(f"The explanation failed: {rows[Explanation.State.FAILED].failure}", code="explanation_failed")
    if Work.objects.filter(kind=Work.Kind.EXPLAIN, subject=str(prediction.pk)).exists():
        raise NotFound("The explanation is being worked out.", code="explanation_pending", retry_after=1)
    raise NotFound(
        f"Case {case.external_id} was decided without anybody looking; such cases are not explained.",
        code="explanation_not_made",
    )


def explanation_of(row: Explanation) -> dict[str, Any]:
    return {
        "prediction": row.prediction_id,
        "method": row.method,
        "class": row.answer,
        "output_space": row.output_space,
        "base_value": row.base_value,
        "output_value": row.output_value,
        "residual": row.residual,
        "is_additive": row.is_additive,
        "background": row.background,
        "sampling_error": row.sampling_error,
        "evaluations": row.evaluations,
        "attributions": row.attributions,
        "created_at": row.created_at,
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "id": event.pk,
        "type": event.type,
        "sequence": event.sequence,
        "actor": event.actor,
        "at": event.created_at,
        "payload": msgspec.Raw(bytes(event.payload)),
    }
