"""An explanation as a file: for whoever has to hand on why a model answered as it did."""

import csv
import io
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.case_output import latest_prediction
from reviewapp.api.evidence import ExplanationOutput, explanation, explanation_of
from reviewapp.api.pages import choice_of
from reviewapp.cases.models import Case, Explanation
from reviewapp.cases.permissions import check_sees_model

FORMAT = 1
FORMATS = ["json", "csv"]
HEADER = ("column", "word", "value", "attribution", "standard_error")
# A spreadsheet takes a cell that begins like this for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ExplanationFile(serializers.Serializer[Any]):
    format = serializers.IntegerField()
    case = serializers.UUIDField()
    external_id = serializers.CharField()
    generation = serializers.IntegerField(help_text="Of the input that was explained.")
    model_version = serializers.UUIDField()
    bundle = serializers.CharField(help_text="SHA-256 of the bundle that scored and explained the case.")
    explanation = ExplanationOutput()


class ExplanationFileView(ApiView):
    scopes = {"GET": "cases:read"}
    is_for_people = True

    @extend_schema(
        operation_id="case_explanation_export",
        parameters=[OpenApiParameter("format", enum=FORMATS, description="json where it is left out.")],
        responses={(200, "application/json"): ExplanationFile, (200, "text/csv"): bytes},
    )
    def get(self, request: Request, case_id: UUID) -> Response | HttpResponse:
        """The explanation with the case, input and model it belongs to; CSV has the attributions, one in each line."""
        case = self.case(case_id)
        check_sees_model(self.actor, case)
        kind = choice_of(request, "format", FORMATS) or "json"
        row = explanation(case, latest_prediction(case))
        headers = {
            "Content-Disposition": f'attachment; filename="explanation-{case.pk}.{kind}"',
            "Cache-Control": "no-store",
        }
        if kind == "csv":
            return HttpResponse(_as_csv(row), content_type="text/csv; charset=utf-8", headers=headers)
        return Response(_as_json(case, row), headers=headers)


def _as_json(case: Case, row: Explanation) -> dict[str, Any]:
    prediction = row.prediction
    return {
        "format": FORMAT,
        "case": case.pk,
        "external_id": case.external_id,
        "generation": prediction.generation,
        "model_version": prediction.model_version_id,
        "bundle": prediction.model_version.bundle_id,
        "explanation": explanation_of(row),
    }


def _as_csv(row: Explanation) -> str:
    target = io.StringIO()
    lines = csv.writer(target, lineterminator="\r\n")
    lines.writerow(HEADER)
    lines.writerow(("(base value)", "", "", row.base_value, ""))
    for entry in row.attributions:
        column = _cell(entry["column"])
        told = entry.get("words") or []
        if not told:
            lines.writerow((column, "", _cell(entry["value"]), entry["attribution"], entry.get("error", "")))
            continue
        for one in told:
            lines.writerow((column, _cell(one["word"]), "", one["attribution"], ""))
        lines.writerow((column, "", _cell(entry["value"]), entry["rest"], entry.get("error", "")))
    lines.writerow(("(residual)", "", "", row.residual, ""))
    lines.writerow(("(output)", "", "", row.output_value, ""))
    return target.getvalue()


def _cell(value: Any) -> Any:
    """What stands in a cell; text that a spreadsheet would run begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
