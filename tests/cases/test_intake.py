import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from reviewapp.accounts.models import User
from reviewapp.cases.actions import intake
from reviewapp.cases.models import Case, CaseInput, Prediction, Work
from reviewapp.domain import sampling
from reviewapp.domain.errors import Invalid
from reviewapp.events.models import Event
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import bundles, cases, streams
from tests.people import acting


def receive(stream: Stream, *submissions: object) -> list[tuple[str, str]]:
    receipts = intake.receive(stream=stream, submissions=submissions, by=SYSTEM)
    return [(receipt.outcome, receipt.external_id) for receipt in receipts]


def test_a_new_case_is_written_with_its_input_work_and_event(stream: Stream) -> None:
    submission = cases.submission(stream, "p-1", {"dent": 3, "tear": 4.5}, context={"lane": "north"})

    (receipt,) = intake.receive(stream=stream, submissions=[submission], by=SYSTEM, traceparent="00-trace")

    case = Case.objects.get(pk=receipt.case_id)
    assert (receipt.outcome, case.external_id, case.state, case.generation) == ("created", "p-1", "scoring", 1)
    assert case.due_at - case.received_at == stream.sla == timedelta(hours=24)
    given = CaseInput.objects.get(case=case)
    assert (given.features, given.context) == ({"dent": 3.0, "tear": 4.5}, {"lane": "north"})
    waiting = Work.objects.get(kind="score", subject=str(case.pk))
    assert (waiting.generation, waiting.attempts, waiting.traceparent) == (1, 0, "00-trace")
    event = Event.objects.get(case_id=str(case.pk))
    assert (event.type, event.sequence, event.actor) == ("case.received", 1, "system")


def test_the_coins_of_a_case_are_those_its_id_draws(stream: Stream) -> None:
    case = cases.received(stream)

    assert sampling.Coins(case.coin, case.rollout_coin, case.half_coin) == sampling.draw(
        settings.COIN_KEY.encode(), case.pk
    )


def test_the_same_content_again_is_a_replay_and_writes_nothing(stream: Stream) -> None:
    first = cases.received(stream, {"dent": 1, "tear": 2}, external_id="p-1")

    (receipt,) = intake.receive(
        stream=stream, submissions=[cases.submission(stream, "p-1", {"tear": 2.0, "dent": 1.0})], by=SYSTEM
    )

    assert (receipt.outcome, receipt.case_id) == ("replayed", first.pk)
    assert Case.objects.count() == CaseInput.objects.count() == Work.objects.count() == 1


@pytest.mark.parametrize("change", [{"features": {"dent": 1, "tear": 3}}, {"context": {"lane": "south"}}])
def test_other_content_under_a_known_id_is_a_conflict(stream: Stream, change: dict[str, object]) -> None:
    cases.received(stream, {"dent": 1, "tear": 2}, external_id="p-1")
    content = {"features": {"dent": 1, "tear": 2}, **change}

    outcome = receive(stream, cases.submission(stream, "p-1", **content))

    assert outcome == [("conflict", "p-1")]
    assert CaseInput.objects.get().features == {"dent": 1.0, "tear": 2.0}


def test_within_one_list_the_first_of_a_repeated_id_wins(stream: Stream) -> None:
    same, other = {"dent": 1, "tear": 2}, {"dent": 9, "tear": 2}

    outcomes = receive(
        stream,
        cases.submission(stream, "p-1", same),
        cases.submission(stream, "p-2", same),
        cases.submission(stream, "p-1", same),
        cases.submission(stream, "p-1", other),
    )

    assert outcomes == [("created", "p-1"), ("created", "p-2"), ("replayed", "p-1"), ("conflict", "p-1")]
    assert Case.objects.count() == 2


def test_an_external_id_belongs_to_its_stream_only(stream: Stream) -> None:
    cases.received(stream, external_id="p-1")
    other = streams.bare()

    assert receive(other, cases.submission(other, "p-1")) == [("created", "p-1")]


def test_nothing_to_receive_writes_nothing(stream: Stream) -> None:
    assert receive(stream) == []


def test_a_case_is_seen_only_by_those_of_its_team(stream: Stream, rosa: User, outsider: User) -> None:
    case = cases.received(stream)

    assert Case.objects.visible_to(acting(rosa)).get() == case
    assert not Case.objects.visible_to(acting(outsider)).exists()


@pytest.mark.django_db(transaction=True)
def test_eight_senders_of_the_same_ids_in_any_order_make_each_case_once(bare_stream: Stream) -> None:
    ids = [f"p-{number}" for number in range(200)]

    def send(seed: int) -> list[str]:
        shuffled = random.Random(seed).sample(ids, len(ids))
        batch = [cases.submission(bare_stream, external_id, {"dent": 1}) for external_id in shuffled]
        try:
            return [receipt.outcome for receipt in intake.receive(stream=bare_stream, submissions=batch, by=SYSTEM)]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        outcomes = [outcome for sent in pool.map(send, range(8)) for outcome in sent]

    assert outcomes.count("created") == 200
    assert outcomes.count("replayed") == 7 * 200
    assert (
        Case.objects.count()
        == CaseInput.objects.count()
        == Work.objects.count()
        == Event.objects.filter(type="case.received").count()
        == 200
    )


