"""A stored prediction made again from what is kept, and set beside the original."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from reviewapp.accounts.models import User
from reviewapp.cases import loading
from reviewapp.cases.actions import reopening, replaying, work
from reviewapp.cases.models import Case, CaseInput, Decision, Prediction, Work
from reviewapp.cases.replays import Replay, replay_of, replays_of
from reviewapp.domain.errors import Conflict, Forbidden, NotFound
from reviewapp.events.models import Event
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import bundles, cases, streams
from tests.people import acting

pytestmark = pytest.mark.django_db


def replayed(case: Case, **options: Any) -> Replay:
    request = replaying.ask(case_id=case.pk, by=SYSTEM, **options)
    assert replaying.replay_batch() == 1
    return replay_of(case, request)


def test_the_same_bundle_gives_the_same_answer_again(stream: Stream) -> None:
    case = cases.decided(stream)
    prediction = Prediction.objects.get(case=case)

    shown = replayed(case)

    assert (shown.state, shown.prediction_id) == ("done", prediction.pk)
    assert shown.result is not None
    assert shown.result["bundle"] == prediction.model_version.bundle_id
    assert shown.result["difference"] <= shown.result["tolerance"] == 1e-6
    assert shown.result["is_same"]
    assert [then for _, then, _ in shown.side_by_side] == prediction.probabilities
    assert shown.result["again"]["novelty"] == pytest.approx(prediction.novelty)


def test_a_replay_changes_nothing_but_the_trail(stream: Stream) -> None:
    case = cases.decided(stream)
    before = (case.state, Prediction.objects.count(), Decision.objects.count())

    replayed(case)

    case.refresh_from_db()
    assert (case.state, Prediction.objects.count(), Decision.objects.count()) == before
    assert not Work.objects.filter(kind="replay").exists()
    told = Event.objects.filter(case_id=str(case.pk)).order_by("sequence").values_list("type", "sequence")
    assert list(told)[-2:] == [("case.replay_requested", 3), ("case.replayed", 4)]


def test_what_was_stored_otherwise_than_the_model_answers_is_found_out(stream: Stream) -> None:
    case = cases.decided(stream)
    stored = Prediction.objects.get(case=case).probabilities
    Prediction.objects.filter(case=case).update(probabilities=[stored[0] - 0.01, stored[1] + 0.01])

    shown = replayed(case)

    assert shown.result is not None
    assert not shown.result["is_same"]
    assert shown.result["difference"] == pytest.approx(0.01)


def test_an_older_prediction_is_replayed_by_its_own_model_from_its_own_input(stream: Stream) -> None:
    case = cases.decided(stream)
    first = Prediction.objects.get(case=case)
    bundles.primary(stream, name="successor")
    reopening.amend(case_id=case.pk, generation=1, features=dict(bundles.CLEARLY_DAMAGED), by=SYSTEM)
    cases.score_all()

    old, new = replayed(case, prediction_id=first.pk), replayed(case)

    assert old.result is not None
    assert new.result is not None
    assert (old.result["model_version"], old.result["input_generation"]) == (1, 1)
    assert (new.result["model_version"], new.result["input_generation"]) == (2, 2)
    assert old.result["bundle"] != new.result["bundle"]
    assert old.result["is_same"]
    assert new.result["is_same"]
    assert (old.result["again"]["class"], new.result["again"]["class"]) == ("intact", "damaged")


def test_asking_twice_is_replaying_once_and_both_are_answered(stream: Stream) -> None:
    case = cases.decided(stream)

    first, second = (replaying.ask(case_id=case.pk, by=SYSTEM) for _ in range(2))
    waiting = [one.state for one in replays_of(case)]

    assert waiting == ["waiting", "waiting"]
    assert replaying.replay_batch() == 1
    assert {one.id: one.state for one in replays_of(case)} == {first: "done", second: "done"}
    third = replayed(case)
    assert third.id not in {first, second}
    assert third.done_at != replay_of(case, first).done_at


def test_upstreams_own_model_cannot_be_replayed() -> None:
    stream = streams.upstream_scored()
    case = cases.received(stream, prediction=cases.external_prediction(intact=0.6, damaged=0.4))

    with pytest.raises(Conflict) as refused:
        replaying.ask(case_id=case.pk, by=SYSTEM)

    assert refused.value.code == "not_replayable"
    assert not Work.objects.filter(kind="replay").exists()


def test_what_is_not_scored_yet_and_what_is_of_another_case_is_refused(stream: Stream) -> None:
    other = cases.decided(stream)
    fresh = cases.received(stream)

    with pytest.raises(Conflict) as refused:
        replaying.ask(case_id=fresh.pk, by=SYSTEM)
    with pytest.raises(NotFound):
        replaying.ask(case_id=other.pk, by=SYSTEM, prediction_id=UUID(int=0))

    assert refused.value.code == "prediction_pending"


def test_those_who_only_review_may_not_replay(stream: Stream, rosa: User, auditor: User) -> None:
    case = cases.decided(stream)

    with pytest.raises(Forbidden):
        replaying.ask(case_id=case.pk, by=acting(rosa))
    replaying.ask(case_id=case.pk, by=acting(auditor))

    assert replays_of(case)[0].asked_by == f"user:{auditor.pk}"


def test_a_replay_that_fails_says_so_after_its_last_try_and_harms_no_other(stream: Stream) -> None:
    good, bad = cases.decided(stream), cases.decided(stream)
    CaseInput.objects.filter(case=bad).update(features={"dent": "deep"})
    for case in (good, bad):
        replaying.ask(case_id=case.pk, by=SYSTEM)

    for _ in range(work.MAX_ATTEMPTS):
        Work.objects.update(run_after=timezone.now() - timedelta(seconds=1))
        replaying.replay_batch()

    assert replays_of(good)[0].state == "done"
    (failed,) = replays_of(bad)
    assert failed.state == "failed"
    assert failed.failure
    assert not Work.objects.filter(kind="replay").exists()


def test_a_worker_that_lost_its_lease_writes_nothing(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    case = cases.decided(stream)
    request = replaying.ask(case_id=case.pk, by=SYSTEM)
    told = Event.objects.count()

    def lose(bundle: Any) -> Any:
        Work.objects.update(lease_token=None, lease_until=None)
        return loading.loaded(bundle)

    monkeypatch.setattr("reviewapp.cases.actions.replaying.loaded", lose)
    replaying.replay_batch()

    assert Event.objects.count() == told
    assert replay_of(case, request).state == "waiting"


def test_an_erased_input_leaves_nobody_waiting(stream: Stream) -> None:
    case = cases.decided(stream)
    replaying.ask(case_id=case.pk, by=SYSTEM)
    CaseInput.objects.filter(case=case).delete()

    replaying.replay_batch()

    assert [one.state for one in replays_of(case)] == ["failed"]
