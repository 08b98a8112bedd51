"""Every check of conservation finds the damage it is for, and none finds any in a sound installation."""

import json
from collections.abc import Callable
from io import StringIO
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.core.management import call_command

from reviewapp.accounts.models import User
from reviewapp.cases import verification
from reviewapp.cases.actions import labelling, reopening, verdicts
from reviewapp.cases.models import Work
from reviewapp.gating.actions import ledger
from reviewapp.gating.actions.ledger import Entry
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from reviewapp.webhooks import actions
from reviewapp.webhooks.relay import relay_batch
from tests.factories import bundles, cases, reviews
from tests.monitoring.damage import execute, query, unguard
from tests.people import acting


@pytest.fixture
def way(stream: Stream, rosa: User) -> SimpleNamespace:
    """Cases in every state a case can be in, with what has left the house and what waits."""
    execute("ALTER TABLE events_event DISABLE TRIGGER USER")
    endpoint, _ = actions.create_endpoint(team=stream.team, url="https://hooks.example.com/", by=SYSTEM)
    execute("UPDATE events_event SET created_at = created_at - interval '1 hour' WHERE type = 'endpoint.created'")
    auto = cases.decided(stream)
    human = reviews.settled(stream, rosa)
    reopened = reviews.settled(stream, rosa)
    reopening.reopen(case_id=reopened.pk, reason="a doubt", by=SYSTEM)
    undone = reviews.claimed(stream, rosa)
    reviews.answer(undone, rosa)
    verdicts.undo(review_id=undone.pk, by=acting(rosa))
    amended = cases.decided(stream)
    reopening.amend(case_id=amended.pk, generation=1, features=bundles.CLEARLY_DAMAGED, by=SYSTEM)
    cases.score_all()
    labelling.record_outcome(case_id=auto.pk, answer="intact", by=SYSTEM)
    waiting = cases.in_review(stream)
    evidence(stream, auto.pk, None, "intact", "damaged")
    evidence(stream, amended.pk, "damaged")
    ledger.withdraw(stream=stream, case_ids=[amended.pk], why="taken back", by=SYSTEM)
    actions.ping(endpoint=endpoint, by=SYSTEM)
    while relay_batch():
        pass
    scoring = cases.received(stream)
    return SimpleNamespace(
        auto=auto, human=human, undone=undone.case, amended=amended, waiting=waiting, scoring=scoring
    )


def evidence(stream: Stream, case_id: UUID, *truths: str | None) -> None:
    """A label of a case as evidence, as it became known bit by bit."""
    for truth in truths:
        entry = Entry(
            model_version_id=stream.model_versions.get().pk,
            case_id=case_id,
            answer="intact",
            truth=truth,
            confidence=0.1 + 0.2,
            coin=0.5,
            inclusion_probability=1.0,
            least_probability=0.25,
            is_automatic=True,
        )
        ledger.record(stream=stream, entries=[entry], by=SYSTEM)


def found() -> dict[str, int]:
    findings = [verification.find(check) for check in verification.CHECKS]
    return {finding.check.name: finding.count for finding in findings if finding.count}


def test_a_sound_installation_has_no_gap(way):
    assert found() == {}
    assert query("SELECT count(*) FROM webhooks_delivery")[0][0] >= 4
    assert query("SELECT count(*) FROM events_outboxentry")[0][0] >= 2


def states(way: SimpleNamespace) -> None:
    unguard("cases_case")
    execute("UPDATE cases_case SET state = 'lost' WHERE id = %s", [way.waiting.pk])


def inputs(way: SimpleNamespace) -> None:
    execute("DELETE FROM cases_caseinput WHERE case_id = %s AND generation = 1", [way.amended.pk])


def scoring_has_work(way: SimpleNamespace) -> None:
    Work.objects.filter(subject=str(way.scoring.pk)).update(is_dead=True)


def in_review_has_review(way: SimpleNamespace) -> None:
    execute(
        "UPDATE cases_review SET state = 'withdrawn', closed_at = clock_timestamp() WHERE case_id = %s",
        [way.waiting.pk],
    )


def decided_has_decision(way: SimpleNamespace) -> None:
    execute("UPDATE cases_case SET state = 'decided' WHERE id = %s", [way.undone.pk])


def decision_chain(way: SimpleNamespace) -> None:
    unguard("cases_decision")
    execute("UPDATE cases_decision SET sequence = 3 WHERE case_id = %s AND sequence = 2", [way.undone.pk])


