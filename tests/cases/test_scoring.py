from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from reviewapp import inference_client
from reviewapp.cases.actions import reopening, scoring, work
from reviewapp.cases.models import Case, CaseInput, Prediction, Review, Work
from reviewapp.events.models import Event
from reviewapp.gating.actions import holds
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Bundle, BundleChunk, Stream
from tests.factories import bundles, cases, policies, streams


def poison(case: Case) -> None:
    """Make the stored input something no model can read, as a bug or a restored backup might."""
    CaseInput.objects.filter(case=case).update(features={"dent": {"not": "a number"}, "tear": 1.0})


def make_due() -> None:
    Work.objects.update(run_after=timezone.now())


def test_a_batch_is_scored_and_its_work_is_gone(stream: Stream) -> None:
    clear, unclear = cases.received(stream, bundles.CLEARLY_DAMAGED), cases.received(stream, bundles.UNCLEAR)

    taken = scoring.score_batch()

    clear.refresh_from_db()
    unclear.refresh_from_db()
    assert taken == 2
    assert (clear.state, unclear.state) == ("decided", "in_review")
    assert not Work.objects.filter(kind="score").exists()


def test_a_batch_reaches_people_in_the_order_of_arrival(stream: Stream) -> None:
    # Evidence counts up to the first case that is unanswered: out of order, a batch brings none until its last answer.
    arrived = [cases.received(stream, bundles.UNCLEAR).pk for _ in range(12)]
    for pk in arrived[:6]:
        Case.objects.filter(pk=pk).update(num_events=1)  # moves the row behind the others

    scoring.score_batch()

    assert list(Review.objects.order_by("pk").values_list("case_id", flat=True)) == arrived


def test_nothing_to_score_takes_nothing(db: None) -> None:
    assert scoring.score_batch() == 0


def test_a_prediction_keeps_what_the_model_said_and_how_the_gate_ruled(stream: Stream) -> None:
    case = cases.decided(stream)

    prediction = Prediction.objects.get(case=case)
    version = stream.model_versions.get()
    assert (prediction.role, prediction.model_version, prediction.generation) == ("primary", version, 1)
    assert prediction.answer == "intact"
    assert sum(prediction.probabilities) == pytest.approx(1)
    assert prediction.confidence == max(prediction.probabilities) >= 0.9
    assert 0 <= prediction.novelty <= 1
    assert prediction.provider.endswith("ExecutionProvider")
    assert (prediction.route, prediction.threshold) == ("auto", 0.9)
    assert prediction.policy_version == stream.policy_versions.get()


def test_a_poisoned_row_fails_alone_and_its_batch_is_scored(stream: Stream) -> None:
    good = [cases.received(stream, bundles.CLEARLY_INTACT) for _ in range(6)]
    poisoned = cases.received(stream)
    poison(poisoned)

    scoring.score_batch()

    assert Case.objects.filter(pk__in=[case.pk for case in good], state="decided").count() == 6
    waiting = Work.objects.get(kind="score")
    assert (waiting.subject, waiting.attempts, waiting.lease_token) == (str(poisoned.pk), 1, None)
    assert waiting.last_error
    assert waiting.run_after > timezone.now()


def test_after_its_last_try_a_case_goes_to_people(stream: Stream) -> None:
    case = cases.received(stream)
    poison(case)

    for _ in range(work.MAX_ATTEMPTS):
        make_due()
        scoring.score_batch()

    case.refresh_from_db()
    review = case.reviews.get()
    assert case.state == "in_review"
    assert review.reasons == [{"code": "scoring_failed", "sentence": "The case could not be scored."}]
    assert review.prediction is None
    assert not Work.objects.exists()
    assert Event.objects.filter(case_id=str(case.pk), type="review.opened", sequence=2).exists()


def test_a_case_that_kills_its_workers_goes_to_people_too(stream: Stream) -> None:
    case = cases.received(stream)

    for _ in range(work.MAX_ATTEMPTS):
        assert work.claim(kind="score", limit=10).rows
        Work.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert work.free_expired() == 1
    scoring.score_batch()

    case.refresh_from_db()
    assert case.state == "in_review"
    assert case.reviews.get().reasons[0]["code"] == "scoring_failed"


