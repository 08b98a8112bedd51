"""Back-tests of policy versions: started, followed, cancelled, and the cases behind their numbers."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.idempotency import idempotent
from reviewapp.api.inputs import Input, checked
from reviewapp.api.pages import (
    CURSOR,
    LIMIT,
    PAGE_PARAMETERS,
    choice_of,
    decode,
    encode,
    limit_of,
    newest_first,
    page,
    page_of,
)
from reviewapp.api.policies import version_of
from reviewapp.cases import back_tests
from reviewapp.cases.actions import back_testing
from reviewapp.domain.gate import Route
from reviewapp.gating.models import BackTest

ROUTES = [route.value for route in Route]
DEFAULT_PERIOD = timedelta(days=30)


class ErrorOutput(serializers.Serializer[Any]):
    """An error rate of automatic decisions with its 95 % interval."""

    method = serializers.ChoiceField(
        ["sample", "weighted", "none"],
        help_text="`sample`: exact, on a plain random sample; `weighted`: every honest reading by its probability, "
        "with no lower bound; `none`: nothing was read blind.",
    )
    estimated = serializers.IntegerField(help_text="The automatic decisions it speaks of.")
    answers = serializers.IntegerField()
    wrong = serializers.IntegerField()
    rate = serializers.FloatField(allow_null=True)
    low = serializers.FloatField()
    high = serializers.FloatField()
    at_most_wrong = serializers.IntegerField(
        allow_null=True, help_text="So many of those decisions can be wrong at most, with 97.5% confidence."
    )
    in_doubt = serializers.IntegerField(
        help_text="Answers that contradict and wait for the next reader; the upper ends take them for wrong."
    )


class SideOutput(serializers.Serializer[Any]):
    automatic = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True)
    labelled = serializers.IntegerField(help_text="Automatic decisions whose truth people or an outcome told.")
    contradicted = serializers.IntegerField(help_text="Of those, told otherwise.")
    error = ErrorOutput()


class StreamSideOutput(SideOutput):
    reviews_per_day = serializers.FloatField()
    audits_per_day = serializers.FloatField()
    minutes_per_day = serializers.FloatField(allow_null=True)


class BackTestClassOutput(serializers.Serializer[Any]):
    cases = serializers.IntegerField()
    to_automatic = serializers.IntegerField()
    to_automatic_unlabelled = serializers.IntegerField()
    to_people = serializers.IntegerField()
    audit_rate = serializers.FloatField(help_text="That the policy would set for such a volume.")
    before = SideOutput()
    after = SideOutput()

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "class": serializers.CharField()}


class PlannedOutput(serializers.Serializer[Any]):
    model_version = serializers.IntegerField()
    threshold = serializers.FloatField(allow_null=True)
    is_to_be_earned = serializers.BooleanField(help_text="Once active it must first be earned by new labels.")

    def get_fields(self) -> dict[str, Any]:
        source = serializers.CharField(help_text="Where the threshold comes from, or why there is none.")
        return {**super().get_fields(), "class": serializers.CharField(), "source": source}


class ChangedOutput(serializers.Serializer[Any]):
    to_automatic = serializers.IntegerField()
    to_people = serializers.IntegerField()
    listed = serializers.IntegerField(help_text=f"In the list of changes, at most {back_testing.MAX_CHANGES:,}.")


class BackTestResult(serializers.Serializer[Any]):
    cases = serializers.IntegerField()
    unscored = serializers.IntegerField()
    days = serializers.FloatField()
    minutes_per_review = serializers.FloatField(allow_null=True, help_text="Median of the period.")
    reviews_timed = serializers.IntegerField()
    thresholds = PlannedOutput(many=True)
    changed = ChangedOutput()
    before = StreamSideOutput()
    after = StreamSideOutput()
    classes = BackTestClassOutput(many=True)
    unknown = serializers.ListField(child=serializers.CharField(), help_text="What cannot be known, in sentences.")


class ProgressOutput(serializers.Serializer[Any]):
    replayed = serializers.IntegerField()
    cases = serializers.IntegerField()


class BackTestOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    policy = serializers.IntegerField(help_text="Number of the version.")
    is_current = serializers.BooleanField(help_text="Done, and the version still reads as it was replayed.")
    state = serializers.ChoiceField(BackTest.State.choices)
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField()
    progress = ProgressOutput(allow_null=True, help_text="While it is not done.")
    failure = serializers.CharField(help_text="Why it failed; else empty.")
    result = BackTestResult(allow_null=True)
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class BackTestChangeOutput(serializers.Serializer[Any]):
    case = serializers.UUIDField()
    external_id = serializers.CharField()
    before = serializers.ChoiceField(ROUTES)
    after = serializers.ChoiceField(ROUTES)
    confidence = serializers.FloatField()
    truth = serializers.CharField(allow_null=True)
    reason = serializers.CharField(help_text="Code of the gate's reason under the version.")
    received_at = serializers.DateTimeField()

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "class": serializers.CharField()}


class PeriodBody(Input):
    period_start = serializers.DateTimeField(required=False, help_text="30 days before the end unless told.")
    period_end = serializers.DateTimeField(required=False, help_text="Now unless told.")


class PolicyBackTestsView(ApiView):
    scopes = {"GET": "streams:read", "POST": "streams:write"}
    is_for_people = True

    @extend_schema(
        operation_id="policy_back_test_list",
        parameters=PAGE_PARAMETERS,
        responses=page_of(BackTestOutput, "BackTestPage"),
    )
    def get(self, request: Request, stream: str, number: int) -> Response:
        """The back-tests of a version, newest first."""
        known = self.stream(stream)
        back_tests.check_sees(self.actor, known)
        tests = back_tests.of_policy(version_of(known, number)).select_related("policy_version")
        found, more = newest_first(request, tests)
        return Response(page([_test(one) for one in found], more))

    @extend_schema(operation_id="policy_back_test", request=PeriodBody, responses={202: BackTestOutput})
    @idempotent
    def post(self, request: Request, stream: str, number: int) -> Response:
        """Replay a version on a past period; Location tells how far it is and what came of it."""
        known = self.stream(stream)
        policy = version_of(known, number)
        given = checked(PeriodBody, request.data or {})
        end = given.get("period_end") or timezone.now()
        test = back_testing.start(
            policy=policy,
            period_start=given.get("period_start") or end - DEFAULT_PERIOD,
            period_end=end,
            by=self.actor,
        )
        headers = {"Location": f"/api/v1/streams/{known.slug}/back-tests/{test.pk}"}
        return Response(_test(test), status=202, headers=headers)


class BackTestView(ApiView):
    scopes = {"GET": "streams:read"}
    is_for_people = True

    @extend_schema(operation_id="back_test_read", responses=BackTestOutput)
    def get(self, request: Request, stream: str, back_test_id: UUID) -> Response:  # noqa: ARG002
        """How far a back-test is, and its result."""
        return Response(_test(back_tests.found(self.stream(stream), back_test_id, by=self.actor)))


class CancelView(ApiView):
    scopes = {"POST": "streams:write"}
    is_for_people = True

    @extend_schema(operation_id="back_test_cancel", request=None, responses=BackTestOutput)
    @idempotent
    def post(self, request: Request, stream: str, back_test_id: UUID) -> Response:  # noqa: ARG002
        """End a back-test that is not done."""
        test = back_tests.found(self.stream(stream), back_test_id, by=self.actor)
        return Response(_test(back_testing.cancel(back_test=test, by=self.actor)))


class ChangesView(ApiView):
    scopes = {"GET": "streams:read"}
    is_for_people = True

    @extend_schema(
        operation_id="back_test_changes",
        parameters=[
            CURSOR,
            LIMIT,
            OpenApiParameter("to", enum=ROUTES, description="Only those that would take this route."),
            OpenApiParameter("class", OpenApiTypes.STR, description="Only those that the model gave this class."),
            OpenApiParameter("contradicted", enum=["true"], description="Only those that people contradicted."),
        ],
        responses=page_of(BackTestChangeOutput, "BackTestChangePage"),
    )
    def get(self, request: Request, stream: str, back_test_id: UUID) -> Response:
        """The cases that would take another route, in the order they arrived."""
        known = self.stream(stream)
        test = back_tests.found(known, back_test_id, by=self.actor)
        limit, cursor = limit_of(request), request.query_params.get("cursor")
        found = back_tests.changes_of(
            test,
            by=self.actor,
            to=choice_of(request, "to", ROUTES),
            answer=choice_of(request, "class", known.classes),
            is_contradicted=choice_of(request, "contradicted", ["true"]) is not None,
            after=decode(cursor, int)[0] if cursor is not None else 0,
            limit=limit + 1,
        )
        more = encode(found[limit - 1].id) if len(found) > limit else None
        return Response(page([_change(one) for one in found[:limit]], more))


def _test(test: BackTest) -> dict[str, Any]:
    content, is_done = test.result or {}, test.state == BackTest.State.DONE
    progress = None if is_done else content.get("progress")
    return {
        "id": test.pk,
        "policy": test.policy_version.number,
        "is_current": back_tests.is_of_this_body(test, test.policy_version),
        "state": test.state,
        "period_start": test.period_start,
        "period_end": test.period_end,
        "progress": progress and {name: progress[name] for name in ("replayed", "cases")},
        "failure": test.detail,
        "result": _result(content) if is_done else None,
        "created_by": test.created_by,
        "created_at": test.created_at,
        "finished_at": test.finished_at,
    }


def _result(content: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in content.items() if name not in {"body", "plan"}}
    planned = [{"class": one["answer"], **{k: v for k, v in one.items() if k != "answer"}} for one in content["plan"]]
    return {**shown, "thresholds": planned}


def _change(one: back_tests.Changed) -> dict[str, Any]:
    return {
        "case": one.case_id,
        "external_id": one.external_id,
        "before": one.route_before,
        "after": one.route_after,
        "class": one.answer,
        "confidence": one.confidence,
        "truth": one.truth,
        "reason": one.reason,
        "received_at": one.received_at,
    }
