import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from reviewapp.accounts.models import User
from reviewapp.cases.actions import claims
from reviewapp.cases.models import Review, ReviewSkip
from reviewapp.domain.errors import Conflict, Forbidden, NotFound
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Role, Stream
from tests.factories import cases, reviews, streams, teams
from tests.people import acting


def expire(review: Review) -> None:
    Review.objects.filter(pk=review.pk).update(claim_until=timezone.now() - timedelta(seconds=1))


def test_the_most_pressing_review_is_claimed_first(stream: Stream, rosa: User) -> None:
    later, sooner, urgent = (reviews.waiting(stream) for _ in range(3))
    Review.objects.filter(pk=sooner.pk).update(due_at=timezone.now())
    Review.objects.filter(pk=urgent.pk).update(priority=10, due_at=timezone.now() + timedelta(days=9))

    claimed = claims.claim_next(stream=stream, by=acting(rosa))

    assert claimed == urgent
    assert claimed.claimed_by == rosa
    assert timedelta(minutes=9) < claimed.claim_until - timezone.now() <= claims.LEASE
    assert later.claimed_by is None


def test_asking_again_answers_the_claim_one_holds(stream: Stream, rosa: User) -> None:
    reviews.waiting(stream), reviews.waiting(stream)

    first = claims.claim_next(stream=stream, by=acting(rosa))

    assert claims.claim_next(stream=stream, by=acting(rosa)) == first
    assert Review.objects.filter(claimed_by=rosa).count() == 1


def test_an_empty_queue_answers_nothing(stream: Stream, rosa: User) -> None:
    assert claims.claim_next(stream=stream, by=acting(rosa)) is None


def test_two_reviewers_get_different_reviews(stream: Stream, rosa: User, ravi: User) -> None:
    reviews.waiting(stream), reviews.waiting(stream)

    mine, yours = (claims.claim_next(stream=stream, by=acting(user)) for user in (rosa, ravi))

    assert mine != yours


def test_a_claim_is_refused_while_somebody_else_holds_it(stream: Stream, rosa: User, ravi: User) -> None:
    review = reviews.claimed(stream, rosa)

    with pytest.raises(Conflict, match="Rosa is working on this review") as refusal:
        claims.claim(review_id=review.pk, by=acting(ravi))

    assert refusal.value.code == "already_claimed"


def test_an_expired_claim_can_be_taken_over(stream: Stream, rosa: User, ravi: User) -> None:
    review = reviews.claimed(stream, rosa)
    expire(review)

    taken = claims.claim(review_id=review.pk, by=acting(ravi))

    assert taken.claimed_by == ravi
    assert taken.claim_token != review.claim_token


def test_claiming_ones_own_review_again_keeps_the_claim(stream: Stream, rosa: User) -> None:
    review = reviews.claimed(stream, rosa)

    assert claims.claim(review_id=review.pk, by=acting(rosa)).claim_token == review.claim_token


def test_a_closed_review_cannot_be_claimed(stream: Stream, rosa: User, ravi: User) -> None:
    review = reviews.claimed(stream, rosa)
    reviews.answer(review, rosa)

    with pytest.raises(Conflict, match="closed") as refusal:
        claims.claim(review_id=review.pk, by=acting(ravi))

    assert refusal.value.code == "review_closed"


def test_a_released_review_is_free_again(stream: Stream, rosa: User, ravi: User) -> None:
    review = reviews.claimed(stream, rosa)

    assert not claims.release(review_id=review.pk, claim_token=uuid4(), by=acting(rosa))
    assert not claims.release(review_id=review.pk, claim_token=review.claim_token, by=acting(ravi))
    assert claims.release(review_id=review.pk, claim_token=review.claim_token, by=acting(rosa))
    assert not claims.release(review_id=review.pk, claim_token=review.claim_token, by=acting(rosa))
    assert claims.claim_next(stream=stream, by=acting(ravi)) == review


def test_a_sign_of_life_extends_a_claim_up_to_an_hour(stream: Stream, rosa: User) -> None:
    review = reviews.claimed(stream, rosa)
    Review.objects.filter(pk=review.pk).update(claimed_at=timezone.now() - timedelta(minutes=55))

    extended = claims.extend(review_id=review.pk, claim_token=review.claim_token, by=acting(rosa))

    assert extended.claim_until - extended.claimed_at == claims.LONGEST


def test_a_claim_that_ended_cannot_be_extended(stream: Stream, rosa: User) -> None:
    review = reviews.claimed(stream, rosa)
    expire(review)

    with pytest.raises(Conflict, match="has ended") as refusal:
        claims.extend(review_id=review.pk, claim_token=review.claim_token, by=acting(rosa))

    assert refusal.value.code == "claim_lost"


def test_a_skipped_review_goes_to_others_first_and_comes_back_last(stream: Stream, rosa: User, ravi: User) -> None:
    skipped = reviews.claimed(stream, rosa)
    claims.skip(review_id=skipped.pk, claim_token=skipped.claim_token, by=acting(rosa), reason="Blurred.")
    other = reviews.waiting(stream)

    assert claims.claim_next(stream=stream, by=acting(rosa)) == other
    assert claims.claim_next(stream=stream, by=acting(ravi)) == skipped
    assert ReviewSkip.objects.get().reason == "Blurred."


