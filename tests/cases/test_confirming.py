"""What contradicts the model unseen is confirmed by others before it counts against a promise."""

from typing import Any

import pytest

from reviewapp.accounts.models import User
from reviewapp.cases.actions import claims, reopening, verdicts
from reviewapp.cases.models import Case, Review
from reviewapp.domain.errors import Conflict
from reviewapp.gating.models import LedgerEntry
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Role, Stream
from tests.factories import bundles, cases, reviews, streams, teams
from tests.people import acting

PROMISE = {"target_error": 0.02, "confidence": 0.95}
BLIND, COMMIT = {"review_mode": "blind"}, {"review_mode": "commit_then_reveal"}


def promising(policy: dict[str, Any] | None = None, **stream: Any) -> Stream:
    body = {"audit_rate": 0.25, "promises": dict.fromkeys(bundles.CLASSES, PROMISE), **(policy or {})}
    return streams.ready(policy=body, **(stream or BLIND))


@pytest.fixture
def case(db: None) -> Case:
    """A case that waits to be read blind; something is promised of every class."""
    return cases.in_review(promising())


@pytest.fixture
def third(db: None) -> User:
    return teams.member("Thea", role=Role.REVIEWER)


def said(case: Case) -> str:
    return str(case.predictions.get().answer)


def other(case: Case) -> str:
    return next(name for name in bundles.CLASSES if name != said(case))


def read(case: Case, user: User, answer: str, *more: str) -> Review:
    review = reviews.claimed(case.stream, user, case)
    for one in (answer, *more):
        reviews.answer(review, user, one)
    case.refresh_from_db()
    return review


def kinds(case: Case) -> list[str]:
    return list(case.reviews.exclude(state="withdrawn").order_by("created_at", "pk").values_list("kind", flat=True))


def decided(case: Case) -> list[str | None]:
    return list(case.decisions.order_by("sequence").values_list("answer", flat=True))


def test_a_second_reader_confirms_it(case: Case, rosa: User, ravi: User) -> None:
    read(case, rosa, other(case))

    assert kinds(case) == ["routine", "second_opinion"]
    assert case.reviews.get(kind="second_opinion").mode == "blind"
    assert (case.state, decided(case)) == ("decided", [other(case)])
    assert not LedgerEntry.objects.exists()
    read(case, ravi, other(case))
    assert LedgerEntry.objects.get().is_wrong
    assert decided(case) == [other(case)]
    assert kinds(case) == ["routine", "second_opinion"]


@pytest.mark.parametrize("is_wrong", [True, False])
def test_where_two_readers_differ_a_third_one_settles_it(
    case: Case, rosa: User, ravi: User, third: User, is_wrong: bool
) -> None:
    wrong = other(case)
    read(case, rosa, wrong)
    read(case, ravi, said(case))
    assert kinds(case) == ["routine", "second_opinion", "adjudication"]
    assert not LedgerEntry.objects.exists()

    read(case, third, wrong if is_wrong else said(case))

    assert LedgerEntry.objects.get().is_wrong is is_wrong
    assert decided(case) == ([wrong] if is_wrong else [wrong, said(case)])


def test_what_agrees_counts_at_once(case: Case, rosa: User, ravi: User) -> None:
    read(case, rosa, said(case))

    assert not LedgerEntry.objects.get().is_wrong
    assert kinds(case) == ["routine"]


def test_who_is_alone_is_believed(case: Case, rosa: User) -> None:
    read(case, rosa, other(case))

    assert LedgerEntry.objects.get().is_wrong
    assert kinds(case) == ["routine"]


@pytest.mark.parametrize(
    "policy",
    [{"promises": {}}, {"novelty_floor": 1.0}, {"audit": {"confirm_share": 0.0}}],
    ids=["no promise", "no evidence", "no share"],
)
def test_nobody_is_asked_where_nothing_hangs_on_it(
    policy: dict[str, Any],
    rosa: User,
    ravi: User,
) -> None:
    case = cases.in_review(promising(policy))

    read(case, rosa, other(case))

    assert kinds(case) == ["routine"]


def test_an_answer_revised_after_the_reveal_is_confirmed_as_it_was_given_first(rosa: User, ravi: User) -> None:
    case = cases.in_review(promising(**COMMIT))
    wrong, right = other(case), said(case)

    review = read(case, rosa, wrong)
    assert not LedgerEntry.objects.exists()
    assert kinds(case) == ["routine"]
    reviews.answer(review, rosa, right)
    assert kinds(case) == ["routine", "second_opinion"]
    read(case, ravi, wrong)

    assert LedgerEntry.objects.get().is_wrong
    assert decided(case) == [right, wrong]


def test_a_first_answer_counts_once_whoever_is_left_to_confirm_it(rosa: User, ravi: User) -> None:
    case = cases.in_review(promising(**COMMIT))
    review = read(case, rosa, other(case))
    ravi.is_active = False
    ravi.save()

    reviews.answer(review, rosa, other(case))

    assert LedgerEntry.objects.get().is_wrong
    assert kinds(case) == ["routine"]


def test_undoing_takes_the_second_reading_back_unless_it_was_given(case: Case, rosa: User, ravi: User) -> None:
    first = read(case, rosa, other(case))
    again = verdicts.undo(review_id=first.pk, by=acting(rosa))
    assert kinds(case) == ["routine", "routine"]

    reviews.answer(again, rosa, said(case))
    assert kinds(case) == ["routine", "routine", "second_opinion"], "who has answered before cannot settle it alone"
    read(case, ravi, said(case))

    with pytest.raises(Conflict):
        verdicts.undo(review_id=again.pk, by=acting(rosa))


def test_beside_a_reopened_case_two_that_differ_need_a_third(case: Case, rosa: User, ravi: User, third: User) -> None:
    read(case, rosa, other(case))
    second = case.reviews.get(kind="second_opinion")
    reopening.reopen(case_id=case.pk, reason="Upstream doubts it.", by=SYSTEM)

    reviews.answer(claims.claim(review_id=second.pk, by=acting(ravi)), ravi, said(case))
    assert not LedgerEntry.objects.exists()
    last = case.reviews.get(kind="adjudication")
    reviews.answer(claims.claim(review_id=last.pk, by=acting(third)), third, said(case))

    assert not LedgerEntry.objects.get().is_wrong
