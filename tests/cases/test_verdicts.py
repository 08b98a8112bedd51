import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from reviewapp.accounts.models import User
from reviewapp.cases.actions import claims, labelling, reopening, trail, verdicts
from reviewapp.cases.actions.verdicts import Result
from reviewapp.cases.models import Case, Decision, Label, Review, ReviewDraft, Verdict
from reviewapp.domain.errors import Conflict, Forbidden, Invalid, PreconditionFailed
from reviewapp.events.models import Event, OutboxEntry
from reviewapp.registry.actions.streams import revise
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Role, Stream
from tests.factories import cases, locks, reviews, streams, teams
from tests.people import acting


def test_an_answer_closes_the_review_decides_and_labels_the_case(stream: Stream, rosa: User) -> None:
    review = reviews.claimed(stream, rosa)

    submitted = reviews.answer(review, rosa, "damaged", note="A long tear.")

    review.refresh_from_db()
    review.case.refresh_from_db()
    decision, label = Decision.objects.get(), Label.objects.get()
    assert (submitted.result, submitted.decision) == (Result.SAVED, decision)
    assert (review.state, review.claimed_by, review.case.state) == ("done", None, "decided")
    assert (decision.source, decision.answer, decision.review) == ("human", "damaged", review)
    assert decision.actor == f"user:{rosa.pk}"
    assert (label.answer, label.source, label.verdict) == ("damaged", "review", submitted.verdict)
    assert submitted.verdict.note == "A long tear."
    assert submitted.verdict.seconds >= 0


def test_a_persons_decision_waits_for_the_undo_window_before_it_leaves(stream: Stream, rosa: User) -> None:
    reviews.answer(reviews.claimed(stream, rosa), rosa)

    entry = OutboxEntry.objects.get(event=Decision.objects.get().event_id)
    delay = entry.available_at - entry.event.created_at
    assert timedelta(seconds=10) <= delay < timedelta(seconds=11)


def test_the_verdict_names_the_guideline_in_force(stream: Stream, rosa: User) -> None:
    revise(stream=stream, kind="guideline", body={"text": "Look twice."}, by=SYSTEM)
    latest = revise(stream=stream, kind="guideline", body={"text": "Look three times."}, by=SYSTEM)

    assert reviews.answer(reviews.claimed(stream, rosa), rosa).verdict.guideline == latest


class TestModes:
    """What a person had seen when they answered, and at which stage they answered."""

    def test_an_assisted_answer_is_final_and_saw_the_model(self, stream: Stream, rosa: User) -> None:
        verdict = reviews.answer(reviews.claimed(stream, rosa), rosa).verdict

        assert (verdict.stage, verdict.status, verdict.saw_model) == ("final", "counted", True)
        assert verdict.shown == verdicts.EVIDENCE

    def test_a_blind_answer_is_first_and_saw_nothing(self, db: None, rosa: User) -> None:
        stream = streams.ready(blind_share=1.0)

        verdict = reviews.answer(reviews.claimed(stream, rosa), rosa).verdict

        assert (verdict.stage, verdict.saw_model, verdict.shown) == ("first", False, [])
        assert Label.objects.get().is_honest

    def test_commit_then_reveal_takes_two_answers(self, db: None, rosa: User) -> None:
        review = reviews.claimed(streams.ready(review_mode="commit_then_reveal"), rosa)

        first = reviews.answer(review, rosa, "intact")
        review.refresh_from_db()
        assert (first.result, review.state, first.verdict.saw_model) == (Result.COMMITTED, "open", False)
        assert not Decision.objects.exists()
        final = reviews.answer(review, rosa, "damaged")

        review.refresh_from_db()
        assert (final.result, review.state, final.verdict.saw_model) == (Result.SAVED, "done", True)
        assert [(v.stage, v.answer) for v in review.verdicts.order_by("created_at")] == [
            ("first", "intact"),
            ("final", "damaged"),
        ]
        assert Decision.objects.get().answer == "damaged"

    def test_the_final_answer_needs_a_first_one(self, db: None, rosa: User) -> None:
        review = reviews.claimed(streams.ready(review_mode="commit_then_reveal"), rosa)

        with pytest.raises(Conflict, match="first answer") as refusal:
            reviews.answer(review, rosa, stage="final")

        assert refusal.value.code == "stage_order"

    def test_who_takes_a_committed_review_over_commits_anew(self, db: None, rosa: User, ravi: User) -> None:
        review = reviews.claimed(streams.ready(review_mode="commit_then_reveal"), rosa)
        reviews.answer(review, rosa, "intact")
        Review.objects.filter(pk=review.pk).update(claim_until=timezone.now() - timedelta(seconds=1))
        claims.claim(review_id=review.pk, by=acting(ravi))

        first = reviews.answer(review, ravi, "damaged")
        final = reviews.answer(review, ravi, "damaged")

        assert (first.result, first.verdict.status) == (Result.COMMITTED, "second_opinion")
        assert (final.result, final.verdict.status) == (Result.SAVED, "counted")
        assert Label.objects.get().is_honest


