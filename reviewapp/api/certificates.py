"""Certificates with their evidence, parity, and labelled histories as first exams."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.histories import HistoryForm, HistoryFormParser, HistoryUpload
from reviewapp.api.idempotency import idempotent
from reviewapp.api.pages import PAGE_PARAMETERS, choice_of, newest_first, page, page_of
from reviewapp.domain.errors import Invalid, NotFound
from reviewapp.gating import wording
from reviewapp.gating.models import Certificate, LabelledHistory
from reviewapp.registry.actions.policies import active_policy
from reviewapp.registry.policies import read_body

ALL = OpenApiParameter("all", OpenApiTypes.STR, enum=["true", "false"], description="Those that are void too.")


class RungOutput(serializers.Serializer[Any]):
    threshold = serializers.FloatField()
    audits = serializers.IntegerField(help_text="Honest labels at or above it, overdue ones included.")
    wrong = serializers.IntegerField()
    bound = serializers.FloatField(help_text="The error rate that is not exceeded, at any look, with the confidence.")
    log_e = serializers.FloatField(help_text="Logarithm of the evidence that the promise is kept.")
    budget = serializers.FloatField(help_text="Share of the allowed error it was tested at; 0: not tested.")
    passed = serializers.BooleanField()
    share = serializers.FloatField(help_text="Of the class's cases, how many reach it.")


class CertificateOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    number = serializers.IntegerField()
    model_version = serializers.IntegerField()
    scope = serializers.CharField(help_text="The class.")
    state = serializers.ChoiceField(Certificate.State.choices)
    threshold = serializers.FloatField(allow_null=True)
    target_error = serializers.FloatField()
    confidence = serializers.FloatField()
    promise = serializers.CharField()
    sentence = serializers.CharField(help_text="Audits, errors, the bound now and what is missing.")
    meaning = serializers.CharField(help_text="What the confidence is about.")
    audits = serializers.IntegerField()
    wrong = serializers.IntegerField()
    bound = serializers.FloatField()
    more_needed = serializers.IntegerField(allow_null=True, help_text="Clean audits; null before there is a ladder.")
    rungs = RungOutput(many=True, help_text="Strict to loose.")
    exam = serializers.DictField(allow_null=True, help_text="The first exam on a labelled history.")
    since = serializers.DateTimeField(allow_null=True, help_text="Labels of cases from here on count; null: all.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    voided_at = serializers.DateTimeField(allow_null=True)
    void_reason = serializers.CharField()


class HistoryOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    model_version = serializers.IntegerField()
    file_name = serializers.CharField()
    drawn = serializers.ChoiceField(LabelledHistory.Drawn.choices)
    rows = serializers.IntegerField()
    is_proof = serializers.BooleanField()
    sentence = serializers.CharField()


class GroupOutput(serializers.Serializer[Any]):
    segment = serializers.CharField()
    automatic = serializers.IntegerField()
    audits = serializers.IntegerField()
    wrong = serializers.IntegerField(help_text="Confirmed.")
    in_doubt = serializers.IntegerField(
        help_text="Contradicted, and the next reader has not answered yet; bounds take them for wrong."
    )
    estimate = serializers.FloatField(allow_null=True)
    low = serializers.FloatField()
    high = serializers.FloatField()
    bound = serializers.FloatField()

    def get_fields(self) -> dict[str, Any]:
        return {"class": serializers.CharField(), **super().get_fields()}


class HarmOutput(serializers.Serializer[Any]):
    estimate = serializers.FloatField()
    low = serializers.FloatField()
    bound = serializers.FloatField()
    promised = serializers.FloatField(allow_null=True)
    keeping = serializers.ChoiceField(["kept", "unproven", "broken"], allow_null=True)


class ParityOutput(serializers.Serializer[Any]):
    days = serializers.FloatField()
    arrivals = serializers.IntegerField()
    automatic = serializers.IntegerField()
    groups = GroupOutput(many=True)
    per_thousand = HarmOutput(allow_null=True, help_text="Wrong automatic decisions per 1,000 arrivals.")
    loss = serializers.DictField(child=HarmOutput(), help_text="By class, per automatic decision.")


class CertificatesView(ApiView):
    scopes = {"GET": "streams:read"}

    @extend_schema(
        operation_id="certificate_list",
        parameters=[ALL, *PAGE_PARAMETERS],
        responses=page_of(CertificateOutput, "CertificatePage"),
    )
    def get(self, request: Request, stream: str) -> Response:
        """The stream's certificates in force with their evidence, newest first; `all` tells the void ones too."""
        found = Certificate.objects.filter(stream=self.stream(stream)).select_related("model_version")
        if choice_of(request, "all", ["true", "false"]) != "true":
            found = found.filter(voided_at__isnull=True)
        rows, more = newest_first(request, found)
        return Response(page([certificate_output(one) for one in rows], more))


