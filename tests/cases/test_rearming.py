"""An open breaker is armed again by two people, on fresh evidence."""

from typing import Any

import pytest

from reviewapp.accounts.models import User
from reviewapp.cases.actions import rearming
from reviewapp.domain.errors import Conflict, Forbidden, Invalid, NotFound
from reviewapp.events.models import Event
from reviewapp.gating import rulebook
from reviewapp.gating.actions import breakers
from reviewapp.gating.models import Breaker, Certificate
from reviewapp.registry.models import ModelVersion, Role, Stream
from tests.factories import bundles, cases, evidence, policies, reviews, streams, teams
from tests.people import acting

PROMISES = {"intact": {"target_error": 0.05, "confidence": 0.95}}


@pytest.fixture
def version(db: Any) -> ModelVersion:
    return bundles.external_primary(streams.bare())


def opened(version: ModelVersion, thresholds: dict[str, float] | None = None, **body: Any) -> Breaker:
    policies.active(version.stream, thresholds=thresholds or {}, audit_rates={}, promises=PROMISES, **body)
    breakers.watch_all()
    evidence.labels(version, wrong=8, is_automatic=True, segment="north" if body else "")
    breakers.watch_all()
    return rearming.breaker_of(version.stream, "intact")


def ask(breaker: Breaker, by: User) -> Breaker:
    return rearming.ask(breaker=breaker, reason="The scanner was repaired.", by=acting(by))


def test_without_fresh_evidence_the_missing_number_is_told(version: ModelVersion, policy_owner: User) -> None:
    breaker = opened(version, {"intact": 0.9})
    evidence.labels(version, right=20)

    with pytest.raises(Conflict, match=r"20 honest labels at or above 0\.9, 0 wrong") as refusal:
        ask(breaker, policy_owner)

    assert refusal.value.details["missing"] > 30
    evidence.labels(version, right=refusal.value.details["missing"])
    assert ask(breaker, policy_owner).rearm_asked_by == f"user:{policy_owner.pk}"


def test_labels_from_before_it_opened_and_below_the_threshold_are_no_fresh_evidence(
    version: ModelVersion, policy_owner: User
) -> None:
    evidence.labels(version, right=500)
    breaker = opened(version, {"intact": 0.9})
    evidence.labels(version, right=500, confidences=[0.89])

    with pytest.raises(Conflict, match="0 honest labels"):
        ask(breaker, policy_owner)


def test_a_reading_holds_back_later_answers_only_if_its_case_arrived_since_it_opened(
    policy_owner: User, rosa: User
) -> None:
    stream = streams.ready(review_mode="commit_then_reveal")
    policies.active(stream, thresholds={"intact": 0.9}, audit_rates={}, promises=PROMISES)
    cases.decided(stream)  # its audit stays open
    version = stream.model_versions.get()
    breaker = opened(version, {"intact": 0.9})
    missing = rearming.fresh_evidence(breaker).missing
    between = cases.scored(stream, bundles.CLEARLY_INTACT).reviews.get()
    evidence.labels(version, right=missing)

    held_back = rearming.fresh_evidence(breaker)
    reviews.answer(reviews.claimed(stream, rosa, between.case), rosa, "intact")
    counted = rearming.fresh_evidence(breaker)

    assert (held_back.is_enough, held_back.audits) == (False, 0)
    assert held_back.sentence.endswith(
        f"{missing} later answers will count once the earlier cases that are read blind are answered too."
    )
    assert (counted.is_enough, counted.audits) == (True, missing + 1)


def test_a_second_person_arms_it_and_counting_begins_anew(
    version: ModelVersion, policy_owner: User, lead: User
) -> None:
    breaker = opened(version, {"intact": 0.9})
    evidence.labels(version, right=120)
    asked = ask(breaker, policy_owner)

    armed = rearming.confirm(breaker=asked, by=acting(lead))
    breakers.watch_all()

    armed.refresh_from_db()
    assert (armed.state, armed.rearm_asked_by, armed.evidence["audits"]) == ("closed", None, 0)
    assert armed.armed_at > breaker.changed_at
    assert not rulebook.read_locked(version.stream_id).open_breakers
    assert list(Event.objects.filter(type__contains="rearm").order_by("created_at").values_list("type", flat=True)) == [
        "breaker.rearm_asked",
        "breaker.rearmed",
    ]


def test_nobody_agrees_to_what_they_asked_themselves(version: ModelVersion, policy_owner: User, rosa: User) -> None:
    breaker = opened(version, {"intact": 0.9})
    evidence.labels(version, right=120)
    asked = ask(breaker, policy_owner)

    for by, words in ((policy_owner, "asked for it yourself"), (rosa, "policy owner or lead")):
        with pytest.raises(Forbidden, match=words):
            rearming.confirm(breaker=asked, by=acting(by))
    with pytest.raises(Conflict, match="asked for already; a second person"):
        ask(breaker, teams.member("Paul", role=Role.POLICY_OWNER))


def test_what_was_asked_can_be_turned_down(version: ModelVersion, policy_owner: User, lead: User) -> None:
    breaker = opened(version, {"intact": 0.9})
    evidence.labels(version, right=120)
    ask(breaker, policy_owner)

    left = rearming.refuse(breaker=breaker, reason="Wait for the summer.", by=acting(lead))

    assert (left.state, left.rearm_asked_by) == ("open", None)
    with pytest.raises(Conflict, match="Nobody has asked"):
        rearming.confirm(breaker=breaker, by=acting(lead))


def test_a_class_that_follows_its_certificate_needs_a_new_one(version: ModelVersion, policy_owner: User) -> None:
    breaker = opened(version)
    evidence.labels(version, right=500)
    with pytest.raises(Conflict, match="needs a new certificate first"):
        ask(breaker, policy_owner)

    Certificate.objects.create(
        stream=version.stream,
        model_version=version,
        scope="intact",
        number=1,
        state="certified",
        target_error=0.05,
        confidence=0.95,
        threshold=0.9,
    )

    assert ask(breaker, policy_owner).rearm_reason == "The scanner was repaired."


def test_a_segment_is_judged_by_its_own_labels(version: ModelVersion, policy_owner: User) -> None:
    opened(version, {"intact": 0.9}, segment="region")
    breaker = rearming.breaker_of(version.stream, "intact", "north")
    evidence.labels(version, right=200, segment="south")
    with pytest.raises(Conflict, match="0 honest labels"):
        ask(breaker, policy_owner)

    evidence.labels(version, right=200, segment="north")

    assert ask(breaker, policy_owner).segment == "north"


def test_only_an_open_breaker_is_armed_and_only_with_a_reason(version: ModelVersion, policy_owner: User) -> None:
    breaker = opened(version, {"intact": 0.9})
    with pytest.raises(Invalid, match="Say what was done"):
        rearming.ask(breaker=breaker, reason=" ", by=acting(policy_owner))
    Breaker.objects.update(state="closed")

    with pytest.raises(Conflict, match="is not open"):
        ask(breaker, policy_owner)
    with pytest.raises(NotFound):
        rearming.breaker_of(version.stream, "damaged")


def test_without_a_promise_there_is_nothing_to_hold_it_to(version: ModelVersion, policy_owner: User) -> None:
    breaker = opened(version, {"intact": 0.9})
    policies.active(version.stream, thresholds={"intact": 0.9})

    with pytest.raises(Conflict, match="promises nothing"):
        ask(breaker, policy_owner)


def test_streams_do_not_share_breakers(version: ModelVersion) -> None:
    opened(version, {"intact": 0.9})
    other: Stream = streams.bare()

    with pytest.raises(NotFound):
        rearming.breaker_of(other, "intact")
