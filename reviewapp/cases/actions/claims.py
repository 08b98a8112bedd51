"""Claims: a reviewer's lease on a review. Every comparison of time happens in the database."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import DateTimeField, F, Func, Q, QuerySet
from django.db.models.functions import Least, Now

from reviewapp.accounts.models import User
from reviewapp.cases.actions import work
from reviewapp.cases.actions.routing import EXPLAIN_TASK
from reviewapp.cases.models import Review, ReviewSkip, Verdict
from reviewapp.cases.permissions import check_reads_anew, check_review, visible_review
from reviewapp.celery import enqueue
from reviewapp.domain.errors import Conflict
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Stream

LEASE = timedelta(minutes=10)
LONGEST = timedelta(minutes=60)

# A second reading is never given to somebody who has read the case before, and no review to somebody whose answer is
# already kept beside it.
_NEXT = """
SELECT r.id FROM cases_review r
WHERE r.stream_id = %(stream)s AND r.state = 'open' AND r.claimed_by_id IS NULL
  AND (r.kind NOT IN ('second_opinion', 'adjudication') OR NOT EXISTS (
        SELECT 1 FROM cases_verdict v JOIN cases_review o ON o.id = v.review_id
        WHERE o.case_id = r.case_id AND v.reviewer_id = %(user)s))
  AND NOT EXISTS (
        SELECT 1 FROM cases_verdict v WHERE v.review_id = r.id AND v.reviewer_id = %(user)s
        AND v.stage = CASE r.mode WHEN 'blind' THEN 'first' ELSE 'final' END)
  AND {skipped} EXISTS (
        SELECT 1 FROM cases_reviewskip s WHERE s.review_id = r.id AND s.user_id = %(user)s)
ORDER BY r.priority DESC, r.due_at, r.id
LIMIT 1
"""
_CLAIM = f"""
UPDATE cases_review
SET claimed_by_id = %(user)s, claim_token = %(token)s, claimed_at = clock_timestamp(),
    claim_until = clock_timestamp() + make_interval(secs => %(lease)s)
WHERE id = ({_NEXT} FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
"""  # noqa: S608


def claim_next(*, stream: Stream, by: Actor) -> Review | None:
    """The reviewer's open claim in the stream, else the most pressing free review; None when the queue is empty.

    What the reviewer skipped comes back only when nothing else is left.
    """
    user = check_review(by, stream)
    held = (
        Review.objects.filter(stream=stream, claimed_by=user, state=Review.State.OPEN, claim_until__gt=Now())
        .order_by("claimed_at", "pk")
        .first()
    )
    if held is not None:
        return held
    for skipped in ("NOT", ""):
        review_id = _claim(_CLAIM.format(skipped=skipped), stream, user)
        if review_id is not None:
            hurry_explanation(review_id)
            return visible_review(by, review_id)
    return None


def claim(*, review_id: UUID, by: Actor) -> Review:
    """Claim one review. Raises Conflict when somebody else holds it or it is closed; one's own claim is renewed."""
    review = visible_review(by, review_id)
    user = check_review(by, review.stream)
    _check_may_answer(user, review)
    free = Q(claimed_by__isnull=True) | Q(claim_until__lt=Now())
    updated = Review.objects.filter(free, pk=review_id, state=Review.State.OPEN).update(
        claimed_by=user, claim_token=uuid4(), claimed_at=_clock(), claim_until=_clock() + LEASE
    )
    review = visible_review(by, review_id)
    if not updated and review.state != Review.State.OPEN:
        raise Conflict("This review is closed.", code="review_closed")
    if review.claimed_by != user:
        who = review.claimed_by.name if review.claimed_by else "Somebody else"
        raise Conflict(f"{who} is working on this review.", code="already_claimed")
    hurry_explanation(review_id)
    return review


def release(*, review_id: UUID, claim_token: UUID, by: Actor) -> bool:
    """Give a claim back; False when it was no longer held."""
    check_review(by, visible_review(by, review_id).stream)
    return _mine(review_id, claim_token, by).update(**_NO_CLAIM) == 1


def extend(*, review_id: UUID, claim_token: UUID, by: Actor) -> Review:
    """A sign of life: the claim lasts ten more minutes, an hour at most. Raises Conflict when it is lost."""
    review = visible_review(by, review_id)
    check_review(by, review.stream)
    until = Least(_clock() + LEASE, F("claimed_at") + LONGEST)
    if not _mine(review_id, claim_token, by).filter(claim_until__gt=Now()).update(claim_until=until):
        raise Conflict("Your claim on this review has ended.", code="claim_lost")
    review.refresh_from_db()
    return review


@transaction.atomic
def skip(*, review_id: UUID, claim_token: UUID, by: Actor, reason: str = "") -> None:
    """Pass on a review: it goes back to the queue and is offered to others first."""
    review = visible_review(by, review_id)
    check_review(by, review.stream)
    if not _mine(review_id, claim_token, by).update(**_NO_CLAIM):
        raise Conflict("Your claim on this review has ended.", code="claim_lost")
    ReviewSkip.objects.update_or_create(review=review, user=by.user, defaults={"reason": reason[:200]})


def free_expired() -> int:
    """Return the reviews whose claims ran out to the queue."""
    return Review.objects.filter(claimed_by__isnull=False, claim_until__lt=_clock()).update(**_NO_CLAIM)


def prefetch(*, stream: Stream, by: Actor) -> bool:
    """Hurry the explanation of the review that would come next; claims nothing."""
    user = check_review(by, stream)
    with connection.cursor() as cursor:
        cursor.execute(_NEXT.format(skipped="NOT"), {"stream": stream.pk, "user": user.pk})
        row = cursor.fetchone()
    return row is not None and hurry_explanation(row[0])


def hurry_explanation(review_id: UUID) -> bool:
    """Put the review's explanation before all that nobody looks at yet."""
    prediction_id = Review.objects.values_list("prediction", flat=True).get(pk=review_id)
    if prediction_id is None or not work.hurry(kind="explain", subject=str(prediction_id)):
        return False
    enqueue(EXPLAIN_TASK)
    return True


_NO_CLAIM = {"claimed_by": None, "claim_token": None, "claimed_at": None, "claim_until": None}


def _claim(sql: str, stream: Stream, user: User) -> UUID | None:
    with connection.cursor() as cursor:
        cursor.execute(
            sql,
            {"stream": stream.pk, "user": user.pk, "token": uuid4(), "lease": LEASE.total_seconds()},
        )
        row: Sequence[UUID] | None = cursor.fetchone()
    return row[0] if row else None


def _check_may_answer(user: User, review: Review) -> None:
    check_reads_anew(user, review)
    closing = Verdict.Stage.FIRST if review.mode == Stream.Mode.BLIND else Verdict.Stage.FINAL
    if review.state == Review.State.OPEN and review.verdicts.filter(reviewer=user, stage=closing).exists():
        raise Conflict(
            "Your answer is kept as a second opinion; somebody else has to settle this review.",
            code="already_answered",
        )


def _mine(review_id: UUID, claim_token: UUID, by: Actor) -> QuerySet[Review]:
    return Review.objects.filter(pk=review_id, claimed_by=by.user, claim_token=claim_token, state=Review.State.OPEN)


def _clock() -> Func:
    return Func(function="clock_timestamp", template="%(function)s()", output_field=DateTimeField())
