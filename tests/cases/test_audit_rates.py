import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from reviewapp.cases.actions import audit_rates
from reviewapp.cases.models import Prediction
from reviewapp.events.models import Event
from reviewapp.gating import rulebook
from reviewapp.gating.models import AuditRate, Breaker, Certificate
from reviewapp.registry.actions import rollouts
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import bundles, cases, policies, rivals, streams

TODAY = datetime.now(UTC).date()
TOMORROW = TODAY + timedelta(days=1)
NOON = datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _not_at_midnight(monkeypatch: pytest.MonkeyPatch) -> None:
    at_noon(monkeypatch)


def at_noon(monkeypatch: pytest.MonkeyPatch, *, is_last_look: bool = False) -> None:
    """A day's rates are set by the clock, and a test may run at any hour."""
    monkeypatch.setattr(audit_rates, "_clock", lambda: (NOON, is_last_look))


def ruled(audit: dict[str, Any] | None = None, **policy: Any) -> Stream:
    """A stream whose policy names no rate by hand."""
    return streams.ready(policy={"audit_rates": {}, "audit": audit or {}, **policy})


def rates(stream: Stream, day: date) -> dict[str, float]:
    return dict(AuditRate.objects.filter(stream=stream, day=day).values_list("answer", "rate"))


def yesterdays(stream: Stream, number: int) -> None:
    """So many cases that acted alone a day ago."""
    for _ in range(number):
        cases.decided(stream)
    Prediction.objects.filter(case__stream=stream).update(created_at=NOON - timedelta(days=1))


def test_without_history_everything_that_acts_is_audited(db: None) -> None:
    stream = ruled(audit={"ceiling": 0.8})

    assert audit_rates.set_rates() == 4

    assert rates(stream, TODAY) == rates(stream, TOMORROW) == {"intact": 0.8, "damaged": 0.8}
    assert "No history" in AuditRate.objects.filter(day=TODAY).first().cause
    assert audit_rates.set_rates() == 0


def test_a_rate_brings_the_audits_expected_of_what_acts_in_a_day(db: None) -> None:
    stream = ruled(audit={"expected_per_day": 2.0})
    yesterdays(stream, 8)

    audit_rates.set_rates(stream=stream)

    assert rates(stream, TODAY)["intact"] == pytest.approx(0.25)
    assert rates(stream, TODAY)["damaged"] == 1.0
    cause = AuditRate.objects.get(day=TODAY, answer="intact").cause
    assert cause == "2 audits a day, of about 8 automatic decisions."


def test_what_people_decide_counts_as_soon_as_it_would_act(db: None) -> None:
    stream = ruled(audit={"expected_per_day": 1.0}, threshold=1.0)
    for _ in range(4):
        cases.scored(stream, bundles.CLEARLY_INTACT)
    policies.active(stream, threshold=0.5, audit_rates={}, audit={"expected_per_day": 1.0})

    audit_rates.set_rates(stream=stream)

    assert rates(stream, TOMORROW)["intact"] == 0.25


def test_what_a_guardrail_stops_is_no_volume(db: None) -> None:
    stream = ruled(audit={"expected_per_day": 1.0}, novelty_floor=1.0)
    for _ in range(4):
        cases.scored(stream, bundles.CLEARLY_INTACT)

    audit_rates.set_rates(stream=stream)

    assert rates(stream, TOMORROW)["intact"] == 1.0


def test_a_day_that_began_without_a_rate_keeps_the_most_that_is_allowed(db: None) -> None:
    stream = ruled(audit={"expected_per_day": 1.0, "ceiling": 0.9})
    for _ in range(4):
        cases.decided(stream)

    audit_rates.set_rates(stream=stream)

    assert rates(stream, TODAY)["intact"] == 0.9
    assert rates(stream, TOMORROW)["intact"] == pytest.approx(0.25)


