import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from reviewapp.accounts.models import User
from reviewapp.cases.actions import claims, evidence, overdue, reopening, verdicts
from reviewapp.cases.models import Case, Prediction, Review
from reviewapp.events.models import Event
from reviewapp.gating.actions import holds, ledger
from reviewapp.gating.models import LedgerEntry
from reviewapp.registry.actions import rollouts
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Bundle, Role, Stream
from tests.factories import bundles, cases, policies, reviews, rivals, streams, teams
from tests.people import acting

COMMIT = {"review_mode": "commit_then_reveal"}


@pytest.fixture
def committing(db: None) -> Stream:
    """A stream whose reviewers answer before anything is shown; its automatic decisions are audited one in four."""
    return streams.ready(policy={"audit_rate": 0.25}, **COMMIT)


@pytest.fixture
def audited(db: None) -> Stream:
    """A stream in which every automatic decision is audited."""
    return streams.ready(policy={"audit_rate": 1.0}, **COMMIT)


@pytest.fixture
def third(db: None) -> User:
    return teams.member("Thea", role=Role.REVIEWER)


def read(case: Case, user: User, answer: str, **options: Any) -> Review:
    """One person reads the case's open review, unseen."""
    review = reviews.claimed(case.stream, user, case)
    reviews.answer(review, user, answer, **options)
    case.refresh_from_db()
    return review


def other_than(case: Case) -> str:
    said = Prediction.objects.get(case=case, route__isnull=False).answer
    return next(name for name in bundles.CLASSES if name != said)


def told(type_: str = ledger.RECORDED) -> list[dict[str, Any]]:
    return [json.loads(bytes(one.payload)) for one in Event.objects.filter(type=type_).order_by("created_at", "pk")]


class TestReviews:
    """Ordinary reviews that begin unseen."""

    def test_the_first_answer_is_evidence_and_an_event_says_all_of_it(self, committing: Stream, rosa: User) -> None:
        case = cases.in_review(committing)
        said = Prediction.objects.get(case=case)

        read(case, rosa, said.answer)

        entry = LedgerEntry.objects.get()
        assert (entry.case_id, entry.model_version, entry.answer) == (case.pk, said.model_version, said.answer)
        assert (entry.truth, entry.is_wrong, entry.is_overdue, entry.is_automatic) == (said.answer, False, False, False)
        assert (entry.confidence, entry.coin) == (said.confidence, case.coin)
        assert (entry.inclusion_probability, entry.least_probability) == (1.0, 0.25)
        assert told() == [
            {
                "model_version": str(said.model_version_id),
                "case": str(case.pk),
                "class": said.answer,
                "truth": said.answer,
                "confidence": said.confidence,
                "coin": case.coin,
                "inclusion_probability": 1.0,
                "least_probability": 0.25,
                "is_automatic": False,
                "segment": "",
                "value": None,
                "is_wrong": False,
                "is_overdue": False,
            }
        ]

    @pytest.mark.parametrize("is_right", [True, False])
    def test_an_answer_revised_after_the_reveal_counts_as_it_was_given_first(
        self, committing: Stream, rosa: User, is_right: bool
    ) -> None:
        case = cases.in_review(committing)
        wrong = other_than(case)
        right = Prediction.objects.get(case=case).answer
        first, final = (right, wrong) if is_right else (wrong, right)

        review = read(case, rosa, first)
        reviews.answer(review, rosa, final)

        entry = LedgerEntry.objects.get()
        assert (entry.truth, entry.is_wrong) == (first, not is_right)
        assert case.labels.get().answer == final

    @pytest.mark.parametrize(("blind_share", "entries"), [(0.0, 0), (1.0, 1)])
    def test_an_assisted_review_is_evidence_only_where_the_coin_made_it_blind(
        self, rosa: User, blind_share: float, entries: int
    ) -> None:
        stream = streams.ready(policy={"thresholds": {}}, blind_share=blind_share)
        case = cases.in_review(stream)

        read(case, rosa, "intact")

        assert LedgerEntry.objects.count() == entries

    def test_a_class_that_acts_unaudited_has_no_evidence(self, rosa: User) -> None:
        read(cases.in_review(streams.ready(policy={"audit_rate": 0.0}, **COMMIT)), rosa, "intact")

        assert not LedgerEntry.objects.exists()

    def test_what_a_guardrail_stopped_is_no_evidence(self, rosa: User) -> None:
        stream = streams.ready(policy={"audit_rate": 0.25, "novelty_floor": 1.0}, **COMMIT)
        case = cases.in_review(stream)
        assert case.reviews.get().reasons[0]["code"] == "novel_input"

        read(case, rosa, "intact")

        assert not LedgerEntry.objects.exists()

    def test_what_a_hold_stopped_is_evidence_as_likely_as_all_of_its_time(self, committing: Stream, rosa: User) -> None:
        holds.place(stream=committing, scope="automation", reason="a drill", by=SYSTEM)

        read(cases.scored(committing, bundles.CLEARLY_INTACT), rosa, "intact")

        assert LedgerEntry.objects.get().least_probability == 1.0

    def test_what_a_demonstration_answers_unseen_is_evidence_too_and_its_label_says_whose(
        self, committing: Stream, rosa: User
    ) -> None:
        case = cases.in_review(committing)
        review = read(case, rosa, "intact", is_demo=True)
        reviews.answer(review, rosa, "intact", is_demo=True)

        assert LedgerEntry.objects.get().truth == "intact"
        assert case.labels.get().source == "demo"

    def test_a_reopened_case_brings_no_second_entry(self, committing: Stream, rosa: User, ravi: User) -> None:
        case = cases.in_review(committing)
        review = read(case, rosa, "intact")
        reviews.answer(review, rosa, "intact")
        reopening.reopen(case_id=case.pk, reason="Upstream doubts it.", by=SYSTEM)

        read(case, ravi, "damaged")

        assert LedgerEntry.objects.get().truth == "intact"

    def test_the_answer_of_another_version_in_need_is_no_evidence(self, committing: Stream, rosa: User) -> None:
        case = cases.in_review(committing)
        Prediction.objects.filter(case=case).update(role="fallback")

        read(case, rosa, "intact")

        assert not LedgerEntry.objects.exists()

    def test_the_segment_and_value_of_the_case_are_kept(self, rosa: User) -> None:
        body = {"audit_rate": 0.25, "segment": "dent", "value": {"column": "tear", "cap": 3.0}}

        read(cases.in_review(streams.ready(policy=body, **COMMIT)), rosa, "intact")

        entry = LedgerEntry.objects.get()
        assert (entry.segment, entry.value) == ("5", 3.0)

    def test_it_costs_three_statements(
        self, committing: Stream, rosa: User, django_assert_num_queries: Callable[..., Any]
    ) -> None:
        review = read(cases.in_review(committing), rosa, "intact")
        verdict = review.verdicts.get()
        review = Review.objects.select_related("stream", "case__stream").get(pk=review.pk)
        LedgerEntry.objects.all().delete()

        # The third, the events, goes past the count of Django's cursor.
        with django_assert_num_queries(2):
            assert evidence.on_verdict(case=review.case, review=review, verdict=verdict, by=SYSTEM) == 1


