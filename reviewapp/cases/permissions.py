"""May this actor do this? Each `check_x` raises with a sentence fit for people; `can_x` answers."""

from uuid import UUID

from reviewapp.accounts.models import User
from reviewapp.cases.models import Case, Review, Verdict
from reviewapp.domain.errors import Conflict, DomainError, Forbidden, NotFound
from reviewapp.registry.actors import Actor, check_role
from reviewapp.registry.models import Role, Stream

REVIEWS = (Role.REVIEWER, Role.LEAD)
SECOND_READINGS = (Review.Kind.SECOND_OPINION, Review.Kind.ADJUDICATION)
OVERSEES = (Role.LEAD, Role.AUDITOR, Role.POLICY_OWNER, Role.MODEL_OWNER)


def check_review(actor: Actor, stream: Stream) -> User:
    """The person who reviews. Reviews are claimed and answered by people, never by a key or by the system."""
    if actor.user is None:
        raise Forbidden("Only a person can review: sign in.", code="person_required")
    check_role(actor, stream, *REVIEWS)
    return actor.user


def can_review(actor: Actor, stream: Stream) -> bool:
    try:
        check_review(actor, stream)
    except DomainError:
        return False
    return True


def check_reads_anew(user: User, review: Review) -> None:
    """Refuse a second reading to somebody who has read the case before: it has to be another person's."""
    earlier = Verdict.objects.filter(review__case=review.case_id, reviewer=user)
    if review.kind in SECOND_READINGS and earlier.exclude(review__kind=review.kind).exists():
        raise Conflict(
            "You have answered this case before; a second reading is for somebody else.",
            code="another_reader_needed",
        )


def oversees(actor: Actor, stream: Stream) -> bool:
    """Whether the actor may see what the model said while people still answer unseen."""
    return actor.kind == "client" or actor.has_role(stream, OVERSEES)


def check_sees_model(actor: Actor, case: Case) -> None:
    """Refuse the model's part of a case to a person who may yet have to answer it without having seen it."""
    if hides_model(actor, case):
        raise Forbidden(
            "What the model said is hidden until this case's open review is answered.", code="evidence_hidden"
        )


def check_replay(actor: Actor, case: Case) -> None:
    """Refuse a replay to those who do not oversee the stream: it shows what the model says, and costs a run of it."""
    check_role(actor, case.stream, *OVERSEES)
    check_sees_model(actor, case)


def hides_model(actor: Actor, case: Case) -> bool:
    """Whether an open review of the case still forbids it: anybody's for a reviewer, one's own for who oversees."""
    if actor.user is None or actor.is_system:
        return False
    unseen = [review for review in case.reviews.all() if not may_see_evidence(actor, review)]
    if oversees(actor, case.stream):
        return any(review.claimed_by_id == actor.user.pk for review in unseen)
    return bool(unseen)


# What the two questions here read, for lists.
SEEN_BY = ("verdicts", "case__reviews__verdicts")


def may_see_evidence(actor: Actor, review: Review) -> bool:
    """Whether prediction, explanation and similar cases may be shown to the reviewer of this review now."""
    if review.mode == Stream.Mode.ASSISTED:
        return True
    if review.mode == Stream.Mode.BLIND:
        return review.state != Review.State.OPEN
    return review.state != Review.State.OPEN or (
        actor.user is not None
        and any(
            verdict.reviewer_id == actor.user.pk and verdict.stage == Verdict.Stage.FIRST
            for verdict in review.verdicts.all()
        )
    )


def visible_review(actor: Actor, review_id: UUID | str) -> Review:
    """The review, or NotFound when the actor may not know of it."""
    review = Review.objects.visible_to(actor).select_related("stream", "case").filter(pk=review_id).first()
    if review is None:
        raise NotFound("There is no such review.")
    return review