class HistoryView(ApiView):
    scopes = {"POST": "streams:write"}
    parser_classes: list[type[MultiPartParser]] = [HistoryFormParser]

    @extend_schema(
        operation_id="history_import", request={"multipart/form-data": HistoryForm}, responses={201: HistoryOutput}
    )
    @idempotent
    def post(self, request: Request, stream: str, number: int) -> Response:
        """Import a CSV of predictions with their true classes: drawn at random or whole, it is the first exam."""
        # It is counted with numpy: a process that takes none never loads it.
        from reviewapp.gating.actions import exams

        version = self.stream(stream).model_versions.select_related("stream").filter(number=number).first()
        if version is None:
            raise NotFound("There is no such model version.", code="model_version_unknown")
        if not isinstance(request.data, HistoryUpload) or request.data.content is None:
            raise Invalid("Send the history as `file` of a form, with `drawn` and `declaration`.", code="file_missing")
        given = request.data
        upload = exams.Upload(
            given.content or b"", given.file_name, given.get("drawn", ""), given.get("declaration", ""), given.columns
        )
        history = exams.history_import(
            version=version, upload=upload, by=self.actor, begin_anew=given.get("begin_anew") == "true"
        )
        content = {
            "id": history.pk,
            "model_version": number,
            "file_name": history.file_name,
            "drawn": history.drawn,
            "rows": history.num_rows,
            "is_proof": history.drawn != LabelledHistory.Drawn.OTHERWISE,
            "sentence": exams.told(history),
        }
        return Response(content, status=201)


class ParityView(ApiView):
    scopes = {"GET": "streams:read"}

    @extend_schema(operation_id="parity_read", responses=ParityOutput)
    def get(self, request: Request, stream: str) -> Response:  # noqa: ARG002
        """Automatic decisions of the last 30 days by class and segment: audits, errors, bounds, losses."""
        from reviewapp.cases import harm

        known = self.stream(stream)
        policy = active_policy(known)
        if policy is None:
            raise NotFound("The stream has no active policy, so nothing was promised.", code="policy_missing")
        found = harm.parity_of(known, read_body(policy.body))
        return Response(
            {
                "days": found.days,
                "arrivals": found.arrivals,
                "automatic": found.automatic,
                "groups": [_group(one) for one in found.groups],
                "per_thousand": _harm(found.per_thousand),
                "loss": {answer: _harm(loss) for answer, loss in found.loss.items()},
            }
        )


def _group(one: Any) -> dict[str, Any]:
    numbers = asdict(one)
    return {"class": numbers.pop("answer"), **numbers}


def certificate_output(one: Certificate) -> dict[str, Any]:
    evidence: Mapping[str, Any] = one.evidence
    return {
        "id": one.pk,
        "number": one.number,
        "model_version": one.model_version.number,
        "scope": one.scope,
        "state": one.state,
        "threshold": one.threshold,
        "target_error": one.target_error,
        "confidence": one.confidence,
        "promise": wording.promise(one.target_error, one.confidence),
        "sentence": evidence.get("sentence", ""),
        "meaning": wording.meaning(one.confidence),
        "audits": evidence.get("audits", 0),
        "wrong": evidence.get("wrong", 0),
        "bound": evidence.get("bound", 1.0),
        "more_needed": evidence.get("more_needed"),
        "rungs": evidence.get("rungs", []),
        "exam": evidence.get("exam"),
        "since": one.since,
        "created_at": one.created_at,
        "expires_at": one.expires_at,
        "voided_at": one.voided_at,
        "void_reason": one.void_reason,
    }


def _harm(harm: Any) -> dict[str, Any] | None:
    if harm is None:
        return None
    values = {name: getattr(harm, name) for name in ("estimate", "low", "bound", "promised")}
    return {**values, "keeping": harm.keeping and harm.keeping.value}
