"""Verdicts: a person's answer is never thrown away, and counts exactly once."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from reviewapp.accounts.models import User
from reviewapp.cases.actions import audits, claims, deciding, evidence, labelling, reopening, trail
from reviewapp.cases.models import Case, Decision, Review, ReviewDraft, Verdict
from reviewapp.cases.permissions import check_reads_anew, check_review, may_see_evidence, visible_review
from reviewapp.crashpoints import crashpoint
from reviewapp.domain.errors import Conflict, Invalid, PreconditionFailed
from reviewapp.domain.states import CaseState
from reviewapp.events import actions as events
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Stream, StreamRevision

Stage = Verdict.Stage
Status = Verdict.Status
EVIDENCE = ["prediction", "explanation", "similar"]


class Result(StrEnum):
    """What became of a submitted answer."""

    SAVED = "saved"
    COMMITTED = "committed"  # the first of two stages: now the evidence is shown
    REPLAYED = "replayed"
    SECOND_OPINION = "second_opinion"  # somebody else holds the review
    LATE = "late"  # the review was already answered


@dataclass(frozen=True, slots=True)
class Submitted:
    """The kept verdict and what it did. `is_conflict`: kept, but it is not the answer that counts."""

    result: Result
    verdict: Verdict
    message: str
    decision: Decision | None = None

    @property
    def is_conflict(self) -> bool:
        return self.result in {Result.SECOND_OPINION, Result.LATE}


def submit(
    *,
    review_id: UUID,
    claim_token: UUID,
    answer: str,
    by: Actor,
    stage: str | None = None,
    note: str = "",
    generation: int | None = None,
    is_demo: bool = False,
) -> Submitted:
    """Keep an answer; where it counts, close the review, label the case and decide it, all in one transaction.

    1. The same person's answer of the same stage again is a replay.
    2. Without the claim, or after the review was closed, the answer is kept as second opinion or late.
    3. In commit-then-reveal the first answer opens the evidence and the final one closes the review.
    """
    seen = visible_review(by, review_id)
    user = check_review(by, seen.stream)
    check_reads_anew(user, seen)
    crashpoint("submitting.before_write")
    with transaction.atomic():
        case, review = _locked(seen)
        _check(review, case, answer, generation)
        stage = _stage(review, user, stage)
        earlier = Verdict.objects.filter(review=review, reviewer=user, stage=stage).first()
        if earlier is not None:
            return Submitted(Result.REPLAYED, earlier, f"Your answer “{earlier.answer}” was already saved.")
        submitted = _keep(review, case, user, by, _Answer(answer, stage, note, claim_token, is_demo))
        crashpoint("submitting.before_commit")
    crashpoint("submitting.after_commit")
    return submitted


@dataclass(frozen=True, slots=True)
class _Answer:
    answer: str
    stage: str
    note: str
    claim_token: UUID
    is_demo: bool


def _keep(review: Review, case: Case, user: User, by: Actor, given: _Answer) -> Submitted:
    if review.state != Review.State.OPEN:
        verdict = _write(review, user, given, Status.LATE)
        other = review.verdicts.filter(status=Status.COUNTED).order_by("-created_at").first()
        who = other.reviewer.name if other else "Somebody"
        same = "the same" if other and other.answer == given.answer else f"“{other.answer}”" if other else "otherwise"
        return Submitted(Result.LATE, verdict, f"{who} decided {same}. Your answer is kept beside it.")
    if review.claimed_by_id is not None and review.claimed_by_id != user.pk and review.claimed_by is not None:
        verdict = _write(review, user, given, Status.SECOND_OPINION)
        return Submitted(
            Result.SECOND_OPINION,
            verdict,
            f"{review.claimed_by.name} opened this review after your claim ended. "
            "Your answer is kept as a second opinion.",
        )
    if given.stage == Stage.FIRST and review.mode == Stream.Mode.COMMIT_THEN_REVEAL:
        # Somebody may have committed before and lost the claim: their first answer is the one that counts.
        is_first = not review.verdicts.filter(stage=Stage.FIRST, status=Status.COUNTED).exists()
        verdict = _write(review, user, given, Status.COUNTED if is_first else Status.SECOND_OPINION)
        trail.happened(case, "review.committed", by=by, payload={"review": str(review.pk), "class": given.answer})
        if is_first and not audits.is_doubted(case=case, review=review, first=verdict):
            evidence.on_verdict(case=case, review=review, verdict=verdict, by=by)
        return Submitted(Result.COMMITTED, verdict, "Your first answer is kept. Keep it or revise it.")
    verdict = _write(review, user, given, Status.COUNTED)
    return _close(review, case, verdict, by, is_demo=given.is_demo)


def _close(review: Review, case: Case, verdict: Verdict, by: Actor, *, is_demo: bool) -> Submitted:
    Review.objects.filter(pk=review.pk).update(
        state=Review.State.DONE,
        closed_at=timezone.now(),
        claimed_by=None,
        claim_token=None,
        claimed_at=None,
        claim_until=None,
    )
    ReviewDraft.objects.filter(review=review).delete()
    trail.happened(
        case,
        "review.submitted",
        by=by,
        payload={"review": {"id": str(review.pk), "kind": review.kind, "class": verdict.answer}},
        delay=deciding.UNDO_WINDOW,
    )
    settled, first = audits.Settlement(), _first(review, verdict)
    if case.state == CaseState.IN_REVIEW and not _is_beside(review, case):
        decision = deciding.decide(case=case, answer=verdict.answer, review=review, by=by)
        settled = audits.Settlement(decision, is_open=audits.ask_to_confirm(case=case, review=review, first=first))
        reopening.withdraw_reviews(case, keep=audits.KINDS)
    elif case.state == CaseState.DECIDED and review.kind in audits.KINDS:
        settled = audits.settle(case=case, review=review, verdict=verdict, by=by)
    elif review.kind in audits.KINDS:
        settled = audits.settle_beside(case=case, review=review, verdict=verdict)
    labelling.from_verdict(case=case, review=review, verdict=verdict, by=by, is_demo=is_demo)
    # What was answered before the reveal was entered then, unless it waited for somebody to confirm it.
    if not settled.is_open and (first is verdict or evidence.contradicts(case=case, review=review, verdict=first)):
        evidence.on_verdict(case=case, review=review, verdict=first, by=by)
    return Submitted(Result.SAVED, verdict, "Saved.", settled.decision)


def _first(review: Review, verdict: Verdict) -> Verdict:
    """The answer given before the reveal, where that is another one; somebody else may have given it."""
    if verdict.stage == Stage.FIRST or review.mode != Stream.Mode.COMMIT_THEN_REVEAL:
        return verdict
    counted = review.verdicts.filter(stage=Stage.FIRST, status=Status.COUNTED).select_related("reviewer")
    return counted.order_by("pk").first() or verdict


def _is_beside(review: Review, case: Case) -> bool:
    """Whether this is an audit of a case that people were asked to decide anew: theirs is the review that decides."""
    asked = case.reviews.filter(state=Review.State.OPEN).exclude(kind__in=audits.KINDS)
    return review.kind in audits.KINDS and asked.exists()


@transaction.atomic
def undo(*, review_id: UUID, by: Actor) -> Review:
    """Take back one's own answer while its decision has not left the house; the case comes back under a new claim.

    Raises Conflict once the decision was sent: it can then be corrected by reopening the case, not undone.
    """
    review = visible_review(by, review_id)
    user = check_review(by, review.stream)
    case, review = _locked(review)
    verdict = review.verdicts.filter(reviewer=user, status=Status.COUNTED).order_by("-created_at").first()
    if verdict is None or review.state != Review.State.DONE or _later_rounds(review).exists():
        raise Conflict("There is no answer of yours here to undo.", code="nothing_to_undo")
    decision = deciding.last_decision(case)
    if decision is not None and decision.review_id == review.pk:
        _, was_unreleased = deciding.withdraw(case=case, by=by)
        if not was_unreleased:
            raise Conflict("The decision has already been sent.", code="already_sent")
    elif review.kind not in audits.KINDS or _age(verdict) > deciding.UNDO_WINDOW.total_seconds():
        raise Conflict("A later decision stands; this answer cannot be undone.", code="nothing_to_undo")
    audits.take_back(case=case, review=review)
    evidence.take_back(case=case, review=review, by=by)
    labelling.withdraw(case=case, review=review, by=by)
    events.void_unreleased_since(verdict.created_at, case_id=case.pk, type_="review.submitted")
    again = _again(review, case)
    trail.happened(case, "review.undone", by=by, payload={"review": str(review.pk), "again": str(again.pk)})
    return claims.claim(review_id=again.pk, by=by)


def _later_rounds(review: Review) -> QuerySet[Review]:
    return Review.objects.filter(
        case=review.case_id, generation=review.generation, kind=review.kind, round__gt=review.round
    )


def _again(review: Review, case: Case) -> Review:
    rounds = case.reviews.filter(generation=case.generation, kind=review.kind).aggregate(last=Max("round"))
    return Review.objects.create(
        case=case,
        stream=review.stream,
        generation=case.generation,
        kind=review.kind,
        round=rounds["last"] + 1,
        mode=review.mode,
        prediction=review.prediction,
        reasons=review.reasons,
        inclusion_probability=review.inclusion_probability,
        priority=review.priority,
        due_at=review.due_at,
    )


def save_draft(*, review_id: UUID, note: str, by: Actor) -> ReviewDraft:
    """Keep a note in the making."""
    review = visible_review(by, review_id)
    user = check_review(by, review.stream)
    return ReviewDraft.objects.update_or_create(review=review, user=user, defaults={"note": note[:10_000]})[0]


def _locked(seen: Review) -> tuple[Case, Review]:
    """The case, then its review: whoever locks both does it in this order."""
    case = trail.locked(seen.case_id)
    review = (
        Review.objects.select_for_update(of=("self",), no_key=True)
        .select_related("stream", "claimed_by", "prediction__model_version", "prediction__policy_version")
        .get(pk=seen.pk)
    )
    return case, review


def _check(review: Review, case: Case, answer: str, generation: int | None) -> None:
    if answer not in case.stream.classes:
        message = f"“{answer}” is no class of this stream; use {', '.join(case.stream.classes)}."
        raise Invalid(
            message,
            code="class_unknown",
            errors=[{"field": "class", "code": "class_unknown", "message": message}],
        )
    if review.generation != case.generation or (generation is not None and generation != case.generation):
        raise PreconditionFailed(
            "The case was amended while you worked on it; look at what changed and answer again.",
            code="case_amended",
            generation=case.generation,
        )


def _stage(review: Review, user: User, wanted: str | None) -> str:
    """The stage an answer of this person has now; assisted answers are final, blind ones are first."""
    if review.mode == Stream.Mode.ASSISTED:
        stage = Stage.FINAL
    elif review.mode == Stream.Mode.BLIND:
        stage = Stage.FIRST
    elif wanted in Stage.values:
        stage = Stage(wanted)
        if stage == Stage.FINAL and not _has_first(review, user):
            raise Conflict("Give your first answer before the final one.", code="stage_order")
    else:
        stage = Stage.FINAL if _has_first(review, user) else Stage.FIRST
    return stage


def _has_first(review: Review, user: User) -> bool:
    return Verdict.objects.filter(review=review, reviewer=user, stage=Stage.FIRST).exists()


def _write(review: Review, user: User, given: _Answer, status: str) -> Verdict:
    saw = _saw_model(review, user)
    return Verdict.objects.create(
        review=review,
        reviewer=user,
        stage=given.stage,
        status=status,
        answer=given.answer,
        note=given.note[:10_000],
        saw_model=saw,
        shown=EVIDENCE if saw and review.prediction_id else [],
        seconds=_seconds(review, user, given.stage),
        guideline=review.stream.revisions.filter(kind=StreamRevision.Kind.GUIDELINE).order_by("-number").first(),
        claim_token=given.claim_token,
    )


def _saw_model(review: Review, user: User) -> bool:
    """Whether this person may have seen the model's part of the case: here, or since answering another review of it."""
    if may_see_evidence(Actor("user", str(user.pk), user=user), review):
        return True
    return Verdict.objects.filter(review__case=review.case_id, reviewer=user).exclude(review=review).exists()


def _seconds(review: Review, user: User, stage: str) -> float:
    since: Any = review.claimed_at if review.claimed_by_id == user.pk else None
    if stage == Stage.FINAL:
        first = Verdict.objects.filter(review=review, reviewer=user, stage=Stage.FIRST).first()
        since = first.created_at if first else since
    return 0.0 if since is None else max((_database_time() - since).total_seconds(), 0.0)


def _age(verdict: Verdict) -> float:
    return float((_database_time() - verdict.created_at).total_seconds())


def _database_time() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]
