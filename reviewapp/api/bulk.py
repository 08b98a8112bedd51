"""Many cases in one call: each row gets its own verdict and the good ones are kept."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.case_output import CaseInputBody
from reviewapp.api.cases import intake_of, traceparent_of
from reviewapp.api.limits import IngestLimit
from reviewapp.api.openapi import FieldError
from reviewapp.api.parsers import Malformed
from reviewapp.api.rows import BulkJSONParser, NDJSONParser, Row
from reviewapp.cases import submissions
from reviewapp.cases.actions import external, intake
from reviewapp.cases.actions.intake import Receipt
from reviewapp.cases.submissions import Submission
from reviewapp.domain.errors import DomainError
from reviewapp.registry.actions.versions import primary_of
from reviewapp.registry.contracts import Contract
from reviewapp.registry.models import Stream

OUTCOMES = ("created", "replayed", "conflict", "invalid")


class BulkResult(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="Of the row, from 0; blank lines do not count.")
    external_id = serializers.CharField(allow_null=True)
    outcome = serializers.ChoiceField(OUTCOMES)
    id = serializers.UUIDField(required=False, help_text="The stored case.")
    errors = FieldError(many=True, required=False)  # type: ignore[assignment]


class BulkOutput(serializers.Serializer[Any]):
    created = serializers.IntegerField()
    replayed = serializers.IntegerField()
    conflict = serializers.IntegerField()
    invalid = serializers.IntegerField()
    results = BulkResult(many=True)


class BulkView(ApiView):
    scopes = {"POST": "cases:write"}
    parser_classes = [BulkJSONParser, NDJSONParser]
    throttle_classes = [IngestLimit]

    @extend_schema(
        operation_id="case_create_bulk",
        request={"application/json": CaseInputBody(many=True), "application/x-ndjson": CaseInputBody},
        responses=BulkOutput,
    )
    def post(self, request: Request, stream: str) -> Response:
        """Send up to 10,000 cases, 32 MB in all, as an array or as one case per line."""
        known, contract = intake_of(self, stream)
        good, verdicts = _sort_out(cast("Iterable[Row]", request.data), known, contract)
        receipts = intake.receive(
            stream=known,
            submissions=[submission for _, submission in good],
            by=self.actor,
            traceparent=traceparent_of(request),
        )
        for (index, _), receipt in zip(good, receipts, strict=True):
            verdicts[index] = _verdict(index, receipt)
        counts = Counter(verdict["outcome"] for verdict in verdicts)
        return Response({**{name: counts[name] for name in OUTCOMES}, "results": verdicts})


def _sort_out(
    rows: Iterable[Row], stream: Stream, contract: Contract | None
) -> tuple[list[tuple[int, Submission]], list[dict[str, Any]]]:
    """The submissions that can be stored, and a verdict for each row: empty where it is still to be found."""
    if isinstance(rows, dict):
        # What the framework makes of an empty body.
        raise Malformed("The body is empty; send an array of cases or one case per line.", code="body_missing")
    good: list[tuple[int, Submission]] = []
    verdicts: list[dict[str, Any]] = []
    primary: Any = None
    for index, row in enumerate(rows):
        try:
            if row.problem is not None:
                raise row.problem
            submission = submissions.parse(row.content, stream=stream, contract=contract)
            if submission.probabilities is not None:
                primary = primary or primary_of(stream)
                external.check_model(primary, submission)
        except DomainError as problem:
            verdicts.append(_invalid(index, row, problem))
        else:
            good.append((index, submission))
            verdicts.append({})
    return good, verdicts


def _verdict(index: int, receipt: Receipt) -> dict[str, Any]:
    return {
        "index": index,
        "external_id": receipt.external_id,
        "outcome": receipt.outcome,
        "id": receipt.case_id,
        **({"errors": [_OTHER_CONTENT]} if receipt.outcome == "conflict" else {}),
    }


_OTHER_CONTENT = {
    "field": "external_id",
    "code": "case_conflict",
    "message": "Sent before with other content; to change it, amend the stored case.",
}


def _invalid(index: int, row: Row, problem: DomainError) -> dict[str, Any]:
    external_id = row.content.get("external_id") if isinstance(row.content, dict) else None
    return {
        "index": index,
        "external_id": external_id if isinstance(external_id, str) else None,
        "outcome": "invalid",
        "errors": problem.details.get("errors") or [{"field": "", "code": problem.code, "message": str(problem)}],
    }
