"""What is learnt about a case later: other input, or the truth."""

import re
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.case_output import CaseOutput, LabelOutput, full, label_of
from reviewapp.api.cases import traceparent_of
from reviewapp.api.idempotency import idempotent
from reviewapp.api.inputs import Input, checked
from reviewapp.api.openapi import PROBLEM, Problem
from reviewapp.cases.actions import labelling, reopening
from reviewapp.cases.submissions import parse_features, parse_moment
from reviewapp.domain.errors import DomainError
from reviewapp.registry.contracts import contract_of

_GENERATION = re.compile(r'(?P<quote>"?)(?P<number>[1-9][0-9]{0,8})(?P=quote)')


class PreconditionRequired(DomainError):
    """The call needs If-Match."""

    code = "if_match_required"
    status = 428


class AmendBody(Input):
    features = serializers.DictField(help_text="The whole input, as the stream's contract says.")
    observed_at = serializers.CharField(
        required=False, allow_null=True, help_text="When the new input was observed, with its zone."
    )


class OutcomeBody(Input):
    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "class": serializers.CharField(max_length=80)}


class InputView(ApiView):
    scopes = {"PUT": "cases:write"}

    @extend_schema(
        operation_id="case_amend",
        parameters=[
            OpenApiParameter(
                "If-Match",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                required=True,
                description="The generation that you have seen, as in the case's ETag.",
            )
        ],
        request=AmendBody,
        responses={
            200: CaseOutput,
            (412, PROBLEM): OpenApiResponse(Problem, description="The case has another generation by now."),
            (428, PROBLEM): OpenApiResponse(Problem, description="If-Match is missing."),
        },
    )
    def put(self, request: Request, case_id: UUID) -> Response:
        """Amend a case: it gets a new generation, is scored and routed anew, and its open reviews are withdrawn."""
        case = self.case(case_id)
        generation = generation_of(request)
        body = checked(AmendBody, request.data)
        features = parse_features(body["features"], contract_of(case.stream))
        case = reopening.amend(
            case_id=case_id,
            generation=generation,
            features=features,
            observed_at=parse_moment(body.get("observed_at")),
            by=self.actor,
            traceparent=traceparent_of(request),
        )
        return Response(full(case, self.actor), headers={"ETag": f'"{case.generation}"'})


class OutcomeView(ApiView):
    scopes = {"POST": "labels:write"}

    @extend_schema(operation_id="case_outcome", request=OutcomeBody, responses=LabelOutput)
    @idempotent
    def post(self, request: Request, case_id: UUID) -> Response:
        """The truth, learnt later: a label with the source `outcome`. The same outcome again changes nothing."""
        self.case(case_id)
        body = checked(OutcomeBody, request.data)
        label = labelling.record_outcome(case_id=case_id, answer=body["class"], by=self.actor)
        return Response(label_of(label))


def generation_of(request: Request) -> int:
    """The generation in If-Match. Raises PreconditionRequired without one."""
    text = request.META.get("HTTP_IF_MATCH")
    if text is None:
        raise PreconditionRequired("Say in If-Match which generation you amend, as the case's ETag has it.")
    found = _GENERATION.fullmatch(text.strip())
    if found is None:
        raise DomainError('If-Match must be a generation, like "1".', code="if_match_invalid")
    return int(found["number"])