def decision_event(way: SimpleNamespace) -> None:
    unguard("cases_decision")
    execute("UPDATE cases_decision SET event_id = gen_random_uuid() WHERE case_id = %s", [way.auto.pk])


def auto_is_routed(way: SimpleNamespace) -> None:
    unguard("cases_prediction")
    execute("UPDATE cases_prediction SET route = 'review' WHERE case_id = %s", [way.auto.pk])


def label_chain(way: SimpleNamespace) -> None:
    unguard("cases_label")
    execute("UPDATE cases_label SET sequence = 3 WHERE case_id = %s AND sequence = 2", [way.undone.pk])


def label_event(way: SimpleNamespace) -> None:
    unguard("cases_label")
    execute("UPDATE cases_label SET event_id = gen_random_uuid() WHERE case_id = %s", [way.human.pk])


def one_counted_verdict(way: SimpleNamespace) -> None:
    unguard("cases_verdict")
    columns = "review_id, reviewer_id, stage, status, class, note, saw_model, shown, seconds, guideline_id, claim_token"
    execute(
        f"INSERT INTO cases_verdict (id, {columns}) SELECT gen_random_uuid(), {columns} FROM cases_verdict "
        "WHERE review_id IN (SELECT id FROM cases_review WHERE case_id = %s)",
        [way.human.pk],
    )


def done_has_label(way: SimpleNamespace) -> None:
    unguard("cases_label")
    execute("UPDATE cases_label SET verdict_id = NULL WHERE case_id = %s", [way.human.pk])


def evidence_event(way: SimpleNamespace) -> None:
    execute("UPDATE gating_ledgerentry SET least_probability = 0.2 WHERE case_id = %s", [way.auto.pk])


def event_sequence(way: SimpleNamespace) -> None:
    unguard("events_event")
    execute("UPDATE events_event SET sequence = 7 WHERE case_id = %s AND sequence = 1", [str(way.waiting.pk)])


def published_once(way: SimpleNamespace) -> None:
    execute(
        "DELETE FROM webhooks_delivery WHERE event_id IN (SELECT event_id FROM cases_decision WHERE case_id = %s)",
        [way.auto.pk],
    )


def left_once(way: SimpleNamespace) -> None:
    execute(
        "INSERT INTO events_outboxentry (event_id) SELECT event_id FROM cases_decision WHERE case_id = %s",
        [way.auto.pk],
    )


def work_has_subject(way: SimpleNamespace) -> None:
    Work.objects.filter(kind="explain").update(is_dead=True)
    Work.objects.create(kind="embed", subject="0196a6a5-0000-7000-8000-000000000000")


DAMAGES: tuple[Callable[[SimpleNamespace], None], ...] = (
    states,
    inputs,
    scoring_has_work,
    in_review_has_review,
    decided_has_decision,
    decision_chain,
    decision_event,
    auto_is_routed,
    label_chain,
    label_event,
    one_counted_verdict,
    done_has_label,
    evidence_event,
    event_sequence,
    published_once,
    left_once,
    work_has_subject,
)
# A decision without its event leaves an event without its decision.
BOTH_SIDES = {"decision_event": 2, "label_event": 2}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_each_check_finds_its_damage(way, damage):
    name = damage.__name__

    damage(way)

    assert found() == {name: BOTH_SIDES.get(name, 1)}


def test_evidence_that_only_the_trail_or_only_the_ledger_knows_is_found(way):
    entry = query("SELECT case_id, model_version_id FROM gating_ledgerentry")
    assert [row[0] for row in entry] == [way.auto.pk]

    execute("UPDATE gating_ledgerentry SET case_id = gen_random_uuid()")

    assert found() == {"evidence_event": 2}


def test_every_check_has_its_damage():
    assert {damage.__name__ for damage in DAMAGES} == {check.name for check in verification.CHECKS}


@pytest.mark.django_db(transaction=True)
def test_the_command_tells_what_it_finds_and_ends_with_1(stream):
    case = cases.received(stream)
    sound, broken = StringIO(), StringIO()

    call_command("verify", "--json", stdout=sound)
    Work.objects.all().delete()
    with pytest.raises(SystemExit) as ended:
        call_command("verify", stdout=broken)

    assert json.loads(sound.getvalue())["is_sound"] is True
    assert json.loads(sound.getvalue())["cases"]["scoring"] == 1
    assert ended.value.code == 1
    assert "gap      1  scoring_has_work" in broken.getvalue()
    assert str(case.pk) in broken.getvalue()
    assert "1 cases: 1 scoring" in broken.getvalue()
