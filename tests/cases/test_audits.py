import json
from uuid import uuid4

import pytest
from pytest_django import Settings

from reviewapp.accounts.models import User
from reviewapp.cases.actions import claims, reopening, verdicts
from reviewapp.cases.models import Case, Decision, Label, Review
from reviewapp.domain.errors import Conflict, PreconditionFailed
from reviewapp.domain.sampling import draw_second
from reviewapp.events.models import Event
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Role, Stream
from tests.factories import cases, reviews, streams, teams
from tests.people import acting


@pytest.fixture
def audited(db: None) -> Stream:
    """A stream in which every automatic decision is audited."""
    return streams.ready(policy={"audit_rate": 1.0})


@pytest.fixture
def case(audited: Stream) -> Case:
    """Decided automatically as intact, its audit open."""
    return cases.decided(audited)


@pytest.fixture
def third(db: None) -> User:
    return teams.member("Thea", role=Role.REVIEWER)


def read(case: Case, user: User, answer: str) -> Review:
    """One person reads the case's open blind review."""
    review = reviews.claimed(case.stream, user, case)
    reviews.answer(review, user, answer)
    case.refresh_from_db()
    return review


def kinds(case: Case, state: str = "open") -> list[str]:
    return list(case.reviews.filter(state=state).order_by("created_at").values_list("kind", flat=True))


def answers(case: Case) -> list[str | None]:
    return list(Decision.objects.filter(case=case).order_by("sequence").values_list("answer", flat=True))


def test_an_audit_that_agrees_leaves_the_decision(case: Case, rosa: User) -> None:
    read(case, rosa, "intact")

    label = Label.objects.get()
    assert (answers(case), case.state, kinds(case)) == (["intact"], "decided", [])
    assert (label.source, label.is_honest, label.inclusion_probability) == ("audit", True, 1.0)


def test_a_contradiction_asks_a_second_blind_reader(case: Case, rosa: User) -> None:
    audit = read(case, rosa, "damaged")

    second = case.reviews.get(state="open")
    assert (second.kind, second.mode, second.prediction) == ("second_opinion", "blind", audit.prediction)
    assert (answers(case), case.state) == (["intact"], "decided")


def test_a_confirmed_contradiction_corrects_the_decision(case: Case, rosa: User, ravi: User) -> None:
    read(case, rosa, "damaged")

    read(case, ravi, "damaged")

    last = Decision.objects.order_by("sequence").last()
    assert (answers(case), case.state, kinds(case)) == (["intact", "damaged"], "decided", [])
    assert last.source == "human"
    event = Event.objects.get(pk=last.event_id)
    told = json.loads(bytes(event.payload))["decision"]
    assert event.type == "decision.corrected"
    assert told["certificate"] == {"state": "uncertified", "id": None}
    assert (told["policy_version"], told["threshold"]) == (1, 0.9)
    assert Label.objects.live().get().answer == "damaged"


@pytest.mark.parametrize(("third_answer", "expected"), [("damaged", ["intact", "damaged"]), ("intact", ["intact"])])
def test_where_two_readers_differ_the_third_settles_it(
    case: Case, rosa: User, ravi: User, third: User, third_answer: str, expected: list[str]
) -> None:
    read(case, rosa, "damaged")
    read(case, ravi, "intact")
    assert kinds(case) == ["adjudication"]

    read(case, third, third_answer)

    assert (answers(case), kinds(case)) == (expected, [])
    assert Label.objects.live().get().answer == third_answer


def test_a_correction_names_the_audit_that_found_the_error(case: Case, rosa: User, ravi: User) -> None:
    audit = read(case, rosa, "damaged")
    read(case, ravi, "damaged")

    event = Event.objects.get(type="decision.corrected")

    assert json.loads(bytes(event.payload))["audit"] == str(audit.pk)