@pytest.mark.parametrize("state", ["amber", "open"])
def test_a_doubtful_breaker_multiplies_the_next_days_audits(db: None, state: str) -> None:
    stream = ruled(audit={"expected_per_day": 1.0, "amber_factor": 3.0})
    yesterdays(stream, 10)
    Breaker.objects.create(stream=stream, answer="intact", segment="north", state=state)

    audit_rates.set_rates(stream=stream)

    assert rates(stream, TOMORROW)["intact"] == pytest.approx(0.3)
    assert "times 3" in AuditRate.objects.get(day=TOMORROW, answer="intact").cause


def test_a_doubt_of_the_last_hour_reaches_tomorrow_and_never_a_day_that_began(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = ruled(audit={"expected_per_day": 1.0})
    yesterdays(stream, 10)
    audit_rates.set_rates(stream=stream)
    Breaker.objects.create(stream=stream, answer="intact", state="amber")

    assert audit_rates.set_rates(stream=stream) == 0
    at_noon(monkeypatch, is_last_look=True)
    audit_rates.set_rates(stream=stream)

    assert rates(stream, TODAY)["intact"] == pytest.approx(0.1)
    assert rates(stream, TOMORROW)["intact"] == pytest.approx(0.5)


def test_rates_by_hand_and_classes_that_never_act_are_left_alone(db: None) -> None:
    stream = streams.ready(policy={"audit_rates": {"intact": 0.0}, "never_automate": ["damaged"]})

    assert audit_rates.set_rates(stream=stream) == 0


def test_a_stream_without_policy_or_model_has_no_rates(bare_stream: Stream) -> None:
    policies.active(bare_stream, audit_rates={})

    assert audit_rates.set_rates(stream=bare_stream) == 0
    assert audit_rates.set_rates(stream=streams.bare()) == 0
    assert audit_rates.set_rates() == 0


def test_a_promised_class_has_a_rate_once_it_is_certified(db: None) -> None:
    promise = {"intact": {"target_error": 0.05, "confidence": 0.95}}
    stream = streams.ready(policy={"thresholds": {}, "promises": promise, "audit_rates": {}})
    assert audit_rates.set_rates(stream=stream) == 0

    Certificate.objects.create(
        stream=stream,
        model_version=stream.model_versions.get(),
        scope="intact",
        number=1,
        state="certified",
        target_error=0.05,
        confidence=0.95,
        threshold=0.9,
    )

    assert audit_rates.set_rates(stream=stream) == 2
    assert rates(stream, TODAY) == {"intact": 1.0}


def test_a_canary_has_rates_of_its_own_and_a_shadow_none(db: None) -> None:
    stream = ruled()
    rival = rivals.version(stream)
    rollouts.start_shadow(version=rival, by=SYSTEM)
    assert audit_rates.set_rates(stream=stream, day=TODAY) == 2

    rollouts.start_canary(version=rival, share=0.5, by=SYSTEM)

    assert audit_rates.set_rates(stream=stream, day=TODAY) == 2
    assert AuditRate.objects.filter(model_version=rival).count() == 2


def test_a_rate_is_an_event_and_what_the_gate_draws_by(db: None) -> None:
    stream = ruled(audit={"ceiling": 0.7})
    version = stream.model_versions.get()

    audit_rates.set_rates(stream=stream, day=TODAY)

    event = Event.objects.filter(type="audit_rate.set").order_by("pk").first()
    payload = json.loads(bytes(event.payload))
    assert (event.actor, event.stream_id) == ("system", str(stream.pk))
    assert payload == {
        "model_version": str(version.pk),
        "number": version.number,
        "class": "intact",
        "day": TODAY.isoformat(),
        "rate": 0.7,
        "cause": "No history yet: as many as the policy allows.",
    }
    case = cases.decided(stream)
    assert Prediction.objects.get(case=case).inclusion_probability == 0.7
    assert rulebook.read_locked(stream.pk).standings[str(version.pk)].audit_rates == {"intact": 0.7, "damaged": 0.7}