class TestAnswersThatDoNotCount:
    """Nothing a person said is thrown away."""

    def test_the_same_answer_again_is_a_replay(self, stream: Stream, rosa: User) -> None:
        review = reviews.claimed(stream, rosa)
        token = review.claim_token
        first = reviews.answer(review, rosa)

        again = reviews.answer(review, rosa, claim_token=token)

        assert (again.result, again.verdict) == (Result.REPLAYED, first.verdict)
        assert Verdict.objects.count() == Decision.objects.count() == Label.objects.count() == 1

    def test_a_replay_names_the_answer_that_was_saved(self, stream: Stream, rosa: User) -> None:
        review = reviews.claimed(stream, rosa)
        token = review.claim_token
        reviews.answer(review, rosa, "intact")

        assert "“intact”" in reviews.answer(review, rosa, "damaged", claim_token=token).message

    def test_after_an_expired_claim_that_nobody_took_the_answer_counts(self, stream: Stream, rosa: User) -> None:
        review = reviews.claimed(stream, rosa)
        token = review.claim_token
        Review.objects.filter(pk=review.pk).update(claim_until=timezone.now() - timedelta(minutes=1))
        claims.free_expired()

        assert reviews.answer(review, rosa, claim_token=token).result is Result.SAVED

    def test_while_somebody_else_holds_the_review_it_is_a_second_opinion(
        self, stream: Stream, rosa: User, ravi: User
    ) -> None:
        review = reviews.claimed(stream, rosa)
        token = review.claim_token
        Review.objects.filter(pk=review.pk).update(claim_until=timezone.now() - timedelta(seconds=1))
        claims.claim(review_id=review.pk, by=acting(ravi))

        submitted = reviews.answer(review, rosa, "damaged", claim_token=token)

        assert (submitted.result, submitted.is_conflict) == (Result.SECOND_OPINION, True)
        assert submitted.message.startswith("Ravi opened this review")
        assert not Decision.objects.exists()
        assert reviews.answer(review, ravi, "intact").result is Result.SAVED

    @pytest.mark.parametrize(
        ("given", "said"), [("intact", "Rosa decided the same"), ("damaged", "Rosa decided “intact”")]
    )
    def test_after_the_review_was_closed_it_is_late(
        self, stream: Stream, rosa: User, ravi: User, given: str, said: str
    ) -> None:
        review = reviews.claimed(stream, rosa)
        reviews.answer(review, rosa, "intact")

        submitted = reviews.answer(review, ravi, given, claim_token=uuid4())

        assert (submitted.result, submitted.verdict.status) == (Result.LATE, "late")
        assert said in submitted.message
        assert Decision.objects.get().answer == "intact"
        assert Label.objects.count() == 1


class TestRefusals:
    def test_an_unknown_class_is_named(self, stream: Stream, rosa: User) -> None:
        with pytest.raises(Invalid, match="“broken” is no class of this stream; use intact, damaged"):
            reviews.answer(reviews.claimed(stream, rosa), rosa, "broken")

        assert not Verdict.objects.exists()

    def test_an_amended_case_must_be_looked_at_again(self, stream: Stream, rosa: User) -> None:
        review = reviews.claimed(stream, rosa)
        token = review.claim_token
        reopening.amend(case_id=review.case_id, generation=1, features={"dent": 1, "tear": 1}, by=SYSTEM)

        with pytest.raises(PreconditionFailed, match="amended") as refusal:
            reviews.answer(review, rosa, claim_token=token)

        assert (refusal.value.code, refusal.value.details["generation"]) == ("case_amended", 2)
        assert not Verdict.objects.exists()

    def test_an_answer_on_another_generation_than_the_one_shown_is_refused(self, stream: Stream, rosa: User) -> None:
        with pytest.raises(PreconditionFailed):
            reviews.answer(reviews.claimed(stream, rosa), rosa, generation=2)

    def test_who_lost_the_role_is_refused(self, stream: Stream, rosa: User) -> None:
        review = reviews.claimed(stream, rosa)
        rosa.memberships.all().update(role=Role.AUDITOR)

        with pytest.raises(Forbidden):
            reviews.answer(review, rosa)