@pytest.mark.parametrize(
    ("half_coin", "cut_off", "entries"),
    [(0.4, None, 1), (0.4, "2999-01-01", 0), (0.6, "2999-01-01", 1), (0.4, "2001-01-01", 1), (0.4, "no date", 1)],
    ids=["after registration", "may have trained", "kept to certify", "after the cut-off", "unreadable cut-off"],
)
def test_what_may_have_trained_a_model_is_no_evidence_on_it(
    committing: Stream, rosa: User, half_coin: float, cut_off: str | None, entries: int
) -> None:
    case = cases.in_review(committing)
    Case.objects.filter(pk=case.pk).update(half_coin=half_coin)
    bundle = Bundle.objects.get()
    Bundle.objects.update(manifest={**bundle.manifest, "lineage": {"training_cut_off": cut_off} if cut_off else {}})

    read(case, rosa, "intact")

    assert LedgerEntry.objects.count() == entries


class TestAudits:
    """Blind readings of what acted alone."""

    def test_an_audit_that_agrees_is_right(self, audited: Stream, rosa: User) -> None:
        read(cases.decided(audited), rosa, "intact")

        entry = LedgerEntry.objects.get()
        assert (entry.is_wrong, entry.is_automatic, entry.truth) == (False, True, "intact")
        assert (entry.inclusion_probability, entry.least_probability) == (1.0, 1.0)

    def test_only_a_confirmed_error_is_wrong(self, audited: Stream, rosa: User, ravi: User) -> None:
        case = cases.decided(audited)

        read(case, rosa, "damaged")
        assert not LedgerEntry.objects.exists()
        read(case, ravi, "damaged")

        entry = LedgerEntry.objects.get()
        assert (entry.is_wrong, entry.truth, entry.is_automatic) == (True, "damaged", True)

    @pytest.mark.parametrize(("answer", "is_wrong"), [("intact", False), ("damaged", True)])
    def test_the_third_reader_settles_the_evidence(
        self, audited: Stream, rosa: User, ravi: User, third: User, answer: str, is_wrong: bool
    ) -> None:
        case = cases.decided(audited)
        read(case, rosa, "damaged")
        read(case, ravi, "intact")
        assert not LedgerEntry.objects.exists()

        read(case, third, answer)

        assert LedgerEntry.objects.get().is_wrong is is_wrong

    def test_an_audit_beside_a_reopened_case_counts_as_it_was_answered(self, audited: Stream, rosa: User) -> None:
        case = cases.decided(audited)
        audit = case.reviews.get()
        reopening.reopen(case_id=case.pk, reason="Upstream doubts it.", by=SYSTEM)

        reviews.answer(claims.claim(review_id=audit.pk, by=acting(rosa)), rosa, "damaged")

        assert LedgerEntry.objects.get().is_wrong

    def test_an_audit_by_somebody_who_reads_the_reopened_case_too_is_not_lost(
        self, audited: Stream, rosa: User, ravi: User
    ) -> None:
        case = cases.decided(audited)
        audit = case.reviews.get()
        reopened = reopening.reopen(case_id=case.pk, reason="Upstream doubts it.", by=SYSTEM)
        reviews.answer(claims.claim(review_id=reopened.pk, by=acting(rosa)), rosa, "damaged")

        reviews.answer(claims.claim(review_id=audit.pk, by=acting(rosa)), rosa, "damaged")
        assert not LedgerEntry.objects.exists()
        second = case.reviews.get(kind="second_opinion")
        reviews.answer(claims.claim(review_id=second.pk, by=acting(ravi)), ravi, "damaged")

        assert LedgerEntry.objects.get().is_wrong

    def test_a_demonstration_asks_a_second_reader_like_anybody(self, audited: Stream, rosa: User, ravi: User) -> None:
        case = cases.decided(audited)
        read(case, rosa, "damaged", is_demo=True)
        assert not LedgerEntry.objects.exists()

        read(case, ravi, "damaged", is_demo=True)

        assert LedgerEntry.objects.get().is_wrong


