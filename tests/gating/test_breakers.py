"""Breakers: closed, in doubt, open."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from django.db import connection, transaction

from reviewapp.domain.gate import GUARDRAIL_CODES
from reviewapp.domain.policy import Policy, Promise
from reviewapp.events.models import Event
from reviewapp.gating import rulebook, watch
from reviewapp.gating.actions import breakers
from reviewapp.gating.models import Breaker, Certificate
from reviewapp.registry.models import ModelVersion, PolicyVersion
from reviewapp.registry.policies import read_body
from tests.factories import bundles, evidence, locks, policies, streams

PROMISES = {"intact": {"target_error": 0.05, "confidence": 0.95}}


@pytest.fixture
def version(db: None) -> ModelVersion:
    return bundles.external_primary(streams.bare())


@pytest.fixture
def policy(version: ModelVersion) -> PolicyVersion:
    return policies.active(version.stream, thresholds={}, audit_rates={}, promises=PROMISES)


def step(policy: PolicyVersion, **changes: Any) -> None:
    body = read_body({**policy.body, **changes})
    breakers.step(stream=policy.stream, policy=body)


def audits(version: ModelVersion, *, right: int = 0, wrong: int = 0, **more: Any) -> None:
    evidence.labels(version, right=right, wrong=wrong, is_automatic=True, **more)


def breaker(segment: str = "") -> Breaker:
    return Breaker.objects.get(answer="intact", segment=segment)


def types() -> list[str]:
    found = Event.objects.filter(type__startswith="breaker.").order_by("created_at", "id")
    return list(found.values_list("type", flat=True))


def test_good_audits_leave_it_closed(version: ModelVersion, policy: PolicyVersion) -> None:
    step(policy)
    audits(version, wrong=2)
    audits(version, right=60)
    step(policy)

    assert (breaker().state, breaker().evidence["audits"], breaker().evidence["wrong"]) == ("closed", 62, 2)
    assert breakers.told(breaker()).startswith("2 of 62 audits wrong, 5% promised; evidence")
    assert not types()


def test_doubt_is_amber_and_passes_when_good_audits_follow(version: ModelVersion, policy: PolicyVersion) -> None:
    step(policy)
    audits(version, wrong=3)
    step(policy)
    assert breaker().state == "amber"
    audits(version, right=60)

    step(policy)

    assert breaker().state == "closed"
    assert types() == ["breaker.amber", "breaker.closed"]


def test_a_broken_promise_opens_it_voids_the_certificate_and_sends_the_class_to_people(
    version: ModelVersion, policy: PolicyVersion
) -> None:
    certificate = Certificate.objects.create(
        stream=version.stream,
        model_version=version,
        scope="intact",
        number=1,
        state="certified",
        target_error=0.05,
        confidence=0.95,
        threshold=0.9,
    )
    step(policy)
    audits(version, right=10, wrong=8)

    step(policy)

    certificate.refresh_from_db()
    rules = rulebook.read_locked(version.stream_id)
    assert (breaker().state, breaker().evidence["versions"]) == ("open", [str(version.pk)])
    assert certificate.void_reason == "Its breaker opened."
    assert rules.open_breakers == {("intact", "")}
    assert rules.policy_for(version.pk).thresholds == {}
    opened = msgspec.json.decode(bytes(Event.objects.get(type="breaker.opened").payload))
    assert (opened["class"], opened["evidence"]["wrong"] <= 8) == ("intact", True)


def test_an_open_breaker_stays_open_whatever_follows(version: ModelVersion, policy: PolicyVersion) -> None:
    step(policy)
    audits(version, wrong=8)
    step(policy)
    audits(version, right=500)

    step(policy)

    assert breaker().state == "open"
    assert types() == ["breaker.opened"]


def test_audits_from_before_it_was_armed_reviews_and_overdue_ones_do_not_count(
    version: ModelVersion, policy: PolicyVersion
) -> None:
    step(policy)
    audits(version, wrong=20, at=datetime.now(UTC) - timedelta(hours=1))
    evidence.labels(version, wrong=20)
    audits(version, wrong=20, is_overdue=True)

    step(policy)

    assert (breaker().state, breaker().evidence["audits"]) == ("closed", 0)


def test_one_segment_opens_alone_where_only_it_fails(version: ModelVersion, policy: PolicyVersion) -> None:
    step(policy, segment="region")
    audits(version, right=300, segment="north")
    audits(version, wrong=3, right=4, segment="south")
    audits(version, right=200, segment="north")
    audits(version, wrong=5, segment="south")

    step(policy, segment="region")

    assert (breaker("south").state, breaker("north").state, breaker().state) == ("open", "closed", "amber")
    assert rulebook.read_locked(version.stream_id).open_breakers == {("intact", "south")}


def test_many_segments_take_no_more_statements_than_few(
    version: ModelVersion, policy: PolicyVersion, django_assert_num_queries: Any
) -> None:
    step(policy, segment="region")
    for number in range(12):
        audits(version, right=number + 1, segment=f"region {number:02}")
    step(policy, segment="region")
    seen = Breaker.objects.exclude(segment="").order_by("segment").values_list("segment", "evidence__audits")
    assert list(seen) == [(f"region {number:02}", number + 1) for number in range(12)]

    with django_assert_num_queries(5):
        step(policy, segment="region")


def test_without_a_promise_there_is_no_breaker(version: ModelVersion) -> None:
    policies.active(version.stream, thresholds={"intact": 0.9})
    audits(version, wrong=50)

    breakers.watch_all()

    assert not Breaker.objects.exists()


def test_a_threshold_by_hand_has_a_breaker_where_something_is_promised(version: ModelVersion) -> None:
    policies.active(version.stream, thresholds={"intact": 0.9}, audit_rates={}, promises=PROMISES)
    breakers.watch_all()
    audits(version, wrong=8)

    assert breakers.watch_all() == 1
    assert breakers.watch_all() == 0
    assert breaker().state == "open"


@pytest.mark.parametrize(
    ("audits_seen", "days", "before", "segment", "limit"),
    [
        (0, 1.0, {}, None, 20 * 365 / 0.05),
        (0, 1.0, {}, "region", 2 * 20 * 365 / 0.05),
        (700, 7.0, {}, None, 100 * 365 / 0.05),
        (0, 1.0, {"limit": 1e6}, None, 1e6),
    ],
)
def test_the_limit_follows_the_audits_a_year(
    audits_seen: int, days: float, before: dict[str, float], segment: str | None, limit: float
) -> None:
    policy = Policy(thresholds={}, promises={"intact": Promise(0.05, 0.95)}, segment=segment)

    assert watch.limit_for(policy, audits=audits_seen, days=days, before=before) == pytest.approx(limit)


def test_counting_ends_where_the_limit_is_reached() -> None:
    found = watch.watch([True] * 20, target_error=0.05, limit=1000.0)

    assert found.audits < 6
    assert found.level >= found.limit


def test_an_open_breaker_is_no_guardrail_of_the_input() -> None:
    assert "breaker_open" not in GUARDRAIL_CODES


@pytest.mark.django_db(transaction=True)
def test_opening_waits_for_the_batch_that_is_being_decided_and_binds_the_next(
    version: ModelVersion, policy: PolicyVersion
) -> None:
    step(policy)
    audits(version, wrong=8)

    def open_it() -> None:
        try:
            step(policy)
        finally:
            connection.close()

    thread = threading.Thread(target=open_it)
    with transaction.atomic():
        assert not rulebook.read_locked(version.stream_id).open_breakers
        thread.start()
        locks.wait_for_a_waiter()
        assert breaker().state == "closed"
    thread.join()

    with transaction.atomic():
        assert rulebook.read_locked(version.stream_id).open_breakers == {("intact", "")}