class TestUndo:
    def test_within_the_window_the_answer_is_taken_back_and_the_case_comes_back(
        self, stream: Stream, rosa: User
    ) -> None:
        review = reviews.claimed(stream, rosa)
        reviews.answer(review, rosa)

        again = verdicts.undo(review_id=review.pk, by=acting(rosa))

        again.case.refresh_from_db()
        assert (again.kind, again.round, again.claimed_by, again.state) == ("routine", 2, rosa, "open")
        assert again.case.state == "in_review"
        assert [d.source for d in Decision.objects.order_by("sequence")] == ["human", "withdrawn"]
        assert [label.answer for label in Label.objects.order_by("sequence")] == ["intact", None]
        assert Verdict.objects.count() == 1
        assert not OutboxEntry.objects.exists(), "upstream never hears of an answer that was taken back"
        assert Event.objects.filter(type="decision.undone").exists()

    def test_the_answer_after_an_undo_decides(self, stream: Stream, rosa: User) -> None:
        review = reviews.claimed(stream, rosa)
        reviews.answer(review, rosa, "intact")
        again = verdicts.undo(review_id=review.pk, by=acting(rosa))

        submitted = reviews.answer(again, rosa, "damaged")

        assert (submitted.decision.answer, submitted.decision.sequence) == ("damaged", 3)
        assert Event.objects.get(pk=submitted.decision.event_id).type == "decision.made"

    def test_a_decision_that_was_sent_stays(self, stream: Stream, rosa: User) -> None:
        review = reviews.claimed(stream, rosa)
        reviews.answer(review, rosa)
        OutboxEntry.objects.all().delete()

        with pytest.raises(Conflict, match="already been sent") as refusal:
            verdicts.undo(review_id=review.pk, by=acting(rosa))

        assert refusal.value.code == "already_sent"
        assert Decision.objects.get().source == "human"
        assert Label.objects.count() == 1

    def test_only_ones_own_answer_is_undone_and_only_once(self, stream: Stream, rosa: User, ravi: User) -> None:
        review = reviews.claimed(stream, rosa)
        reviews.answer(review, rosa)

        with pytest.raises(Conflict, match="no answer of yours"):
            verdicts.undo(review_id=review.pk, by=acting(ravi))
        verdicts.undo(review_id=review.pk, by=acting(rosa))
        with pytest.raises(Conflict) as refusal:
            verdicts.undo(review_id=review.pk, by=acting(rosa))

        assert refusal.value.code == "nothing_to_undo"
        assert Review.objects.count() == 2

    def test_an_open_review_has_nothing_to_undo(self, db: None, rosa: User) -> None:
        review = reviews.claimed(streams.ready(review_mode="commit_then_reveal"), rosa)
        reviews.answer(review, rosa)

        with pytest.raises(Conflict):
            verdicts.undo(review_id=review.pk, by=acting(rosa))

    def test_an_answer_given_again_is_not_honest_for_the_model_was_visible_meanwhile(
        self, db: None, rosa: User
    ) -> None:
        review = reviews.claimed(streams.ready(blind_share=1.0), rosa)
        reviews.answer(review, rosa, "intact")
        again = verdicts.undo(review_id=review.pk, by=acting(rosa))

        verdict = reviews.answer(again, rosa, "damaged").verdict

        assert verdict.saw_model
        assert not Label.objects.live().get().is_honest

    def test_an_outcome_learnt_meanwhile_survives_an_undo(self, stream: Stream, rosa: User) -> None:
        review = reviews.claimed(stream, rosa)
        reviews.answer(review, rosa, "intact")
        labelling.record_outcome(case_id=review.case_id, answer="damaged", by=SYSTEM)

        verdicts.undo(review_id=review.pk, by=acting(rosa))

        assert Label.objects.live().get().source == "outcome"


def test_a_draft_is_kept_until_its_review_is_answered(stream: Stream, rosa: User) -> None:
    review = reviews.claimed(stream, rosa)
    verdicts.save_draft(review_id=review.pk, note="Perhaps", by=acting(rosa))
    verdicts.save_draft(review_id=review.pk, note="Perhaps a tear", by=acting(rosa))
    assert ReviewDraft.objects.get().note == "Perhaps a tear"

    reviews.answer(review, rosa)

    assert not ReviewDraft.objects.exists()


def test_a_demo_answer_is_marked_as_such(stream: Stream, rosa: User) -> None:
    reviews.answer(reviews.claimed(stream, rosa), rosa, is_demo=True)

    assert Label.objects.get().source == "demo"


@pytest.mark.django_db(transaction=True)
def test_an_answer_and_an_amendment_at_once_do_not_block_one_another(stream: Stream, rosa: User) -> None:
    review = reviews.claimed(stream, rosa)
    outcome: list[Any] = []

    def submit() -> None:
        try:
            outcome.append(reviews.answer(Review.objects.get(pk=review.pk), rosa))
        except PreconditionFailed as refusal:
            outcome.append(refusal)
        finally:
            connection.close()

    thread = threading.Thread(target=submit)
    with transaction.atomic():
        trail.locked(review.case_id)
        thread.start()
        locks.wait_for_a_waiter()
        reopening.amend(case_id=review.case_id, generation=1, features={"dent": 1, "tear": 1}, by=SYSTEM)
    thread.join()

    assert isinstance(outcome[0], PreconditionFailed)
    assert Case.objects.get().generation == 2


@pytest.mark.django_db(transaction=True)
def test_a_double_click_counts_once(stream: Stream, rosa: User) -> None:
    review = reviews.claimed(stream, rosa)
    start = threading.Barrier(2)
    results: list[Result] = []

    def click() -> None:
        try:
            start.wait()
            submitted = verdicts.submit(
                review_id=review.pk, claim_token=review.claim_token, answer="intact", by=acting(rosa)
            )
            results.append(submitted.result)
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == [Result.REPLAYED, Result.SAVED]
    assert Decision.objects.count() == Label.objects.count() == 1


def test_a_lead_reviews_too(stream: Stream, db: None) -> None:
    lead = teams.member(role=Role.LEAD, stream=stream)

    assert reviews.answer(reviews.claimed(stream, lead, cases.in_review(stream)), lead).result is Result.SAVED
