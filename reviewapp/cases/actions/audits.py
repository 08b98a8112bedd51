"""Blind readings by further people: only a confirmed contradiction corrects a decision, or counts against the model."""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from reviewapp.accounts.models import User
from reviewapp.cases import readings
from reviewapp.cases.actions import deciding, evidence, reopening
from reviewapp.cases.actions.routing import AUDIT_PRIORITY
from reviewapp.cases.models import Case, Decision, Review, Verdict
from reviewapp.cases.permissions import REVIEWS
from reviewapp.cases.readings import AUDIT_KINDS
from reviewapp.domain.errors import Conflict
from reviewapp.domain.sampling import draw_second
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Membership, Stream
from reviewapp.registry.policies import read_body

KINDS = AUDIT_KINDS
_SECOND = (
    Review.Kind.SECOND_OPINION,
    {"code": "second_opinion", "sentence": "An earlier blind reading wants a second one; answer without knowing it."},
)
_NEXT_READER = {
    Review.Kind.ROUTINE: _SECOND,
    Review.Kind.AUDIT: _SECOND,
    Review.Kind.SECOND_OPINION: (
        Review.Kind.ADJUDICATION,
        {"code": "adjudication", "sentence": "Two blind readings differ; the third one settles it."},
    ),
}


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a blind reading did: `is_open` while another reader is asked, else what the readings found stands."""

    decision: Decision | None = None
    is_open: bool = False


def settle(*, case: Case, review: Review, verdict: Verdict, by: Actor) -> Settlement:
    """What a blind reading does to a locked case's automatic decision.

    An audit that agrees leaves it, and a share of those is read again, so that what two people overlook alike is
    found. A first contradiction asks a second blind reader; two readers who agree against the decision correct it, and
    where they differ the third reader settles it.
    """
    live = deciding.last_decision(case)
    if live is None or live.answer is None:
        return Settlement()
    agrees = verdict.answer == live.answer
    if not _is_settled(case, review, verdict, agrees=agrees):
        _ask_next_reader(case, review)
        return Settlement(is_open=True)
    if agrees:
        return Settlement()
    return Settlement(deciding.decide(case=case, answer=verdict.answer, review=review, by=by))


def is_doubted(*, case: Case, review: Review, first: Verdict) -> bool:
    """Whether the first answer to an ordinary review has to be confirmed before it counts against the model.

    It is, in the policy's share, where it contradicts the model unseen on a class that something is promised of, and
    there is somebody else to ask: readers err, too, and a promise that is smaller than their error could never be
    proven otherwise.
    """
    prediction = review.prediction
    if review.kind != Review.Kind.ROUTINE or prediction is None or prediction.policy_version is None:
        return False
    if not evidence.contradicts(case=case, review=review, verdict=first):
        return False
    policy = read_body(prediction.policy_version.body)
    return (
        prediction.answer in policy.promises
        and draw_second(settings.COIN_KEY.encode(), case.pk) < policy.audit.confirm_share
        and _others(case.stream, first.reviewer).exists()
        and bool(readings.evidence_on(case.stream, [prediction.pk]))
    )


def ask_to_confirm(*, case: Case, review: Review, first: Verdict) -> bool:
    """Ask a second blind reader where the first answer is doubted; answers whether one was asked."""
    if not is_doubted(case=case, review=review, first=first):
        return False
    _ask_next_reader(case, review)
    return True


def _others(stream: Stream, reader: User) -> QuerySet[Membership]:
    """The other people who may review."""
    members = Membership.objects.filter(Q(stream=None) | Q(stream=stream), team=stream.team_id, role__in=REVIEWS)
    return members.filter(user__is_active=True).exclude(user=reader)


def settle_beside(*, case: Case, review: Review, verdict: Verdict) -> Settlement:
    """What a blind reading does while people are asked to decide the case anew: theirs decides, this one counts.

    Unless its reader has seen the model in the other review: then somebody else is asked, for no audit may be lost.
    So it is where two readings differ.
    """
    if review.kind not in _NEXT_READER:
        return Settlement()
    is_split = review.kind == Review.Kind.SECOND_OPINION and verdict.answer not in _earlier_readings(
        case, review, reader=verdict.reviewer
    )
    if not (verdict.saw_model or is_split):
        return Settlement()
    _ask_next_reader(case, review)
    return Settlement(is_open=True)


def _is_settled(case: Case, review: Review, verdict: Verdict, *, agrees: bool) -> bool:
    if review.kind == Review.Kind.ADJUDICATION:
        return True
    if review.kind == Review.Kind.AUDIT and agrees:
        # Somebody who answers again after an undo has seen the model: that cannot settle it alone.
        return not (verdict.saw_model or _is_read_again(case, review))
    return verdict.answer in _earlier_readings(case, review, reader=verdict.reviewer)


def _is_read_again(case: Case, review: Review) -> bool:
    policy = review.prediction.policy_version if review.prediction else None
    if policy is None:
        return False
    share = read_body(policy.body).audit.second_read_share
    return draw_second(settings.COIN_KEY.encode(), case.pk) < share


def _ask_next_reader(case: Case, review: Review) -> None:
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


def _earlier_readings(case: Case, review: Review, *, reader: User) -> set[str]:
    """What other people answered unseen in the readings of this case that still stand."""
    unseen = Q(review__kind=Review.Kind.ROUTINE, review__inclusion_probability__gt=0, stage=Verdict.Stage.FIRST)
    return set(
        Verdict.objects.filter(
            Q(review__kind__in=KINDS) | (unseen & Q(saw_model=False)),
            review__case=case,
            review__generation=case.generation,
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
    return Verdict.objects.filter(Exists(later), review__case=case, review__kind__in=readings.KINDS)


def take_back(*, case: Case, review: Review) -> None:
    """Withdraw the reading that an undone answer asked for. Raises Conflict when it has been given."""
    if review.kind not in _NEXT_READER:
        return
    kind = _NEXT_READER[Review.Kind(review.kind)][0]
    if case.reviews.filter(generation=case.generation, kind=kind, round=review.round, state=Review.State.DONE).exists():
        raise Conflict("A later reading stands; this answer cannot be undone.", code="nothing_to_undo")
    reopening.withdraw_reviews(case, keep=[other for other in Review.Kind.values if other != kind])
