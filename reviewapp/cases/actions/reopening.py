"""Amending a case's input and bringing a decided case back to people."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from reviewapp.cases.actions import trail, work
from reviewapp.cases.actions.intake import INFERENCE_TASK
from reviewapp.cases.actions.routing import EXPLAIN_TASK
from reviewapp.cases.models import Case, CaseInput, Prediction, Review, Work
from reviewapp.celery import enqueue
from reviewapp.domain.errors import Conflict, Invalid, PreconditionFailed
from reviewapp.domain.states import CaseState
from reviewapp.registry.actors import Actor, check_role
from reviewapp.registry.models import Role


@transaction.atomic
def amend(
    *,
    case_id: UUID,
    generation: int,
    features: dict[str, Any],
    by: Actor,
    observed_at: datetime | None = None,
    traceparent: str = "",
) -> Case:
    """Add a generation to a case's input: it is scored and routed anew, and its open reviews are withdrawn.

    `observed_at` is when the new input was seen. Raises PreconditionFailed when `generation` is not the one in force.
    """
    case = trail.locked(case_id)
    if case.generation != generation:
        raise PreconditionFailed(
            f"The case is at generation {case.generation}, not {generation}; read it again.",
            code="generation_stale",
            generation=case.generation,
        )
    if case.state == CaseState.ERASED:
        raise Conflict("The case is erased.", code="case_erased")
    before = case.inputs.get(generation=generation)
    if before.features == features and observed_at in {None, before.observed_at}:
        return case
    case.generation += 1
    CaseInput.objects.create(
        case=case, generation=case.generation, features=features, context=before.context, observed_at=observed_at
    )
    withdraw_reviews(case)
    moved = Case.objects.transition(case.pk, CaseState(case.state), CaseState.SCORING, generation=case.generation)
    assert moved, "the case's row is locked"
    case.state = CaseState.SCORING
    trail.happened(case, "case.amended", by=by, payload={})
    work.add(kind=Work.Kind.SCORE, subjects=[str(case.pk)], generation=case.generation, traceparent=traceparent)
    enqueue(INFERENCE_TASK)
    return case


@transaction.atomic
def reopen(*, case_id: UUID, reason: str, by: Actor) -> Review:
    """Bring a decided case back to people; its decision stands until they supersede it."""
    case = trail.locked(case_id)
    check_role(by, case.stream, Role.LEAD, Role.AUDITOR)
    if not reason.strip():
        raise Invalid("Reopening needs a reason.", code="reason_missing")
    if case.state != CaseState.DECIDED:
        raise Conflict(f"The case is {case.state}; only a decided case can be reopened.", code="not_decided")
    review = review_again(case, f"Reopened: {reason.strip()}")
    Case.objects.transition(case.pk, CaseState.DECIDED, CaseState.IN_REVIEW)
    trail.happened(case, "case.reopened", by=by, payload={"reason": reason.strip(), "review": str(review.pk)})
    return review


def review_again(case: Case, sentence: str) -> Review:
    """One more reading of a locked case that was decided, with the prediction that decided it."""
    rounds = case.reviews.filter(generation=case.generation, kind=Review.Kind.REOPENED).aggregate(last=Max("round"))
    prediction = (
        Prediction.objects.filter(case=case, generation=case.generation, route__isnull=False)
        .order_by("-created_at")
        .first()
    )
    if prediction is not None:
        _ask_for_evidence(case, prediction)
    return Review.objects.create(
        case=case,
        stream=case.stream,
        generation=case.generation,
        kind=Review.Kind.REOPENED,
        round=(rounds["last"] or 0) + 1,
        mode=case.stream.review_mode,
        prediction=prediction,
        reasons=[{"code": "reopened", "sentence": sentence}],
        inclusion_probability=0.0,
        due_at=timezone.now() + case.stream.sla,
    )


def _ask_for_evidence(case: Case, prediction: Prediction) -> None:
    """What nobody was to look at has neither an explanation nor a vector yet."""
    if prediction.role == Prediction.Role.EXTERNAL:
        return
    if not prediction.explanations.exists():
        work.add(kind=Work.Kind.EXPLAIN, subjects=[str(prediction.pk)])
    work.add(kind=Work.Kind.EMBED, subjects=[str(case.pk)], generation=case.generation)
    enqueue(EXPLAIN_TASK)


def withdraw_reviews(case: Case, *, keep: Iterable[str] = ()) -> int:
    """Close the open reviews of a locked case that nobody needs to answer any more."""
    return (
        case.reviews.filter(state=Review.State.OPEN)
        .exclude(kind__in=list(keep))
        .update(
            state=Review.State.WITHDRAWN,
            closed_at=timezone.now(),
            claimed_by=None,
            claim_token=None,
            claimed_at=None,
            claim_until=None,
        )
    )
