import pytest

from reviewapp.accounts.models import User
from reviewapp.cases.actions import reopening
from reviewapp.cases.models import Case, CaseInput, Decision, Review, Work
from reviewapp.domain.errors import Conflict, Forbidden, Invalid, PreconditionFailed
from reviewapp.domain.states import CaseState
from reviewapp.events.models import Event, OutboxEntry
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import bundles, cases, reviews
from tests.people import acting

NEW = {"dent": 2.0, "tear": 2.0}


def amend(case: Case, generation: int = 1, features: dict[str, float] = NEW) -> Case:
    return reopening.amend(case_id=case.pk, generation=generation, features=features, by=SYSTEM)


@pytest.mark.parametrize("kind", ["received", "in_review", "decided"])
def test_an_amendment_adds_a_generation_and_has_the_case_scored_anew(stream: Stream, kind: str) -> None:
    case = getattr(cases, kind)(stream)

    amended = amend(case)

    assert (amended.state, amended.generation) == ("scoring", 2)
    assert list(CaseInput.objects.filter(case=case).order_by("generation").values_list("generation", flat=True)) == [
        1,
        2,
    ]
    assert Work.objects.get(kind="score", generation=2).subject == str(case.pk)
    assert Event.objects.filter(case_id=str(case.pk), type="case.amended").exists()
    assert not Review.objects.filter(case=case, state="open").exists()


def test_an_amendment_takes_the_claim_from_its_reviewer(stream: Stream, rosa: User) -> None:
    review = reviews.claimed(stream, rosa)

    amend(review.case)

    review.refresh_from_db()
    assert (review.state, review.claimed_by, review.claim_token) == ("withdrawn", None, None)


def test_an_amendment_of_what_is_no_longer_in_force_is_refused(stream: Stream) -> None:
    case = cases.received(stream)
    amend(case)

    with pytest.raises(PreconditionFailed, match="at generation 2, not 1") as refusal:
        amend(case, generation=1, features={"dent": 3.0, "tear": 3.0})

    assert refusal.value.details["generation"] == 2


def test_an_amendment_that_changes_nothing_is_none(stream: Stream) -> None:
    case = cases.in_review(stream)

    assert amend(case, features=bundles.UNCLEAR).generation == 1
    assert case.reviews.get().state == "open"


def test_an_erased_case_cannot_be_amended(stream: Stream) -> None:
    case = cases.received(stream)
    Case.objects.filter(pk=case.pk).update(state="erased")

    with pytest.raises(Conflict, match="erased"):
        amend(case)


def test_the_score_of_an_amended_input_is_dropped(stream: Stream) -> None:
    case = cases.received(stream, bundles.CLEARLY_DAMAGED)
    amend(case, features=bundles.CLEARLY_INTACT)

    cases.score_all()

    case.refresh_from_db()
    assert case.state == "decided"
    assert [p.generation for p in case.predictions.all()] == [2]
    assert not Work.objects.filter(kind="score").exists()


def test_a_reopened_case_waits_for_people_and_its_decision_stands(stream: Stream, lead: User) -> None:
    case = cases.decided(stream)

    review = reopening.reopen(case_id=case.pk, reason="The customer complained.", by=acting(lead))

    case.refresh_from_db()
    assert (case.state, review.kind, review.mode) == ("in_review", "reopened", "assisted")
    assert review.reasons[0]["sentence"] == "Reopened: The customer complained."
    assert review.prediction == case.predictions.get()
    assert Decision.objects.live().get(case=case).answer == "intact"
    event = Event.objects.get(type="case.reopened")
    assert OutboxEntry.objects.filter(event=event).exists()


def test_what_nobody_was_to_look_at_is_explained_and_placed_when_it_is_reopened(stream: Stream, lead: User) -> None:
    case = cases.decided(stream)
    Work.objects.all().delete()

    review = reopening.reopen(case_id=case.pk, reason="Upstream disagrees.", by=acting(lead))

    waiting = set(Work.objects.values_list("kind", "subject"))
    assert waiting == {(Work.Kind.EXPLAIN, str(review.prediction_id)), (Work.Kind.EMBED, str(case.pk))}


def test_a_case_can_be_reopened_again_after_people_decided(stream: Stream, rosa: User) -> None:
    case = cases.decided(stream)
    for number in (1, 2):
        review = reopening.reopen(case_id=case.pk, reason="Again.", by=SYSTEM)
        assert review.round == number
        reviews.answer(reviews.claimed(stream, rosa, case), rosa, "damaged")

    case.refresh_from_db()
    assert case.state == "decided"
    assert Decision.objects.filter(case=case).count() == 3


def test_the_answer_to_a_reopened_case_is_never_honest(stream: Stream, rosa: User) -> None:
    case = cases.decided(stream)
    reopening.reopen(case_id=case.pk, reason="Doubts.", by=SYSTEM)
    reviews.answer(reviews.claimed(stream, rosa, case), rosa, "damaged")

    assert not case.labels.get().is_honest


@pytest.mark.parametrize("kind", ["received", "in_review"])
def test_only_a_decided_case_is_reopened(stream: Stream, kind: str) -> None:
    case = getattr(cases, kind)(stream)

    with pytest.raises(Conflict, match="only a decided case") as refusal:
        reopening.reopen(case_id=case.pk, reason="Doubts.", by=SYSTEM)

    assert refusal.value.code == "not_decided"


def test_reopening_needs_a_reason_and_a_role(stream: Stream, rosa: User, lead: User) -> None:
    case = cases.decided(stream)

    with pytest.raises(Invalid, match="reason"):
        reopening.reopen(case_id=case.pk, reason=" ", by=acting(lead))
    with pytest.raises(Forbidden, match="lead or auditor"):
        reopening.reopen(case_id=case.pk, reason="Doubts.", by=acting(rosa))


def test_a_case_moves_by_compare_and_swap(stream: Stream) -> None:
    case = cases.received(stream)

    assert Case.objects.transition(case.pk, CaseState.SCORING, CaseState.IN_REVIEW)
    assert not Case.objects.transition(case.pk, CaseState.SCORING, CaseState.IN_REVIEW)
    with pytest.raises(ValueError, match="cannot move from erased to scoring"):
        Case.objects.transition(case.pk, CaseState.ERASED, CaseState.SCORING)