class TestUndoing:
    """Answers that are taken back."""

    def test_an_undone_answer_is_taken_back_with_an_event(self, audited: Stream, rosa: User) -> None:
        case = cases.decided(audited)
        review = read(case, rosa, "intact")

        verdicts.undo(review_id=review.pk, by=acting(rosa))

        assert not LedgerEntry.objects.exists()
        (gone,) = told(ledger.WITHDRAWN)
        assert gone["case"] == str(case.pk)

    def test_undoing_a_reopened_reading_leaves_the_evidence_from_before(self, committing: Stream, rosa: User) -> None:
        case = cases.in_review(committing)
        review = read(case, rosa, "intact")
        reviews.answer(review, rosa, "intact")
        reopened = reopening.reopen(case_id=case.pk, reason="Upstream doubts it.", by=SYSTEM)
        claimed = claims.claim(review_id=reopened.pk, by=acting(rosa))
        reviews.answer(claimed, rosa, "damaged")
        reviews.answer(claimed, rosa, "damaged")

        verdicts.undo(review_id=reopened.pk, by=acting(rosa))

        assert LedgerEntry.objects.get().truth == "intact"

    @pytest.mark.parametrize(("first", "then"), [("intact", "damaged"), ("damaged", "intact")])
    def test_who_answers_anew_having_seen_the_model_speaks_for_it_only_if_both_answers_do(
        self, rosa: User, first: str, then: str
    ) -> None:
        stream = streams.ready(policy={"audit_rate": 0.25}, review_mode="blind")
        case = cases.in_review(stream)
        review = read(case, rosa, first)
        again = verdicts.undo(review_id=review.pk, by=acting(rosa))

        reviews.answer(again, rosa, then)

        entry = LedgerEntry.objects.get()
        assert (entry.is_wrong, entry.truth) == (True, other_than(case))

    def test_another_readers_unseen_answer_replaces_the_undone_one(self, rosa: User, ravi: User) -> None:
        stream = streams.ready(policy={"audit_rate": 0.25}, review_mode="blind")
        case = cases.in_review(stream)
        review = read(case, rosa, other_than(case))
        again = verdicts.undo(review_id=review.pk, by=acting(rosa))
        claims.release(review_id=again.pk, claim_token=again.claim_token, by=acting(rosa))

        read(case, ravi, Prediction.objects.get(case=case).answer)

        assert not LedgerEntry.objects.get().is_wrong

    def test_an_audit_answered_anew_needs_a_second_reader(self, audited: Stream, rosa: User, ravi: User) -> None:
        case = cases.decided(audited)
        review = read(case, rosa, "damaged")
        again = verdicts.undo(review_id=review.pk, by=acting(rosa))

        reviews.answer(again, rosa, "intact")

        assert case.reviews.get(state="open").kind == "second_opinion"
        assert not LedgerEntry.objects.exists()
        read(case, ravi, "intact")
        assert not LedgerEntry.objects.get().is_wrong