def test_a_row_whose_lease_was_lost_is_left_to_its_new_holder(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    case = cases.received(stream)

    def lose_the_lease() -> None:
        Work.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        work.free_expired()
        work.claim(kind="score", limit=1)

    _while_the_model_runs(monkeypatch, lose_the_lease)

    scoring.score_batch()

    case.refresh_from_db()
    assert case.state == "scoring"
    assert not Prediction.objects.exists()
    assert Work.objects.get().lease_token is not None


def test_a_rollout_that_changes_in_between_has_the_batch_scored_again(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = cases.received(stream, bundles.CLEARLY_INTACT)
    newer = bundles.version(stream, "parcels-2")
    _while_the_model_runs(monkeypatch, lambda: bundles.primary(stream, "parcels-2"))

    scoring.score_batch()

    waiting = Work.objects.get(kind="score")
    assert (waiting.attempts, waiting.lease_token) == (0, None)
    cases.score_all()
    case.refresh_from_db()
    assert case.state == "decided"
    assert Prediction.objects.get(case=case).model_version == newer


def test_a_hold_placed_while_the_model_runs_keeps_the_batch_from_acting(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = cases.received(stream, bundles.CLEARLY_INTACT)
    _while_the_model_runs(
        monkeypatch, lambda: holds.place(stream=stream, scope="automation", reason="Doubts.", by=SYSTEM)
    )

    scoring.score_batch()

    case.refresh_from_db()
    assert case.state == "in_review"
    assert case.reviews.get().reasons[0]["code"] == "held"


def _while_the_model_runs(monkeypatch: pytest.MonkeyPatch, happen: Callable[[], object]) -> None:
    predict = inference_client.predict_json
    waiting = [happen]

    def predict_after(*arguments: Any, **options: Any) -> Any:
        if waiting:
            waiting.pop()()
        return predict(*arguments, **options)

    monkeypatch.setattr(inference_client, "predict_json", predict_after)


def test_an_amendment_while_the_model_runs_leaves_the_case_to_its_new_generation(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = cases.received(stream, bundles.CLEARLY_INTACT)
    _while_the_model_runs(
        monkeypatch,
        lambda: reopening.amend(case_id=case.pk, generation=1, features=bundles.CLEARLY_DAMAGED, by=SYSTEM),
    )

    scoring.score_batch()
    cases.score_all()

    case.refresh_from_db()
    assert (case.state, case.generation) == ("decided", 2)
    assert [(p.generation, p.answer) for p in Prediction.objects.filter(case=case)] == [(2, "damaged")]


def test_without_a_policy_people_decide(bare_stream: Stream) -> None:
    bundles.primary(bare_stream)

    case = cases.scored(bare_stream, bundles.CLEARLY_INTACT)

    assert case.state == "in_review"
    assert case.reviews.get().reasons[0]["code"] == "no_policy"
    assert case.reviews.get().prediction.answer == "intact"


def test_without_a_model_people_decide(bare_stream: Stream) -> None:
    policies.active(bare_stream)

    case = cases.scored(bare_stream)

    assert case.state == "in_review"
    assert case.reviews.get().reasons[0]["code"] == "model_unavailable"


def test_a_damaged_copy_of_the_bundle_is_never_scored_with(db: None) -> None:
    stream = streams.bare()
    version = bundles.primary(stream, "parcels-damaged")
    policies.active(stream)
    chunk = BundleChunk.objects.get(bundle=version.bundle, file="model.onnx")
    BundleChunk.objects.filter(pk=chunk.pk).update(data=bytes(chunk.data)[:-1] + b"\x00")
    case = cases.received(stream, bundles.CLEARLY_INTACT)

    scoring.score_batch()

    case.refresh_from_db()
    assert case.state == "scoring"
    assert "BundleRefused" in Work.objects.get(kind="score").last_error
    assert Bundle.objects.filter(pk=version.bundle_id).exists()


def test_streams_are_scored_apart_under_their_own_rules(stream: Stream) -> None:
    cautious = streams.ready(policy={"threshold": 1.0})
    trusting, doubted = cases.received(stream, bundles.CLEARLY_INTACT), cases.received(cautious, bundles.CLEARLY_INTACT)

    assert scoring.score_batch() == 2

    trusting.refresh_from_db()
    doubted.refresh_from_db()
    assert (trusting.state, doubted.state) == ("decided", "in_review")


def test_the_urgent_is_scored_before_the_old(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "BATCH", 1)
    old, urgent = cases.received(stream), cases.received(stream)
    assert work.hurry(kind="score", subject=str(urgent.pk))

    scoring.score_batch()

    old.refresh_from_db()
    urgent.refresh_from_db()
    assert (old.state, urgent.state) == ("scoring", "in_review")
