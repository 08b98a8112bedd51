"""Decisions by people: appended to the case's chain together with their event."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuid

from reviewapp.cases.actions.trail import happened
from reviewapp.cases.models import Case, Decision, Review
from reviewapp.domain.states import CaseState
from reviewapp.events import actions as events
from reviewapp.registry.actors import Actor

# The time a person has to take an answer back before it leaves the house.
UNDO_WINDOW = timedelta(seconds=10)


def last_decision(case: Case) -> Decision | None:
    return Decision.objects.filter(case=case).order_by("-sequence").first()


def behind(threshold: float | None, certificate_id: UUID | str | None) -> dict[str, str | None] | None:
    """What stands behind a threshold, as upstream is told; a certificate that stands no more gives no threshold."""
    if threshold is None:
        return None
    if certificate_id is None:
        return {"state": "uncertified", "id": None}
    return {"state": "certified", "id": str(certificate_id)}


def decide(*, case: Case, answer: str, review: Review, by: Actor, delay: timedelta = UNDO_WINDOW) -> Decision:
    """A person's decision on a locked case; it supersedes what was decided before."""
    before = last_decision(case)
    decision = _append(
        case,
        before,
        by,
        type_="decision.corrected" if before and before.answer is not None else "decision.made",
        delay=delay,
        audit=_audit_of(review),
        source=Decision.Source.HUMAN,
        answer=answer,
        review=review,
        prediction=review.prediction,
        model_version=review.prediction.model_version if review.prediction else None,
        policy_version=review.prediction.policy_version if review.prediction else None,
    )
    _move(case, CaseState.DECIDED)
    return decision


def _audit_of(review: Review) -> str | None:
    """The audit that found an error, where a later reading of it decides."""
    if review.kind == Review.Kind.AUDIT:
        return str(review.pk)
    if review.kind not in {Review.Kind.SECOND_OPINION, Review.Kind.ADJUDICATION}:
        return None
    audits = Review.objects.filter(case=review.case_id, generation=review.generation, kind=Review.Kind.AUDIT)
    audit = audits.filter(state=Review.State.DONE).order_by("-round").first()
    return str(audit.pk) if audit else None


def withdraw(*, case: Case, by: Actor) -> tuple[Decision, bool]:
    """Take the live decision of a locked case back; True when upstream never heard of it.

    An unreleased announcement is removed and the withdrawal stays in the house; otherwise upstream is told.
    """
    before = last_decision(case)
    assert before is not None
    was_unreleased = events.void_unreleased(before.event_id)
    decision = _append(
        case,
        before,
        by,
        type_="decision.undone" if was_unreleased else "decision.withdrawn",
        source=Decision.Source.WITHDRAWN,
        answer=None,
    )
    _move(case, CaseState.IN_REVIEW)
    return decision, was_unreleased


def _append(
    case: Case,
    before: Decision | None,
    by: Actor,
    *,
    type_: str,
    source: str,
    answer: str | None,
    delay: timedelta | None = None,
    audit: str | None = None,
    **links: Any,
) -> Decision:
    decision_id, event_id = uuid.uuid7(), uuid.uuid7()
    prediction = links.get("prediction")
    payload = {
        "decision": {
            "id": str(decision_id),
            "class": answer,
            "source": source,
            "supersedes": str(before.pk) if before else None,
            "confidence": round(prediction.confidence, 6) if prediction else None,
            "threshold": prediction.threshold if prediction else None,
            "certificate": behind(prediction.threshold, prediction.certificate_id) if prediction else None,
            "policy_version": links["policy_version"].number if links.get("policy_version") else None,
            "model_version": links["model_version"].number if links.get("model_version") else None,
        },
        **({"audit": audit} if audit else {}),
    }
    happened(case, type_, by=by, payload=payload, delay=delay, event_id=event_id)
    return Decision.objects.create(
        id=decision_id,
        case=case,
        sequence=before.sequence + 1 if before else 1,
        supersedes=before,
        source=source,
        answer=answer,
        generation=case.generation,
        event_id=event_id,
        actor=str(by),
        **links,
    )


def _move(case: Case, to: CaseState) -> None:
    if case.state != to:
        moved = Case.objects.transition(case.pk, CaseState(case.state), to)
        assert moved, "the case's row is locked"
        case.state = to
