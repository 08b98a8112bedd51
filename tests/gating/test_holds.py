import threading

import pytest
from django.db import connection, transaction

from reviewapp.accounts.models import User
from reviewapp.domain.errors import Conflict, Forbidden, Invalid
from reviewapp.events.models import Event
from reviewapp.gating import rulebook
from reviewapp.gating.actions import holds
from reviewapp.gating.models import Hold
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Role, Stream
from tests.factories import cases, locks, policies, streams, teams
from tests.people import acting


def place(stream: Stream | None, scope: str = "automation", reason: str = "Doubts.") -> Hold:
    return holds.place(stream=stream, scope=scope, reason=reason, by=SYSTEM)


def test_under_a_hold_nothing_is_decided_automatically_until_it_is_lifted(stream: Stream, lead: User) -> None:
    hold = holds.place(stream=stream, scope="automation", reason=" Doubts. ", by=acting(lead))
    case = cases.scored(stream, {"dent": 1, "tear": 1})
    assert (case.state, case.reviews.get().reasons[0]["code"]) == ("in_review", "held")

    lifted = holds.lift(hold=hold, by=acting(lead))

    assert (lifted.reason, lifted.lifted_by) == ("Doubts.", f"user:{lead.pk}")
    cases.decided(stream)
    assert list(
        Event.objects.filter(type__startswith="hold.").order_by("created_at").values_list("type", flat=True)
    ) == [
        "hold.placed",
        "hold.lifted",
    ]


@pytest.mark.parametrize(
    ("scope", "automation", "deliveries"),
    [("automation", True, False), ("deliveries", False, True), ("all", True, True)],
)
@pytest.mark.parametrize("everywhere", [False, True])
def test_a_hold_stops_what_its_scope_says(
    bare_stream: Stream, scope: str, automation: bool, deliveries: bool, everywhere: bool
) -> None:
    other = streams.bare()

    place(None if everywhere else bare_stream, scope)

    assert rulebook.is_held(bare_stream, "automation") is automation
    assert rulebook.is_held(bare_stream, "deliveries") is deliveries
    assert rulebook.is_held(other, "automation") is (automation and everywhere)


def test_the_same_hold_twice_is_a_conflict(bare_stream: Stream) -> None:
    place(bare_stream)
    place(None)

    for again in (bare_stream, None):
        with pytest.raises(Conflict, match="already in place"):
            place(again)

    assert Hold.objects.count() == 2


def test_a_lifted_hold_can_be_placed_again_and_lifting_twice_changes_nothing(bare_stream: Stream) -> None:
    hold = place(bare_stream)
    holds.lift(hold=hold, by=SYSTEM)
    holds.lift(hold=hold, by=SYSTEM)

    assert place(bare_stream) != hold
    assert Event.objects.filter(type="hold.lifted").count() == 1


@pytest.mark.parametrize(("scope", "reason", "code"), [("sleep", "r", "scope_unknown"), ("all", " ", "reason_missing")])
def test_a_hold_needs_a_known_scope_and_a_reason(bare_stream: Stream, scope: str, reason: str, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        place(bare_stream, scope, reason)

    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.LEAD, True),
        (Role.POLICY_OWNER, True),
        (Role.MODEL_OWNER, True),
        (Role.REVIEWER, False),
        (Role.AUDITOR, False),
        (Role.INTEGRATOR, False),
    ],
)
def test_who_may_hold_a_stream(bare_stream: Stream, role: Role, may: bool) -> None:
    person = acting(teams.member(role=role))

    if may:
        hold = holds.place(stream=bare_stream, scope="all", reason="Doubts.", by=person)
        assert holds.lift(hold=hold, by=person).lifted_at is not None
    else:
        with pytest.raises(Forbidden):
            holds.place(stream=bare_stream, scope="all", reason="Doubts.", by=person)
        with pytest.raises(Forbidden):
            holds.lift(hold=place(bare_stream), by=person)


def test_only_an_administrator_holds_everything(lead: User, administrator: User) -> None:
    with pytest.raises(Forbidden, match="administrator"):
        holds.place(stream=None, scope="all", reason="Doubts.", by=acting(lead))

    assert holds.place(stream=None, scope="all", reason="Doubts.", by=acting(administrator)).stream is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("everywhere", [False, True])
def test_a_hold_waits_for_the_batch_that_is_being_decided_and_binds_the_next(
    bare_stream: Stream, everywhere: bool
) -> None:
    """After `place` has returned, no transaction that read the rules before it is still to commit."""
    placed: list[Hold] = []

    def hold() -> None:
        try:
            placed.append(place(None if everywhere else bare_stream))
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    with transaction.atomic():
        assert not rulebook.read_locked(bare_stream.pk).is_held
        thread.start()
        locks.wait_for_a_waiter()
        assert not placed
    thread.join()

    assert len(placed) == 1
    with transaction.atomic():
        assert rulebook.read_locked(bare_stream.pk).is_held


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_waited_for_a_hold_sees_it(bare_stream: Stream) -> None:
    seen: list[bool] = []

    def decide() -> None:
        try:
            with transaction.atomic():
                seen.append(rulebook.read_locked(bare_stream.pk).is_held)
        finally:
            connection.close()

    thread = threading.Thread(target=decide)
    with transaction.atomic():
        place(bare_stream)
        thread.start()
        locks.wait_for_a_waiter()
        assert not seen
    thread.join()

    assert seen == [True]


@pytest.mark.django_db(transaction=True)
def test_two_batches_read_the_rules_side_by_side(bare_stream: Stream) -> None:
    policies.active(bare_stream)
    done = threading.Event()

    def decide() -> None:
        try:
            with transaction.atomic():
                rulebook.read_locked(bare_stream.pk)
            done.set()
        finally:
            connection.close()

    thread = threading.Thread(target=decide)
    with transaction.atomic():
        rulebook.read_locked(bare_stream.pk)
        thread.start()
        assert done.wait(10), "the share lock of one batch must not keep the other out"
    thread.join()
