"""The review queue, for other front ends. Reading is for keys and people; claiming and answering for people only."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api import review_output
from reviewapp.api.auth import PERSON
from reviewapp.api.base import ApiView
from reviewapp.api.case_output import decision_of
from reviewapp.api.errors import problem
from reviewapp.api.idempotency import idempotent
from reviewapp.api.inputs import Input, checked
from reviewapp.api.openapi import PROBLEM, Problem
from reviewapp.api.pages import PAGE_PARAMETERS, choice_of, newest_first, page, page_of
from reviewapp.api.review_output import ReviewOutput, ReviewSummary, SubmittedOutput
from reviewapp.cases.actions import claims, verdicts
from reviewapp.cases.models import Review, Verdict
from reviewapp.cases.permissions import SEEN_BY, visible_review

_KEPT = OpenApiResponse(
    Problem, description="`kept: true`: stored as late or second opinion. Without it: the claim or the stage is wrong."
)


class ClaimBody(Input):
    stream = serializers.SlugField(max_length=50)


class TokenBody(Input):
    claim_token = serializers.UUIDField()


class SkipBody(TokenBody):
    reason = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class SubmitBody(TokenBody):
    stage = serializers.ChoiceField(Verdict.Stage.choices, required=False)
    note = serializers.CharField(max_length=10_000, required=False, allow_blank=True, default="")
    generation = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False)

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "class": serializers.CharField(max_length=80)}


class _ReviewsView(ApiView):
    is_for_people = True

    def review(self, review_id: UUID) -> Review:
        return visible_review(self.actor, review_id)

    def answer(self, review: Review) -> Response:
        return Response(review_output.full(self.review(review.pk), self.actor))


class ReviewsView(_ReviewsView):
    scopes = {"GET": "reviews:read"}

    @extend_schema(
        operation_id="review_list",
        parameters=[
            OpenApiParameter("stream"),
            OpenApiParameter("state", enum=Review.State.values, description="`open` unless told."),
            *PAGE_PARAMETERS,
        ],
        responses=page_of(ReviewSummary, "ReviewPage"),
    )
    def get(self, request: Request) -> Response:
        """Reviews, newest first. The queue gives them out in its own order: see claim."""
        state = choice_of(request, "state", list(Review.State.values)) or Review.State.OPEN
        reviews = Review.objects.visible_to(self.actor).filter(state=state).select_related("stream", "case__stream")
        reviews = reviews.prefetch_related(*SEEN_BY)
        slug = request.query_params.get("stream")
        if slug is not None:
            reviews = reviews.filter(stream=self.stream(slug))
        found, more = newest_first(request, reviews)
        return Response(page([review_output.summary(review, self.actor) for review in found], more))


class ReviewView(_ReviewsView):
    scopes = {"GET": "reviews:read"}

    @extend_schema(operation_id="review_read", responses=ReviewOutput)
    def get(self, request: Request, review_id: UUID) -> Response:  # noqa: ARG002
        """One review; the model's part is in `evidence` as soon as it may be seen."""
        return self.answer(self.review(review_id))


class ClaimView(_ReviewsView):
    scopes = {"POST": PERSON}

    @extend_schema(
        operation_id="review_claim",
        request=ClaimBody,
        responses={200: ReviewOutput, 204: OpenApiResponse(description="The queue is empty.")},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Claim the most pressing free review of a stream, or get your open claim again."""
        body = checked(ClaimBody, request.data)
        review = claims.claim_next(stream=self.stream(body["stream"]), by=self.actor)
        return self.answer(review) if review else Response(status=204)


class SubmitView(_ReviewsView):
    scopes = {"POST": PERSON}

    @extend_schema(
        operation_id="review_submit",
        request=SubmitBody,
        responses={
            200: SubmittedOutput,
            (409, PROBLEM): _KEPT,
            (412, PROBLEM): OpenApiResponse(Problem, description="The case was amended meanwhile."),
        },
    )
    @idempotent
    def post(self, request: Request, review_id: UUID) -> Response:
        """Answer. An answer that comes too late to count is kept all the same, and told so with 409."""
        body = checked(SubmitBody, request.data)
        submitted = verdicts.submit(
            review_id=review_id,
            claim_token=body["claim_token"],
            answer=body["class"],
            stage=body.get("stage"),
            note=body["note"],
            generation=body.get("generation"),
            by=self.actor,
        )
        if submitted.is_conflict:
            return problem(409, submitted.result, submitted.message, kept=True, verdict=str(submitted.verdict.pk))
        review = self.review(review_id)
        return Response(
            {
                "result": submitted.result,
                "message": submitted.message,
                "kept": True,
                "verdict": submitted.verdict.pk,
                "stage": submitted.verdict.stage,
                "decision": decision_of(submitted.decision),
                "review": review_output.full(review, self.actor),
            }
        )


class ReleaseView(_ReviewsView):
    scopes = {"POST": PERSON}

    @extend_schema(operation_id="review_release", request=TokenBody, responses=ReviewOutput)
    @idempotent
    def post(self, request: Request, review_id: UUID) -> Response:
        """Give a claim back; giving back what is no longer held changes nothing."""
        token = checked(TokenBody, request.data)["claim_token"]
        claims.release(review_id=review_id, claim_token=token, by=self.actor)
        return self.answer(self.review(review_id))


class ExtendView(_ReviewsView):
    scopes = {"POST": PERSON}

    @extend_schema(operation_id="review_extend", request=TokenBody, responses=ReviewOutput)
    @idempotent
    def post(self, request: Request, review_id: UUID) -> Response:
        """A sign of life: the claim lasts ten more minutes, an hour at most."""
        token = checked(TokenBody, request.data)["claim_token"]
        return self.answer(claims.extend(review_id=review_id, claim_token=token, by=self.actor))


class SkipView(_ReviewsView):
    scopes = {"POST": PERSON}

    @extend_schema(operation_id="review_skip", request=SkipBody, responses=ReviewOutput)
    @idempotent
    def post(self, request: Request, review_id: UUID) -> Response:
        """Pass on a review: it goes back to the queue and is offered to others first."""
        body = checked(SkipBody, request.data)
        claims.skip(review_id=review_id, claim_token=body["claim_token"], reason=body["reason"], by=self.actor)
        return self.answer(self.review(review_id))


class UndoView(_ReviewsView):
    scopes = {"POST": PERSON}

    @extend_schema(operation_id="review_undo", request=None, responses=ReviewOutput)
    @idempotent
    def post(self, request: Request, review_id: UUID) -> Response:  # noqa: ARG002
        """Take your answer back while it has not left the house; answers the new review, under your claim."""
        return self.answer(verdicts.undo(review_id=review_id, by=self.actor))