class TestOneAtATime:
    """A single case takes a shorter way with the same guarantees."""

    def receive(self, stream: Stream, *arguments: Any) -> intake.Receipt:
        return intake.receive_one(stream=stream, submission=cases.submission(stream, *arguments), by=SYSTEM)

    def test_it_writes_what_the_list_writes(self, stream: Stream) -> None:
        self.receive(stream, "alone", {"dent": 3, "tear": 4.5})
        receive(stream, cases.submission(stream, "listed", {"dent": 3, "tear": 4.5}))

        alone, listed = Case.objects.get(external_id="alone"), Case.objects.get(external_id="listed")
        for case in (alone, listed):
            assert (case.state, case.generation, case.num_events) == ("scoring", 1, 1)
            assert case.due_at - case.received_at == stream.sla
            assert sampling.draw(settings.COIN_KEY.encode(), case.pk).audit == case.coin
            assert case.inputs.get().features == {"dent": 3.0, "tear": 4.5}
            event = Event.objects.get(case_id=str(case.pk))
            assert (event.type, event.sequence, event.actor) == ("case.received", 1, "system")
            assert json.loads(bytes(event.payload))["external_id"] == case.external_id
            assert Work.objects.filter(kind="score", subject=str(case.pk), generation=1).count() == 1

    def test_it_knows_a_replay_from_a_conflict(self, stream: Stream) -> None:
        first = self.receive(stream, "p-1", {"dent": 1, "tear": 2})

        same, other = (self.receive(stream, "p-1", {"dent": dent, "tear": 2}) for dent in (1.0, 9))

        assert [first.outcome, same.outcome, other.outcome] == ["created", "replayed", "conflict"]
        assert first.case_id == same.case_id == other.case_id
        assert Case.objects.count() == CaseInput.objects.count() == Work.objects.count() == 1

    def test_it_gates_a_prediction_of_upstream(self, db: None) -> None:
        stream = streams.upstream_scored()
        given = cases.submission(stream, "p-1", {}, prediction=cases.external_prediction(intact=1, damaged=0))

        receipt = intake.receive_one(stream=stream, submission=given, by=SYSTEM)

        assert Case.objects.get(pk=receipt.case_id).state == "decided"

    @pytest.mark.django_db(transaction=True)
    def test_senders_of_the_same_ids_make_each_case_once(self, bare_stream: Stream) -> None:
        def send(_: int) -> list[str]:
            try:
                return [self.receive(bare_stream, f"p-{number}").outcome for number in range(25)]
            finally:
                connection.close()

        with ThreadPoolExecutor(8) as pool:
            outcomes = [outcome for sent in pool.map(send, range(8)) for outcome in sent]

        assert (outcomes.count("created"), outcomes.count("replayed")) == (25, 7 * 25)
        assert Case.objects.count() == CaseInput.objects.count() == Work.objects.count() == 25


class TestPredictionsOfUpstream:
    """Cases that upstream has scored itself are gated at once."""

    def test_a_confident_one_is_decided_in_the_transaction_of_its_arrival(self, db: None) -> None:
        stream = streams.upstream_scored()

        case = cases.received(stream, {"any": 1}, prediction=cases.external_prediction(intact=0.03, damaged=0.97))

        prediction = Prediction.objects.get(case=case)
        assert case.state == "decided"
        assert (prediction.role, prediction.answer, prediction.confidence) == ("external", "damaged", 0.97)
        assert prediction.probabilities == [0.03, 0.97]
        assert case.decisions.get().answer == "damaged"
        assert not Work.objects.exists()

    def test_an_unsure_one_waits_for_a_person_and_has_no_explanation(self, db: None) -> None:
        stream = streams.upstream_scored()

        case = cases.received(stream, {}, prediction=cases.external_prediction(intact=0.6, damaged=0.4))

        assert case.state == "in_review"
        assert case.reviews.get().reasons[0]["code"] == "below_threshold"
        assert not Work.objects.filter(kind="explain").exists()

    def test_without_a_policy_it_goes_to_people(self, bare_stream: Stream) -> None:
        bundles.external_primary(bare_stream)

        case = cases.received(bare_stream, {}, prediction=cases.external_prediction(intact=1, damaged=0))

        assert case.reviews.get().reasons[0]["code"] == "no_policy"

    def test_a_prediction_of_another_model_is_refused_and_nothing_is_kept(self, db: None) -> None:
        stream = streams.upstream_scored()
        given = cases.external_prediction(model="somebody-elses", intact=1, damaged=0)

        with pytest.raises(Invalid, match="it must be “upstream-model”") as refusal:
            cases.received(stream, {}, prediction=given)

        assert refusal.value.details["errors"][0]["field"] == "prediction.model"
        assert not Case.objects.exists()

    def test_a_stream_that_scores_itself_takes_no_predictions(self, stream: Stream) -> None:
        with pytest.raises(Invalid, match="this stream scores itself"):
            cases.received(stream, prediction=cases.external_prediction(intact=1, damaged=0))
