"""Cases: sent, listed, read."""

import re
import time
from typing import Any
from uuid import UUID

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView, unknown_stream
from reviewapp.api.case_output import CaseInputBody, CaseOutput, CaseSummary, arrived, full, summaries, summary
from reviewapp.api.idempotency import REPLAYED
from reviewapp.api.limits import WAITERS, IngestLimit
from reviewapp.api.pages import PAGE_PARAMETERS, choice_of, newest_first, page, page_of
from reviewapp.cases import submissions
from reviewapp.cases.actions import external, intake
from reviewapp.cases.models import Case
from reviewapp.cases.submissions import Submission
from reviewapp.domain.errors import Conflict
from reviewapp.domain.states import CaseState
from reviewapp.registry.actions.clients import Entrance
from reviewapp.registry.actions.versions import primary_of
from reviewapp.registry.contracts import Contract, compiled
from reviewapp.registry.models import Stream

MAX_WAIT = 5
_PREFER_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*(\d{1,4})\s*(?:$|[,;])", re.IGNORECASE)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

PREFER = OpenApiParameter(
    "Prefer", OpenApiTypes.STR, OpenApiParameter.HEADER, description="`wait=N`: up to 5 s for a decision."
)
_REPLAY = OpenApiResponse(CaseSummary, description="Sent before with this content, or decided while you waited.")


class CasesView(ApiView):
    scopes = {"GET": "cases:read", "POST": "cases:write"}

    def get_throttles(self) -> list[Any]:
        return [IngestLimit()] if self.request.method == "POST" else []

    @extend_schema(
        operation_id="case_list",
        parameters=[OpenApiParameter("state", enum=[state.value for state in CaseState]), *PAGE_PARAMETERS],
        responses=page_of(CaseSummary, "CasePage"),
    )
    def get(self, request: Request, stream: str) -> Response:
        """The stream's cases, newest first."""
        cases = Case.objects.filter(stream=self.stream(stream)).select_related("stream")
        state = choice_of(request, "state", [state.value for state in CaseState])
        if state is not None:
            cases = cases.filter(state=state)
        found, more = newest_first(request, cases)
        return Response(page(summaries(found), more))

    @extend_schema(
        operation_id="case_create",
        parameters=[PREFER],
        request=CaseInputBody,
        responses={200: _REPLAY, 202: CaseSummary},
    )
    def post(self, request: Request, stream: str) -> Response:
        """Send one case. The same `external_id` with the same content again answers the case as it is now."""
        known, contract = intake_of(self, stream)
        submission = submissions.parse(request.data, stream=known, contract=contract)
        check_prediction(known, submission)
        receipt = intake.receive_one(
            stream=known, submission=submission, by=self.actor, traceparent=traceparent_of(request)
        )
        if receipt.outcome == "conflict":
            raise _conflict(receipt)
        wait = wait_of(request)
        if receipt.outcome == "created" and not wait and submission.probabilities is None:
            return _accepted(arrived(known, receipt), 202)
        state = _wait(receipt.case_id, wait) if wait else None
        case = Case.objects.select_related("stream").get(pk=receipt.case_id)
        is_final = receipt.outcome == "replayed" or (state == CaseState.DECIDED and wait > 0)
        response = _accepted(summary(case), 200 if is_final else 202)
        if receipt.outcome == "replayed":
            response[REPLAYED] = "true"
        if state is not None:
            response["Preference-Applied"] = f"wait={wait}"
        return response


class CaseView(ApiView):
    scopes = {"GET": "cases:read"}

    @extend_schema(operation_id="case_read", responses=CaseOutput)
    def get(self, request: Request, case_id: UUID) -> HttpResponseBase:  # noqa: ARG002
        """One case: its input, the prediction that routed it, its decision and label. The ETag is its generation."""
        case = self.case(case_id)
        return Response(full(case, self.actor), headers={"ETag": f'"{case.generation}"'})


def intake_of(view: ApiView, slug: str) -> tuple[Stream, Contract | None]:
    """The stream to send to and its contract, looked up with the key. Raises NotFound for a stream unknown to it."""
    entrance: Entrance = view.request.entrance  # type: ignore[attr-defined]
    if entrance.stream is None:
        raise unknown_stream(slug)
    return entrance.stream, compiled(*entrance.contract_revision) if entrance.contract_revision else None


def check_prediction(stream: Stream, submission: Submission) -> None:
    if submission.probabilities is not None:
        external.check_model(primary_of(stream), submission)


def traceparent_of(request: Request) -> str:
    """The caller's trace, where it is one (W3C Trace Context)."""
    text = request.META.get("HTTP_TRACEPARENT", "")
    return text if _TRACEPARENT.fullmatch(text) else ""


def wait_of(request: Request) -> int:
    """The seconds of `Prefer: wait=N` (RFC 7240); what cannot be read is ignored, as it says."""
    found = _PREFER_WAIT.search(request.META.get("HTTP_PREFER", ""))
    return min(int(found[1]), MAX_WAIT) if found else 0


def _accepted(content: dict[str, Any], status: int) -> Response:
    headers = {"Location": content["url"], "ETag": f'"{content["generation"]}"'}
    return Response(content, status=status, headers=headers)


def _conflict(receipt: intake.Receipt) -> Conflict:
    return Conflict(
        f"“{receipt.external_id}” was sent before with other content; to change it, amend the stored case.",
        code="case_conflict",
        case=str(receipt.case_id),
        amend=f"/api/v1/cases/{receipt.case_id}/input",
    )


def _wait(case_id: UUID, seconds: int) -> str | None:
    """Look at the case until it is scored or the time is over; None when too many already wait."""
    if not WAITERS.acquire(blocking=False):
        return None
    try:
        end = time.monotonic() + seconds
        pause = 0.01
        while True:
            state: str = Case.objects.values_list("state", flat=True).get(pk=case_id)
            left = end - time.monotonic()
            if state != CaseState.SCORING or left <= 0:
                return state
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, 0.1)
    finally:
        WAITERS.release()