def test_a_skipped_review_is_offered_again_when_nothing_else_is_left(stream: Stream, rosa: User) -> None:
    skipped = reviews.claimed(stream, rosa)
    claims.skip(review_id=skipped.pk, claim_token=skipped.claim_token, by=acting(rosa))

    assert claims.claim_next(stream=stream, by=acting(rosa)) == skipped


def test_only_the_holder_of_the_claim_skips(stream: Stream, rosa: User, ravi: User) -> None:
    review = reviews.claimed(stream, rosa)

    with pytest.raises(Conflict):
        claims.skip(review_id=review.pk, claim_token=review.claim_token, by=acting(ravi))

    assert not ReviewSkip.objects.exists()


def test_expired_claims_return_to_the_queue(stream: Stream, rosa: User, ravi: User) -> None:
    expired, alive = reviews.claimed(stream, rosa), reviews.claimed(stream, ravi)
    expire(expired)

    assert claims.free_expired() == 1

    expired.refresh_from_db()
    alive.refresh_from_db()
    assert (expired.claimed_by, expired.claim_token) == (None, None)
    assert alive.claimed_by == ravi


@pytest.mark.parametrize("role", [Role.POLICY_OWNER, Role.MODEL_OWNER, Role.AUDITOR, Role.INTEGRATOR], ids=str)
def test_only_reviewers_and_leads_claim(stream: Stream, role: Role) -> None:
    review = reviews.waiting(stream)
    person = acting(teams.member(role=role))

    with pytest.raises(Forbidden, match="reviewer or lead"):
        claims.claim_next(stream=stream, by=person)
    with pytest.raises(Forbidden):
        claims.claim(review_id=review.pk, by=person)


def test_a_reviewer_of_another_stream_may_not_claim_here(stream: Stream) -> None:
    stranger = teams.member(role=Role.REVIEWER, stream=streams.bare())

    with pytest.raises(Forbidden):
        claims.claim_next(stream=stream, by=acting(stranger))
    with pytest.raises(NotFound):
        claims.claim(review_id=reviews.waiting(stream).pk, by=acting(stranger))


def test_neither_the_system_nor_a_key_reviews(stream: Stream) -> None:
    with pytest.raises(Forbidden, match="Only a person"):
        claims.claim_next(stream=stream, by=SYSTEM)


def test_a_second_reading_is_for_somebody_else(db: None, rosa: User, ravi: User) -> None:
    stream = streams.ready(policy={"audit_rate": 1.0})
    reviews.answer(reviews.claimed(stream, rosa, cases.decided(stream)), rosa, "damaged")
    second = Review.objects.get(kind="second_opinion")

    assert claims.claim_next(stream=stream, by=acting(rosa)) is None
    with pytest.raises(Conflict, match="somebody else") as refusal:
        claims.claim(review_id=second.pk, by=acting(rosa))
    with pytest.raises(Conflict):
        reviews.answer(second, rosa, "damaged", claim_token=uuid4())

    assert refusal.value.code == "another_reader_needed"
    assert claims.claim_next(stream=stream, by=acting(ravi)) == second


def test_a_review_is_not_offered_to_whose_answer_is_kept_beside_it(stream: Stream, rosa: User, ravi: User) -> None:
    review = reviews.claimed(stream, rosa)
    lost = review.claim_token
    expire(review)
    taken = claims.claim(review_id=review.pk, by=acting(ravi))
    reviews.answer(review, rosa, claim_token=lost)
    claims.release(review_id=review.pk, claim_token=taken.claim_token, by=acting(ravi))

    assert claims.claim_next(stream=stream, by=acting(rosa)) is None
    with pytest.raises(Conflict, match="somebody else has to settle"):
        claims.claim(review_id=review.pk, by=acting(rosa))
    assert claims.claim_next(stream=stream, by=acting(ravi)) == review


@pytest.mark.django_db(transaction=True)
def test_two_hundred_reviewers_race_for_fifty_reviews_and_none_is_claimed_twice(stream: Stream) -> None:
    for _ in range(50):
        cases.received(stream)
    cases.score_all()
    people = [acting(teams.member(role=Role.REVIEWER)) for _ in range(200)]
    start = threading.Barrier(200)

    def race(person: object) -> Review | None:
        try:
            connection.ensure_connection()
            start.wait()
            return claims.claim_next(stream=stream, by=person)
        finally:
            connection.close()

    with ThreadPoolExecutor(200) as pool:
        claimed = [review for review in pool.map(race, people) if review is not None]

    assert max(Counter(review.pk for review in claimed).values()) == 1
    assert len(claimed) == 50
    assert Review.objects.filter(claimed_by__isnull=False).count() == 50


@pytest.mark.django_db(transaction=True)
def test_of_two_who_claim_one_review_exactly_one_wins(stream: Stream, rosa: User, ravi: User) -> None:
    review = reviews.waiting(stream)
    start = threading.Barrier(2)

    def race(user: User) -> str:
        try:
            connection.ensure_connection()
            start.wait()
            claims.claim(review_id=review.pk, by=acting(user))
        except Conflict as refusal:
            return refusal.code
        finally:
            connection.close()
        return "claimed"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(race, (rosa, ravi)))

    assert outcomes == ["already_claimed", "claimed"]
