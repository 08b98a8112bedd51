"""Reviews, claimed and answered by people."""

from reviewapp.accounts.models import User
from reviewapp.cases.actions import claims, verdicts
from reviewapp.cases.actions.verdicts import Submitted
from reviewapp.cases.models import Case, Review
from reviewapp.registry.models import Stream
from tests.factories import cases
from tests.people import acting


def waiting(stream: Stream, case: Case | None = None) -> Review:
    """The open review of a case; without a case, of a fresh one."""
    case = case or cases.in_review(stream)
    return Review.objects.select_related("stream", "case").get(case=case, state=Review.State.OPEN)


def claimed(stream: Stream, user: User, case: Case | None = None) -> Review:
    return claims.claim(review_id=waiting(stream, case).pk, by=acting(user))


def answer(review: Review, user: User, given: str = "intact", **options: object) -> Submitted:
    """Submit an answer under the review's present claim."""
    review.refresh_from_db()
    token = options.pop("claim_token", review.claim_token)
    return verdicts.submit(review_id=review.pk, claim_token=token, answer=given, by=acting(user), **options)


def settled(stream: Stream, user: User, given: str = "intact", case: Case | None = None) -> Case:
    """A case that a person decided."""
    review = claimed(stream, user, case)
    answer(review, user, given)
    review.case.refresh_from_db()
    return review.case
