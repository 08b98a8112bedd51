"""Labels: settled truth with its provenance, appended to the case's chain."""

from typing import Any
from uuid import UUID

from django.db import transaction

from reviewapp.cases.actions import trail, work
from reviewapp.cases.models import Case, Label, Prediction, Review, Verdict, Work
from reviewapp.domain.errors import Conflict, Invalid
from reviewapp.domain.states import CaseState
from reviewapp.registry.actors import Actor

Source = Label.Source


def from_verdict(*, case: Case, review: Review, verdict: Verdict, by: Actor, is_demo: bool = False) -> Label:
    """The label a counted verdict gives a locked case.

    Honest is a first answer given before anything of the model was shown, on a case picked by the coin.
    """
    first = review.verdicts.filter(stage=Verdict.Stage.FIRST, reviewer=verdict.reviewer).first()
    honest = first if first is not None and not first.saw_model else None
    source = Source.AUDIT if review.kind == Review.Kind.AUDIT else Source.REVIEW
    return _append(
        case,
        by,
        answer=verdict.answer,
        source=Source.DEMO if is_demo else source,
        # In commit-then-reveal a revised answer is no longer the one given unseen.
        is_honest=honest is not None and honest.answer == verdict.answer and review.inclusion_probability > 0,
        inclusion_probability=review.inclusion_probability,
        verdict=verdict,
        prediction=review.prediction,
    )


def withdraw(*, case: Case, review: Review, by: Actor) -> Label | None:
    """Take back the label that a review gave a locked case, unless a later truth stands."""
    last = last_label(case)
    if last is None or last.verdict is None or last.verdict.review_id != review.pk:
        return None
    return _append(case, by, answer=None, source=Source.WITHDRAWN)


@transaction.atomic
def record_outcome(*, case_id: UUID, answer: str, by: Actor) -> Label:
    """The truth learnt later: a label of its own source. The same outcome again changes nothing.

    A case still waiting for people is decided no more by this: its review stays, and the outcome is beside it.
    """
    case = trail.locked(case_id)
    if answer not in case.stream.classes:
        raise Invalid(
            f"“{answer}” is no class of this stream; use {', '.join(case.stream.classes)}.",
            code="class_unknown",
            errors=[{"field": "class", "code": "class_unknown", "message": f"“{answer}” is no class."}],
        )
    if case.state == CaseState.ERASED:
        raise Conflict("The case is erased.", code="case_erased")
    last = last_label(case)
    if last is not None and last.source == Source.OUTCOME and last.answer == answer:
        return last
    prediction = (
        Prediction.objects.filter(case=case, generation=case.generation)
        .filter(route__isnull=False)
        .order_by("-created_at", "-pk")
        .first()
    )
    label = _append(case, by, answer=answer, source=Source.OUTCOME, prediction=prediction)
    if not case.embeddings.filter(generation=case.generation).exists():
        # A settled case becomes a precedent: it needs its vector.
        work.add(kind=Work.Kind.EMBED, subjects=[str(case.pk)], generation=case.generation)
    return label


def last_label(case: Case) -> Label | None:
    return Label.objects.filter(case=case).order_by("-sequence").first()


def _append(
    case: Case,
    by: Actor,
    *,
    answer: str | None,
    source: str,
    is_honest: bool = False,
    inclusion_probability: float | None = None,
    **links: Any,
) -> Label:
    before = last_label(case)
    prediction = links.get("prediction")
    half = Label.Half.TRAIN if case.half_coin < 0.5 else Label.Half.CERTIFY
    payload = {
        "label": {
            "class": answer,
            "source": source,
            "is_honest": is_honest,
            "inclusion_probability": inclusion_probability,
            "half": half,
            "predicted": prediction.answer if prediction else None,
            "confidence": round(prediction.confidence, 6) if prediction else None,
            "model_version": prediction.model_version.number if prediction else None,
        }
    }
    event_id = trail.happened(case, "label.withdrawn" if answer is None else "label.recorded", by=by, payload=payload)
    return Label.objects.create(
        stream=case.stream,
        case=case,
        sequence=before.sequence + 1 if before else 1,
        supersedes=before,
        generation=case.generation,
        answer=answer,
        source=source,
        is_honest=is_honest,
        inclusion_probability=inclusion_probability,
        half=half,
        model_version=prediction.model_version if prediction else None,
        policy_version=prediction.policy_version if prediction else None,
        actor=str(by),
        event_id=event_id,
        **links,
    )
