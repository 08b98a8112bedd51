"""Audits: a blind reading of an automatic decision; only a confirmed contradiction corrects it."""

from django.db.models import Exists, OuterRef, QuerySet

from reviewapp.accounts.models import User
from reviewapp.cases.actions import deciding, reopening
from reviewapp.cases.actions.routing import AUDIT_PRIORITY
from reviewapp.cases.models import Case, Decision, Review, Verdict
from reviewapp.domain.errors import Conflict
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Stream

KINDS = (Review.Kind.AUDIT, Review.Kind.SECOND_OPINION, Review.Kind.ADJUDICATION)
_NEXT_READER = {
    Review.Kind.AUDIT: (
        Review.Kind.SECOND_OPINION,
        {
            "code": "second_opinion",
            "sentence": "An earlier blind reading wants a second one; answer without knowing it.",
        },
    ),
    Review.Kind.SECOND_OPINION: (
        Review.Kind.ADJUDICATION,
        {"code": "adjudication", "sentence": "Two blind readings differ; the third one settles it."},
    ),
}


def settle(*, case: Case, review: Review, verdict: Verdict, by: Actor) -> Decision | None:
    """What a blind reading does to a locked case's automatic decision.

    An audit that agrees leaves it. A first contradiction asks a second blind reader; two readers who agree against
    the decision correct it, and where they differ the third reader settles it.
    """
    live = deciding.last_decision(case)
    if live is None or live.answer is None:
        return None
    agrees = verdict.answer == live.answer
    if agrees and review.kind != Review.Kind.SECOND_OPINION:
        return None
    is_confirmed = verdict.answer in _earlier_readings(case, review, reader=verdict.reviewer)
    if not agrees and (review.kind == Review.Kind.ADJUDICATION or is_confirmed):
        return deciding.decide(case=case, answer=verdict.answer, review=review, by=by)
    kind, reason = _NEXT_READER[Review.Kind(review.kind)]
    Review.objects.create(
        case=case,
        stream=review.stream,
        generation=case.generation,
        kind=kind,
        round=review.round,
        mode=Stream.Mode.BLIND,
        prediction=review.prediction,
        reasons=[reason],
        inclusion_probability=review.inclusion_probability,
        priority=AUDIT_PRIORITY,
        due_at=review.due_at,
    )
    return None


def _earlier_readings(case: Case, review: Review, *, reader: User) -> set[str]:
    """What other people answered in the readings of this decision that still stand."""
    return set(
        Verdict.objects.filter(
            review__case=case,
            review__generation=case.generation,
            review__kind__in=KINDS,
            status=Verdict.Status.COUNTED,
        )
        .exclude(review=review)
        .exclude(reviewer=reader)
        .exclude(pk__in=_undone(case))
        .values_list("answer", flat=True)
    )


def _undone(case: Case) -> QuerySet[Verdict]:
    """Answers that were taken back: their review was opened again as a later round of its kind."""
    later = Review.objects.filter(
        case=case,
        generation=case.generation,
        kind=OuterRef("review__kind"),
        round__gt=OuterRef("review__round"),
    )
    return Verdict.objects.filter(Exists(later), review__case=case, review__kind__in=KINDS)


def take_back(*, case: Case, review: Review) -> None:
    """Withdraw the reading that an undone answer asked for. Raises Conflict when it has been given."""
    if review.kind not in _NEXT_READER:
        return
    kind = _NEXT_READER[Review.Kind(review.kind)][0]
    if case.reviews.filter(generation=case.generation, kind=kind, round=review.round, state=Review.State.DONE).exists():
        raise Conflict("A later reading stands; this answer cannot be undone.", code="nothing_to_undo")
    reopening.withdraw_reviews(case, keep=[other for other in Review.Kind.values if other != kind])
