"""The settled cases that resemble a case."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp import inference_client
from reviewapp.api.base import ApiView
from reviewapp.api.case_output import latest_prediction
from reviewapp.api.pages import QueryInvalid, choice_of, limit_of
from reviewapp.cases.models import Case, Label, Prediction
from reviewapp.cases.permissions import check_sees_model
from reviewapp.cases.similar import WANTED, Filters, Similar, SimilarCase, similar

MOST = 50
PARAMETERS = [
    OpenApiParameter("class", OpenApiTypes.STR, description="Only cases settled as this class."),
    OpenApiParameter("since", OpenApiTypes.DATETIME, description="Only cases received at or after this time."),
    OpenApiParameter("until", OpenApiTypes.DATETIME, description="Only cases received before this time."),
    OpenApiParameter("limit", OpenApiTypes.INT, description=f"Similar cases, 1 to {MOST}; {WANTED} unless told."),
]


class PartOutput(serializers.Serializer[Any]):
    column = serializers.CharField()
    value = serializers.JSONField(allow_null=True, help_text="In the case asked about.")
    other = serializers.JSONField(allow_null=True, help_text="In the similar case.")


class SimilarOutput(serializers.Serializer[Any]):
    case = serializers.UUIDField()
    external_id = serializers.CharField()
    received_at = serializers.DateTimeField()
    source = serializers.ChoiceField(Label.Source.choices)  # type: ignore[assignment]
    is_honest = serializers.BooleanField(help_text="Answered before anything of the model was shown.")
    distance = serializers.FloatField()
    distance_in_words = serializers.CharField()
    num_alike = serializers.IntegerField(
        help_text="So many more cases, nearly the same and settled alike, it stands for."
    )
    agree = PartOutput(many=True, help_text="The most important columns in which the two agree.")
    differ = PartOutput(many=True, help_text="The columns that keep the two apart, most first.")
    words = serializers.ListField(child=serializers.CharField(), help_text="Words that the texts of both hold.")
    features = serializers.DictField()

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "class": serializers.CharField()}


class ShareOutput(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    nearest = serializers.FloatField(help_text="Distance of the nearest of them.")
    nearest_in_words = serializers.CharField()

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "class": serializers.CharField()}


class SimilarList(serializers.Serializer[Any]):
    items = SimilarOutput(many=True, help_text="Nearest first; at like distance those answered unseen.")
    contrast = SimilarOutput(many=True, help_text="The nearest settled otherwise than most of `items`.")
    mix = ShareOutput(many=True, help_text="What `items` were settled as, the most frequent first.")
    is_building = serializers.BooleanField(help_text="Earlier cases are still being placed for this model.")
    note = serializers.CharField(allow_null=True, help_text="Said where fewer than five are settled.")


class SimilarView(ApiView):
    scopes = {"GET": "cases:read"}

    @extend_schema(operation_id="case_similar", parameters=PARAMETERS, responses=SimilarList)
    def get(self, request: Request, case_id: UUID) -> Response:
        """The most similar settled cases, nearest first, why they are similar, and the nearest settled otherwise."""
        case = self.case(case_id)
        check_sees_model(self.actor, case)
        filters = Filters(
            answer=choice_of(request, "class", case.stream.classes),
            since=_time_of(request, "since"),
            until=_time_of(request, "until"),
        )
        limit = limit_of(request, default=WANTED, most=MOST)
        return Response(similar_to(case, latest_prediction(case), filters=filters, limit=limit))


def similar_to(
    case: Case, prediction: Prediction | None, *, filters: Filters | None = None, limit: int = WANTED
) -> dict[str, Any]:
    """The similar cases as the API shows them."""
    found = similar(case, prediction, filters=filters or Filters(), limit=limit)
    few = len(found.cases)
    return {
        "items": _items(case, prediction, found.cases),
        "contrast": _items(case, prediction, found.contrast),
        "mix": _mix(prediction, found),
        "is_building": found.is_building,
        "note": _note(few) if few < min(limit, WANTED) else None,
    }


def _items(case: Case, prediction: Prediction | None, found: Sequence[SimilarCase]) -> list[dict[str, Any]]:
    if not found or prediction is None or prediction.model_version.bundle is None:
        return []
    manifest = prediction.model_version.bundle.manifest
    words = inference_client.distances_in_words(manifest, [one.distance for one in found])
    features = case.inputs.get(generation=prediction.generation).features
    alike = inference_client.resemblances(manifest, features, [one.features for one in found])
    return [
        {
            "case": one.case_id,
            "external_id": one.external_id,
            "received_at": one.received_at,
            "class": one.answer,
            "source": one.source,
            "is_honest": one.is_honest,
            "distance": one.distance,
            "distance_in_words": said,
            "num_alike": one.num_alike,
            "agree": [_part(part) for part in why.agree],
            "differ": [_part(part) for part in why.differ],
            "words": list(why.words),
            "features": one.features,
        }
        for one, said, why in zip(found, words, alike, strict=True)
    ]


def _part(part: Any) -> dict[str, Any]:
    return {"column": part.column, "value": part.value, "other": part.other}


def _mix(prediction: Prediction | None, found: Similar) -> list[dict[str, Any]]:
    if not found.mix or prediction is None or prediction.model_version.bundle is None:
        return []
    manifest = prediction.model_version.bundle.manifest
    words = inference_client.distances_in_words(manifest, [share.nearest for share in found.mix])
    return [
        {"class": share.answer, "count": share.number, "nearest": share.nearest, "nearest_in_words": said}
        for share, said in zip(found.mix, words, strict=True)
    ]


def _time_of(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise QueryInvalid(f"“{name}” must be a time like 2026-01-31T14:32:00Z.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _note(number: int) -> str:
    if not number:
        return "No similar case is settled yet."
    return f"Only {number} similar case{' is' if number == 1 else 's are'} settled."
