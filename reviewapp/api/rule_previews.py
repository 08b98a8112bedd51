"""A routing rule tried on past cases, before a policy holds it."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.inputs import Input, checked
from reviewapp.cases import rule_preview
from reviewapp.cases.rule_preview import MAX_CASES, MAX_DAYS, Preview


class RulePreviewBody(Input):
    when = serializers.CharField(trim_whitespace=False, help_text="The rule's condition, in CEL.")
    days = serializers.IntegerField(
        default=30, min_value=1, max_value=MAX_DAYS, help_text="How far back, counted from now."
    )


class RuleFailureOutput(serializers.Serializer[Any]):
    reason = serializers.CharField()
    cases = serializers.IntegerField()


class RuleExampleOutput(serializers.Serializer[Any]):
    case = serializers.UUIDField()
    external_id = serializers.CharField()
    received_at = serializers.DateTimeField()


class RulePreviewOutput(serializers.Serializer[Any]):
    cases = serializers.IntegerField(help_text=f"The newest of the period, {MAX_CASES:,} at most.")
    is_sample = serializers.BooleanField(help_text="Whether the period has older cases too.")
    matched = serializers.IntegerField(help_text="Cases that the rule sends to people.")
    share = serializers.FloatField(allow_null=True)
    matched_automatic = serializers.IntegerField(help_text="Of these, cases that acted alone.")
    failed = serializers.IntegerField(help_text="Cases on which it gives no answer; they would go to people too.")
    failures = RuleFailureOutput(many=True, help_text="The commonest reasons.")
    examples = RuleExampleOutput(many=True)


class RulePreviewView(ApiView):
    scopes = {"POST": "streams:read"}

    @extend_schema(operation_id="policy_rule_preview", request=RulePreviewBody, responses=RulePreviewOutput)
    def post(self, request: Request, stream: str) -> Response:
        """Work a routing rule out on the stream's newest cases. Nothing is written."""
        known = self.stream(stream)
        body = checked(RulePreviewBody, request.data)
        found = rule_preview.preview(stream=known, when=body["when"], days=body["days"], actor=self.actor)
        return Response(_told(found))


def _told(found: Preview) -> dict[str, Any]:
    return {
        "cases": found.cases,
        "is_sample": found.is_sample,
        "matched": found.matched,
        "share": found.share,
        "matched_automatic": found.matched_automatic,
        "failed": found.failed,
        "failures": [{"reason": reason, "cases": cases} for reason, cases in found.errors],
        "examples": [
            {"case": case.pk, "external_id": case.external_id, "received_at": case.received_at}
            for case in found.examples
        ],
    }