class TestShadows:
    """Versions that look on earn evidence before they act."""

    def entries(self) -> dict[int, tuple[str, bool, bool]]:
        found = LedgerEntry.objects.select_related("model_version")
        return {one.model_version.number: (one.answer, one.is_wrong, one.is_automatic) for one in found}

    def test_a_shadow_is_judged_by_the_same_answer(self, rosa: User, ravi: User) -> None:
        stream = streams.ready(policy={"audit_rate": 1.0, "threshold": 0.5}, **COMMIT)
        rollouts.start_shadow(version=rivals.version(stream), by=SYSTEM)
        case = cases.scored(stream, rivals.TORN)
        rivals.shadow_all()

        read(case, rosa, "intact")
        read(case, ravi, "intact")

        assert self.entries() == {1: ("damaged", True, True), 2: ("intact", False, False)}

    def test_a_shadow_that_saw_the_case_late_gets_its_entry_later(self, committing: Stream, rosa: User) -> None:
        rollouts.start_shadow(version=rivals.version(committing), by=SYSTEM)
        read(cases.in_review(committing), rosa, "intact")
        assert set(self.entries()) == {1}

        rivals.shadow_all()

        assert evidence.catch_up() == 1
        assert set(self.entries()) == {1, 2}
        assert evidence.catch_up() == 0

    @pytest.mark.parametrize(
        ("stopped", "entries"),
        [("damaged", {2: ("intact", False, False)}), ("intact", {1: ("damaged", True, False)})],
    )
    def test_a_rule_stops_a_shadow_by_what_the_shadow_says(
        self, rosa: User, stopped: str, entries: dict[int, tuple[str, bool, bool]]
    ) -> None:
        rules = [{"name": "One class", "when": f"predicted == '{stopped}'"}]
        stream = streams.ready(policy={"audit_rate": 0.25, "threshold": 1.0, "rules": rules}, review_mode="blind")
        rollouts.start_shadow(version=rivals.version(stream), by=SYSTEM)
        case = cases.scored(stream, rivals.TORN)
        rivals.shadow_all()

        read(case, rosa, "intact")

        assert self.entries() == entries

    def test_a_shadow_may_find_a_case_novel_that_the_primary_knows(self, committing: Stream, rosa: User) -> None:
        rival = rivals.version(committing)
        rollouts.start_shadow(version=rival, by=SYSTEM)
        policies.active(committing, audit_rate=0.25, novelty_floor=0.001)
        case = cases.in_review(committing)
        rivals.shadow_all()
        Prediction.objects.filter(case=case, role="shadow").update(novelty=0.0)

        read(case, rosa, "intact")

        assert set(self.entries()) == {1}


def test_the_events_tell_the_ledger_again(committing: Stream, rosa: User, ravi: User) -> None:
    first, second, third = (cases.in_review(committing) for _ in range(3))
    read(first, rosa, "intact")
    review = read(second, rosa, "intact")
    reviews.answer(review, rosa, "intact")
    verdicts.undo(review_id=review.pk, by=acting(rosa))
    Prediction.objects.filter(case=third).update(created_at=Now() - timedelta(days=8))
    overdue.mark_overdue_in(committing)
    read(third, ravi, "damaged")

    events = Event.objects.filter(type__startswith="evidence.").order_by("created_at", "pk")
    ledger_told = ledger.replay((one.type, json.loads(bytes(one.payload))) for one in events)

    assert events.count() == 5
    entries = LedgerEntry.objects.all()
    assert {(str(one.model_version_id), str(one.case_id)) for one in entries} == set(ledger_told)
    for entry in entries:
        payload = ledger_told[str(entry.model_version_id), str(entry.case_id)]
        assert (payload["class"], payload["truth"], payload["is_wrong"]) == (entry.answer, entry.truth, entry.is_wrong)
        assert payload["least_probability"] == entry.least_probability
        assert payload["confidence"] == entry.confidence
