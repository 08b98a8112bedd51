"""The looks: real cases, real blind answers, and what they earn."""

from datetime import timedelta
from typing import Any

import pytest

from reviewapp.accounts.models import User
from reviewapp.cases.actions import certifying
from reviewapp.cases.models import Prediction, Review
from reviewapp.gating.actions.ladders import Served
from reviewapp.gating.models import AuditRate, Certificate, LedgerEntry
from reviewapp.registry.models import Stream
from tests.factories import cases, evidence, policies, reviews, streams

PROMISES = {"intact": {"target_error": 0.05, "confidence": 0.95}}


@pytest.fixture
def stream(db: Any) -> Stream:
    """Everything goes to people, who answer blind; “intact” is promised."""
    stream = streams.upstream_scored(review_mode="blind", policy={"thresholds": {}, "audit_rates": {}})
    policies.active(stream, thresholds={}, audit_rates={}, promises=PROMISES)
    return stream


def arrive(stream: Stream, confidence: float) -> Review:
    prediction = cases.external_prediction(intact=confidence, damaged=1 - confidence)
    case = cases.scored(stream, {"dent": 1.0, "tear": 1.0}, prediction=prediction)
    return reviews.waiting(stream, case)


def answer(review: Review, rosa: User, given: str = "intact") -> None:
    reviews.claimed(review.stream, rosa, review.case)
    reviews.answer(review, rosa, given)


def test_a_blind_answer_becomes_evidence_that_the_next_look_counts(stream: Stream, rosa: User) -> None:
    certifying.look_all()
    answer(arrive(stream, 0.9), rosa)

    certifying.look_all()

    certificate = Certificate.objects.get(voided_at__isnull=True)
    assert (certificate.scope, certificate.state, certificate.evidence["labels"]) == ("intact", "unproven", 1)
    assert certificate.evidence["sentence"].startswith("1 case of this class scored; thresholds are drawn up from 200")


def test_an_answer_counts_only_after_those_of_the_cases_before_it(stream: Stream, rosa: User) -> None:
    first, second = arrive(stream, 0.9), arrive(stream, 0.8)
    answer(second, rosa)
    assert LedgerEntry.objects.count() == 1

    certifying.look_all()
    assert Certificate.objects.latest("number").evidence["labels"] == 0
    answer(first, rosa)
    certifying.look_all()

    assert Certificate.objects.latest("number").evidence["labels"] == 2


def test_what_waits_from_before_a_new_beginning_holds_nothing_back(stream: Stream, rosa: User) -> None:
    arrive(stream, 0.9)
    certifying.look_all()
    looser = {"intact": {"target_error": 0.06, "confidence": 0.95}}
    policies.active(stream, thresholds={}, audit_rates={}, promises=looser)
    answer(arrive(stream, 0.8), rosa)

    certifying.look_all()

    assert Certificate.objects.latest("number").evidence["labels"] == 1


def test_the_ladder_comes_from_what_was_served(stream: Stream) -> None:
    for confidence in (0.9, 0.8, 0.7):
        arrive(stream, confidence)
    version = stream.model_versions.get()

    served = certifying.served(version, "intact")

    assert sorted(served.scores) == [0.7, 0.8, 0.9]
    assert served.labels_per_day == pytest.approx(3.0)
    assert certifying.served(version, "damaged").scores == ()


def test_old_predictions_say_nothing_of_the_volume(stream: Stream) -> None:
    arrive(stream, 0.9)
    Prediction.objects.update(created_at=Prediction.objects.get().created_at - timedelta(days=4))

    assert certifying.served(stream.model_versions.get(), "intact").labels_per_day == pytest.approx(0.25, abs=0.01)


def test_a_stream_that_fails_does_not_keep_the_others_from_their_look(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = streams.upstream_scored()
    policies.active(other, thresholds={}, audit_rates={}, promises=PROMISES)
    real = certifying.certificates.look

    def fails(*, version: Any, situation: Any) -> Any:
        if version.stream_id == stream.pk:
            raise RuntimeError("lost")
        return real(version=version, situation=situation)

    monkeypatch.setattr(certifying.certificates, "look", fails)

    assert certifying.look_all() == 1
    assert Certificate.objects.get().stream == other


def test_what_a_new_certificate_lets_act_is_audited_from_then_on(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = stream.model_versions.get()
    monkeypatch.setattr(certifying, "served", lambda *_: Served([0.5 + number / 1000 for number in range(500)], 20.0))
    evidence.labels(version, right=150, confidences=[0.97])

    certifying.look_all()

    assert Certificate.objects.get().state == "certified"
    assert set(AuditRate.objects.values_list("answer", "model_version")) == {("intact", version.pk)}


def test_streams_without_a_promise_cost_nothing(db: None) -> None:
    streams.upstream_scored()

    assert certifying.look_all() == 0
    assert not Certificate.objects.exists()
