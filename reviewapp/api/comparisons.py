"""Two model versions side by side."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.pages import QueryInvalid
from reviewapp.cases import comparing
from reviewapp.cases.comparing import AtWork, Comparison, Right
from reviewapp.domain.errors import NotFound
from reviewapp.registry.models import ModelVersion, Stream

_NUMBER = "Number of a model version."


class CountedShareOutput(serializers.Serializer[Any]):
    """A share of cases with its 95 % interval (Wilson); null where there are none."""

    num = serializers.IntegerField()
    of = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True)
    low = serializers.FloatField()
    high = serializers.FloatField()


class VersionAtWorkOutput(serializers.Serializer[Any]):
    model_version = serializers.IntegerField()
    predictions = serializers.IntegerField()
    latency_median = serializers.FloatField(allow_null=True, help_text="Seconds of the batch that scored a case.")
    latency_p99 = serializers.FloatField(allow_null=True)
    automated = CountedShareOutput(help_text="Of the cases that it routed; a shadow routes none.")
    right = CountedShareOutput(help_text="On settled cases that both scored.")
    right_honest = CountedShareOutput(help_text="On those that were answered before anything of a model was shown.")


class DifferenceOutput(serializers.Serializer[Any]):
    one = serializers.CharField()
    other = serializers.CharField()
    cases = serializers.IntegerField()


class ClassOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    said_one = serializers.IntegerField()
    said_other = serializers.IntegerField()
    said_both = serializers.IntegerField()
    right_one = CountedShareOutput()
    right_other = CountedShareOutput()


class ComparisonOutput(serializers.Serializer[Any]):
    one = VersionAtWorkOutput()
    other = VersionAtWorkOutput()
    agreement = CountedShareOutput(help_text="Of the cases that both scored.")
    differences = DifferenceOutput(many=True)
    classes = ClassOutput(many=True)


class ComparisonView(ApiView):
    scopes = {"GET": "streams:read"}

    @extend_schema(
        operation_id="comparison_read",
        parameters=[
            OpenApiParameter("one", OpenApiTypes.INT, required=True, description=_NUMBER),
            OpenApiParameter("other", OpenApiTypes.INT, required=True, description=_NUMBER),
        ],
        responses=ComparisonOutput,
    )
    def get(self, request: Request, stream: str) -> Response:
        """Two versions on the newest 20,000 cases of the stream: agreement, accuracy, latency, per class."""
        known = self.stream(stream)
        one, other = (_version(request, known, name) for name in ("one", "other"))
        return Response(_comparison(comparing.compare(known, one, other), known))


def _version(request: Request, stream: Stream, name: str) -> ModelVersion:
    text = request.query_params.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise QueryInvalid(f"“{name}” must be the number of a model version.")
    found = stream.model_versions.filter(number=int(text)).first()
    if found is None:
        raise NotFound(f"“{stream.name}” has no model version {text}.", code="model_version_unknown")
    return found


def _comparison(found: Comparison, stream: Stream) -> dict[str, Any]:
    settled, honest = found.settled(), found.settled(honest_only=True)
    return {
        "one": _at_work(found.one, found.at_work[0], settled.one, honest.one),
        "other": _at_work(found.other, found.at_work[1], settled.other, honest.other),
        "agreement": _share(found.agreement),
        "differences": [{"one": one, "other": other, "cases": cases} for one, other, cases in found.differences],
        "classes": [
            {
                "name": each.name,
                "said_one": each.said_one,
                "said_other": each.said_other,
                "said_both": each.said_both,
                "right_one": _share(each.right_one),
                "right_other": _share(each.right_other),
            }
            for each in found.by_class(stream.classes)
        ],
    }


def _at_work(version: ModelVersion, at_work: AtWork, right: Right, honest: Right) -> dict[str, Any]:
    return {
        "model_version": version.number,
        "predictions": at_work.predictions,
        "latency_median": at_work.median,
        "latency_p99": at_work.slowest,
        "automated": _share(Right(at_work.automated, at_work.routed)),
        "right": _share(right),
        "right_honest": _share(honest),
    }


def _share(counted: Right) -> dict[str, Any]:
    interval = counted.interval
    return {
        "num": counted.right,
        "of": counted.cases,
        "share": interval.share if counted.cases else None,
        "low": interval.low,
        "high": interval.high,
    }
