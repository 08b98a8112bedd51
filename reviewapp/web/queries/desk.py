"""What the reviewer's desk needs to know of one review."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from reviewapp.cases.actions.deciding import UNDO_WINDOW
from reviewapp.cases.models import CaseInput, Decision, Review, ReviewDraft, Verdict
from reviewapp.domain.errors import NotFound
from reviewapp.events.models import OutboxEntry
from reviewapp.registry.actors import Actor


def review_at_desk(actor: Actor, review_id: UUID) -> Review:
    """The review with its case and claimant, and the database's time; no prediction, which may yet be hidden."""
    review = (
        Review.objects.visible_to(actor)
        .select_related("case", "stream__team", "claimed_by")
        .annotate(database_now=Now())
        .filter(pk=review_id)
        .first()
    )
    if review is None:
        raise NotFound("There is no such review.")
    # One stream object, so that what it has read once is not read again.
    review.case.stream = review.stream
    return review


def input_of(review: Review) -> CaseInput:
    return CaseInput.objects.get(case=review.case_id, generation=review.generation)


def first_answer(review: Review, actor: Actor) -> Verdict | None:
    """The person's own answer given before the evidence was shown."""
    return Verdict.objects.filter(review=review, reviewer=actor.user, stage=Verdict.Stage.FIRST).first()


def draft_note(review: Review, actor: Actor) -> str:
    return ReviewDraft.objects.filter(review=review, user=actor.user).values_list("note", flat=True).first() or ""


def own_verdicts(actor: Actor) -> Any:
    """The person's verdicts, each saying whether it can still be taken back."""
    # Nothing indexes decisions by review; by case they are few.
    decided = Decision.objects.filter(case=OuterRef("review__case"), review=OuterRef("review"))
    waiting = decided.filter(Exists(OutboxEntry.objects.filter(event=OuterRef("event_id"))))
    return (
        Verdict.objects.filter(reviewer=actor.user, review__in=Review.objects.visible_to(actor))
        .select_related("review__case", "review__stream")
        .annotate(
            database_now=Now(),
            is_decision=Exists(decided),
            is_unreleased=Exists(waiting),
            is_fresh=Q(created_at__gt=Now() - UNDO_WINDOW),
        )
    )


def undoable(verdict: Any) -> bool:
    """Whether an undo would succeed now, as `verdicts.undo` decides it."""
    counted = verdict.status == Verdict.Status.COUNTED and verdict.review.state == Review.State.DONE
    return counted and (verdict.is_unreleased if verdict.is_decision else verdict.is_fresh)


@dataclass(frozen=True)
class Saved:
    """An answer that can still be taken back, until when, and the database's time."""

    verdict: Verdict
    until: datetime
    now: datetime


def just_saved(actor: Actor, review_id: str) -> Saved | None:
    """The answer the person has just given, while it can be taken back."""
    try:
        pk = UUID(review_id)
    except ValueError:
        return None
    verdict = (
        own_verdicts(actor)
        .filter(review=pk, status=Verdict.Status.COUNTED, is_fresh=True)
        .order_by("-created_at", "-pk")
        .first()
    )
    if verdict is None or not undoable(verdict):
        return None
    return Saved(verdict, verdict.created_at + UNDO_WINDOW, verdict.database_now)