class TestSecondReadings:
    """A share of the audits that agree is read again, so that what two people overlook alike is found."""

    @pytest.fixture
    def case(self, db: None) -> Case:
        return cases.decided(streams.ready(policy={"audit_rate": 1.0, "second_read_share": 1.0}))

    def test_an_agreeing_audit_is_read_again_and_the_decision_stands_meanwhile(self, case: Case, rosa: User) -> None:
        read(case, rosa, "intact")

        second = case.reviews.get(state="open")
        assert (second.kind, second.mode) == ("second_opinion", "blind")
        assert "intact" not in json.dumps(second.reasons)
        assert (answers(case), case.state) == (["intact"], "decided")

    def test_two_readers_who_agree_settle_it(self, case: Case, rosa: User, ravi: User) -> None:
        read(case, rosa, "intact")
        read(case, ravi, "intact")

        assert (answers(case), kinds(case)) == (["intact"], [])

    def test_a_second_reader_who_differs_asks_the_third(self, case: Case, rosa: User, ravi: User, third: User) -> None:
        read(case, rosa, "intact")
        read(case, ravi, "damaged")
        assert kinds(case) == ["adjudication"]

        read(case, third, "damaged")

        assert answers(case) == ["intact", "damaged"]

    def test_the_coin_of_its_own_chooses_the_share(self, rosa: User, settings: Settings) -> None:
        stream = streams.ready(policy={"audit_rate": 1.0, "second_read_share": 0.5})
        audited = [cases.decided(stream) for _ in range(6)]

        for case in audited:
            read(case, rosa, "intact")

        key = settings.COIN_KEY.encode()
        assert [kinds(case) for case in audited] == [
            ["second_opinion"] if draw_second(key, case.pk) < 0.5 else [] for case in audited
        ]


def test_one_person_cannot_confirm_themselves_by_undoing(case: Case, rosa: User) -> None:
    audit = read(case, rosa, "damaged")

    again = verdicts.undo(review_id=audit.pk, by=acting(rosa))

    assert kinds(case) == ["audit"], "the second reading that the undone answer asked for is withdrawn"
    reviews.answer(again, rosa, "damaged")
    assert answers(case) == ["intact"]
    assert kinds(case) == ["second_opinion"]


def test_an_undone_reading_confirms_nobody(case: Case, rosa: User, ravi: User) -> None:
    audit = read(case, rosa, "damaged")
    again = verdicts.undo(review_id=audit.pk, by=acting(rosa))
    claims.release(review_id=again.pk, claim_token=again.claim_token, by=acting(rosa))

    read(case, ravi, "damaged")

    assert answers(case) == ["intact"]
    assert kinds(case) == ["second_opinion"]


def test_an_audit_cannot_be_undone_once_the_second_reading_is_given(case: Case, rosa: User, ravi: User) -> None:
    audit = read(case, rosa, "damaged")
    read(case, ravi, "intact")

    with pytest.raises(Conflict, match="later reading"):
        verdicts.undo(review_id=audit.pk, by=acting(rosa))

    assert kinds(case) == ["adjudication"]


def test_undoing_the_confirmation_withdraws_the_correction(case: Case, rosa: User, ravi: User) -> None:
    read(case, rosa, "damaged")
    second = read(case, ravi, "damaged")

    again = verdicts.undo(review_id=second.pk, by=acting(ravi))

    case.refresh_from_db()
    assert (answers(case), case.state) == (["intact", "damaged", None], "in_review")
    assert reviews.answer(again, ravi, "intact").decision.answer == "intact"
    case.refresh_from_db()
    assert (case.state, kinds(case)) == ("decided", [])


def test_an_audit_does_not_decide_a_case_that_was_reopened(case: Case, rosa: User, ravi: User) -> None:
    audit = case.reviews.get()
    reopened = reopening.reopen(case_id=case.pk, reason="Upstream doubts it.", by=SYSTEM)

    claimed = claims.claim(review_id=audit.pk, by=acting(rosa))
    reviews.answer(claimed, rosa, "damaged")

    case.refresh_from_db()
    assert (case.state, answers(case), kinds(case)) == ("in_review", ["intact"], ["reopened"])
    reviews.answer(claims.claim(review_id=reopened.pk, by=acting(ravi)), ravi, "damaged")
    assert answers(case) == ["intact", "damaged"]


def test_a_decision_by_people_keeps_the_open_audit(case: Case, rosa: User) -> None:
    reopened = reopening.reopen(case_id=case.pk, reason="Upstream doubts it.", by=SYSTEM)

    reviews.answer(claims.claim(review_id=reopened.pk, by=acting(rosa)), rosa, "damaged")

    assert kinds(case) == ["audit"]


def test_an_answer_to_an_audit_of_an_earlier_input_is_refused(case: Case, rosa: User) -> None:
    audit = case.reviews.get()
    reopening.amend(case_id=case.pk, generation=1, features={"dent": 9, "tear": 9}, by=SYSTEM)

    with pytest.raises(PreconditionFailed):
        reviews.answer(audit, rosa, claim_token=uuid4())

    assert case.reviews.get(pk=audit.pk).state == "withdrawn"
