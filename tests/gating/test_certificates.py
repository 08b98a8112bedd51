"""Certificates: from nothing to a threshold, and back to nothing."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from django.db import connection, transaction

from reviewapp.events.models import Event
from reviewapp.gating import recomputing, rulebook
from reviewapp.gating.actions import certificates, exams
from reviewapp.gating.actions.certificates import Situation
from reviewapp.gating.actions.ladders import Served
from reviewapp.gating.models import Certificate, LedgerEntry
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion, PolicyVersion, Stream
from reviewapp.registry.policies import read_body
from reviewapp.web.queries.certificates import shown
from tests.factories import bundles, evidence, locks, policies, streams

SCORES = [0.5 + number / 1000 for number in range(500)]
HIGH = [0.95 + number / 2000 for number in range(90)]
MONTHS = timedelta(days=91)


@pytest.fixture
def version(db: None) -> ModelVersion:
    stream = streams.bare()
    return bundles.external_primary(stream)


def promise(stream: Stream, target_error: float = 0.05, confidence: float = 0.95, **body: Any) -> PolicyVersion:
    promises = {"intact": {"target_error": target_error, "confidence": confidence}}
    return policies.active(stream, thresholds={}, audit_rates={}, **{"promises": promises, **body})


def prove(version: ModelVersion, *, unsure: float = 0.6, **more: Any) -> None:
    """Labels that earn a threshold: clean above 0.95, wrong where the model is unsure."""
    evidence.labels(version, right=150, confidences=HIGH, **more)
    evidence.labels(version, wrong=20, confidences=[unsure], **more)


def look(
    version: ModelVersion,
    policy: PolicyVersion,
    *,
    cuts: Mapping[str, UUID] | None = None,
    now: datetime | None = None,
    scores: list[float] = SCORES,
) -> Certificate:
    situation = Situation(
        policy=read_body(policy.body),
        policy_number=policy.number,
        served=lambda _: Served(scores, 20.0),
        pending=lambda _: cuts or {},
        now=now,
    )
    return certificates.look(version=version, situation=situation)[0]


def events(type_: str) -> list[Any]:
    found = Event.objects.filter(type=type_).order_by("created_at", "id")
    return [msgspec.json.decode(bytes(one.payload)) for one in found]


def test_a_look_by_a_policy_that_was_replaced_meanwhile_issues_nothing(version: ModelVersion) -> None:
    replaced = promise(version.stream, 0.05)
    promise(version.stream, 0.02)
    situation = Situation(read_body(replaced.body), replaced.number, lambda _: Served(SCORES, 20.0))

    looked = certificates.look(version=version, situation=situation)

    assert looked == []
    assert not Certificate.objects.exists()


def test_a_new_promise_stands_unproven_until_enough_cases_were_scored_to_draw_a_ladder(version: ModelVersion) -> None:
    policy = promise(version.stream)

    early = look(version, policy, scores=SCORES[:57])
    drawn = look(version, policy)

    assert (early.number, early.state, early.evidence["ladder"]) == (1, "unproven", None)
    assert early.evidence["sentence"] == "57 cases of this class scored; thresholds are drawn up from 200."
    assert (drawn.number, drawn.state, len(drawn.evidence["ladder"])) == (2, "unproven", 32)
    assert "0 audits, 0 wrong, bound now 100%" in drawn.evidence["sentence"]


def test_labels_earn_a_threshold_and_the_gate_follows_it(version: ModelVersion) -> None:
    policy = promise(version.stream)
    look(version, policy)
    prove(version)

    certificate = look(version, policy)

    assert certificate.state == "certified"
    assert 0.6 < certificate.threshold < 0.96
    assert certificate.expires_at - certificate.created_at == pytest.approx(
        timedelta(days=90), abs=timedelta(minutes=1)
    )
    ruling = rulebook.read_locked(version.stream_id).policy_for(version.pk)
    assert ruling.thresholds == {"intact": certificate.threshold}
    assert ruling.certificates == {"intact": str(certificate.pk)}


def test_a_look_without_news_changes_nothing(version: ModelVersion) -> None:
    policy = promise(version.stream)
    evidence.labels(version, right=40)
    first = look(version, policy)

    again = look(version, policy)

    assert (again.pk, again.evidence) == (first.pk, first.evidence)
    assert len(events("certificate.issued")) == 1


def test_more_labels_refresh_the_evidence_without_a_new_certificate(version: ModelVersion) -> None:
    policy = promise(version.stream)
    first = look(version, policy)
    evidence.labels(version, right=10, wrong=1)

    again = look(version, policy)

    assert again.pk == first.pk
    assert Certificate.objects.get(pk=first.pk).evidence["labels"] == 11


def test_a_threshold_loosens_with_evidence_and_never_tightens_by_a_later_look(version: ModelVersion) -> None:
    policy = promise(version.stream)
    prove(version, unsure=0.8)
    strict = look(version, policy)
    evidence.labels(version, right=900, confidences=[0.8])
    loose = look(version, policy)
    evidence.labels(version, wrong=12, confidences=[0.8])

    last = look(version, policy)

    assert loose.threshold < strict.threshold
    assert (last.pk, last.expires_at) == (loose.pk, strict.expires_at)
    assert Certificate.objects.filter(voided_at__isnull=True).count() == 1


def test_evidence_ends_before_the_first_case_that_waits_for_its_answer(version: ModelVersion) -> None:
    policy = promise(version.stream)
    evidence.labels(version, right=20)
    waiting = evidence.arrival()
    evidence.labels(version, right=500, confidences=HIGH)

    held_back = look(version, policy, cuts={"intact": waiting})

    assert (held_back.state, held_back.evidence["labels"]) == ("unproven", 20)
    assert look(version, policy).state == "certified"


@pytest.mark.django_db(transaction=True)
def test_every_certificate_is_recomputed_from_events_alone(version: ModelVersion) -> None:
    policy = promise(version.stream)
    evidence.labels(version, right=20, wrong=80, confidences=[0.8], probability=0.5, least=0.1)
    look(version, policy)
    overdue = evidence.labels(version, right=1, is_overdue=True)
    evidence.labels(version, right=300, confidences=HIGH)
    look(version, policy, cuts={"intact": evidence.arrival()})
    evidence.ledger.withdraw(stream=version.stream, case_ids=[overdue[0].case_id], why="Taken back.", by=SYSTEM)
    evidence.labels(version, right=900, confidences=[0.8])
    look(version, policy)
    LedgerEntry.objects.all().delete()

    issued = events("certificate.issued")
    trail = recomputing.trail_of(str(version.pk))
    looks = [recomputing.recompute(one, trail) for one in issued]

    assert [one["state"] for one in issued] == ["unproven", "certified", "certified"]
    assert all(recomputing.agrees(one, look) for one, look in zip(issued, looks, strict=True))
    assert [one["threshold"] for one in issued] == [look.threshold for look in looks]
    assert not recomputing.agrees(issued[1], looks[2])


@pytest.mark.django_db(transaction=True)
def test_two_looks_at_once_issue_one_certificate(version: ModelVersion) -> None:
    policy = promise(version.stream)
    prove(version)

    def take() -> None:
        try:
            look(version, policy)
        finally:
            connection.close()

    threads = [threading.Thread(target=take) for _ in range(2)]
    with transaction.atomic():
        # Both have looked before either may write.
        rulebook.read_locked(version.stream_id)
        for thread in threads:
            thread.start()
        locks.wait_for_a_waiter()
    for thread in threads:
        thread.join()

    assert [one.number for one in Certificate.objects.all()] == [1]
    assert len(events("certificate.issued")) == 1


def test_a_broken_promise_ends_automation_and_must_be_earned_by_new_labels(version: ModelVersion) -> None:
    policy = promise(version.stream)
    evidence.labels(version, right=150, confidences=HIGH)
    look(version, policy)
    evidence.labels(version, wrong=60, confidences=HIGH)

    broken = look(version, policy)
    again = look(version, policy)
    evidence.labels(version, right=150, confidences=HIGH)
    earned = look(version, policy)

    assert (broken.state, broken.threshold) == ("violated", None)
    assert "60 of 210 audits above" in broken.evidence["sentence"]
    assert (again.state, again.evidence["labels"]) == ("violated", 0)
    assert (earned.state, earned.evidence["labels"]) == ("certified", 150)
    assert rulebook.read_locked(version.stream_id).policy_for(version.pk).thresholds


def test_a_certificate_expires_and_is_renewed_by_the_labels_since_it_was_issued(version: ModelVersion) -> None:
    policy = promise(version.stream)
    start = datetime.now(UTC)
    evidence.labels(version, right=150, confidences=HIGH, at=start - timedelta(days=200))
    first = look(version, policy, now=start - timedelta(days=100))
    prove(version, at=start - timedelta(days=50))

    renewed = look(version, policy, now=start)

    assert first.threshold < renewed.threshold
    assert (renewed.state, renewed.since) == ("certified", start - timedelta(days=100))
    assert renewed.expires_at == start + timedelta(days=90)
    assert len(events("certificate.expired")) == len(events("certificate.renewed")) == 1


def test_without_fresh_labels_nothing_follows_an_expired_certificate(version: ModelVersion) -> None:
    policy = promise(version.stream)
    evidence.labels(version, right=150, confidences=HIGH)
    first = look(version, policy)

    last = look(version, policy, now=datetime.now(UTC) + MONTHS)

    assert (last.state, last.threshold, last.evidence["labels"]) == ("unproven", None, 0)
    assert Certificate.objects.get(pk=first.pk).void_reason == certificates.EXPIRED


def test_what_nobody_looks_at_any_more_expires_too(version: ModelVersion) -> None:
    policy = promise(version.stream)
    evidence.labels(version, right=150, confidences=HIGH)
    look(version, policy)

    assert certificates.expire(stream=version.stream) == 0
    assert certificates.expire(stream=version.stream, now=datetime.now(UTC) + MONTHS) == 1
    assert not certificates.in_force(version.stream).exists()


@pytest.mark.parametrize("change", [{"novelty_floor": 0.02}, {"rules": [{"name": "big", "when": "true"}]}])
def test_changed_guardrails_void_the_certificate_and_its_evidence(
    version: ModelVersion, change: dict[str, Any]
) -> None:
    before = promise(version.stream)
    evidence.labels(version, right=150, confidences=HIGH)
    look(version, before)
    policy = promise(version.stream, **change)

    assert rulebook.read_locked(version.stream_id).policy_for(version.pk).thresholds == {}
    fresh = look(version, policy)
    assert (fresh.state, fresh.evidence["labels"], fresh.evidence["epoch"]) == ("unproven", 0, 2)
    assert "Policy 2 changed" in events("certificate.voided")[0]["reason"]


def test_labels_from_under_other_guardrails_count_for_no_first_certificate_either(version: ModelVersion) -> None:
    policies.active(version.stream, thresholds={"intact": 0.9})
    evidence.labels(version, right=150, confidences=HIGH)
    policy = promise(version.stream, novelty_floor=0.02)

    first = look(version, policy)

    assert (first.state, first.evidence["labels"], first.since) == ("unproven", 0, policy.activated_at)


def test_labels_from_before_the_promise_count_where_the_guardrails_stayed(version: ModelVersion) -> None:
    policies.active(version.stream, thresholds={"intact": 0.9}, novelty_floor=0.02)
    policies.active(version.stream, thresholds={"intact": 0.8}, novelty_floor=0.02)
    evidence.labels(version, right=150, confidences=HIGH)
    policy = promise(version.stream, novelty_floor=0.02)

    first = look(version, policy)

    assert (first.state, first.since) == ("certified", version.stream.policy_versions.get(number=1).activated_at)


def test_a_looser_promise_takes_the_threshold_along_and_asks_for_new_labels(version: ModelVersion) -> None:
    before = promise(version.stream)
    evidence.labels(version, right=150, confidences=HIGH)
    strict = look(version, before)
    policy = promise(version.stream, target_error=0.1)

    carried = look(version, policy)

    assert (carried.state, carried.threshold, carried.expires_at) == ("certified", strict.threshold, strict.expires_at)
    assert (carried.target_error, carried.evidence["labels"]) == (0.1, 0)


def test_a_stricter_promise_starts_from_nothing(version: ModelVersion) -> None:
    before = promise(version.stream)
    evidence.labels(version, right=150, confidences=HIGH)
    look(version, before)
    policy = promise(version.stream, target_error=0.01)

    fresh = look(version, policy)

    assert (fresh.state, fresh.threshold, fresh.evidence["labels"]) == ("unproven", None, 0)


def test_another_confidence_is_judged_by_the_same_labels(version: ModelVersion) -> None:
    before = promise(version.stream)
    evidence.labels(version, right=100, confidences=[0.99])
    look(version, before)
    policy = promise(version.stream, confidence=0.999)

    judged = look(version, policy)

    assert (judged.state, judged.evidence["labels"], judged.evidence["epoch"]) == ("unproven", 100, 1)
    assert judged.evidence["delta"] == pytest.approx(0.001)


def test_another_confidence_makes_no_certificate_last_longer(version: ModelVersion) -> None:
    start = datetime.now(UTC)
    evidence.labels(version, right=300, confidences=HIGH, at=start - timedelta(days=70))
    first = look(version, promise(version.stream), now=start - timedelta(days=60))

    again = look(version, promise(version.stream, confidence=0.951), now=start)

    assert (again.state, again.pk == first.pk) == ("certified", False)
    assert again.expires_at == first.expires_at


def test_a_class_without_a_promise_has_no_certificate(version: ModelVersion) -> None:
    before = promise(version.stream)
    look(version, before)
    policies.active(version.stream, thresholds={"intact": 0.9})

    assert not certificates.in_force(version.stream).exists()


def test_a_joint_promise_shares_the_allowed_error(version: ModelVersion) -> None:
    both = {name: {"target_error": 0.05, "confidence": 0.95} for name in ("intact", "damaged")}

    certificate = look(version, promise(version.stream, promises=both, is_joint=True))

    assert certificate.evidence["delta"] == pytest.approx(0.025)


class TestBeginningAnew:
    """Who ends an attempt by hand has no second chance of the same size."""

    def share_of_delta(self, certificate: Certificate) -> float:
        return certificate.evidence["delta"] / 0.05

    @pytest.mark.parametrize("step", [0.0001, -0.0001])
    def test_a_promise_that_hardly_changes_earns_no_fresh_chance(self, version: ModelVersion, step: float) -> None:
        shares = []
        for number in range(3):
            evidence.labels(version, right=30, wrong=3)
            judged = look(version, promise(version.stream, target_error=0.05 + number * step))
            evidence.labels(version, right=10, wrong=1)
            judged = look(version, PolicyVersion.objects.get(stream=version.stream, state="active"))
            shares.append(self.share_of_delta(judged))

        assert shares == pytest.approx([1, 1 / 4, 1 / 9])

    def test_nor_does_a_promise_that_is_left_out_and_made_again(self, version: ModelVersion) -> None:
        evidence.labels(version, right=30, wrong=3)
        look(version, promise(version.stream))
        policies.active(version.stream, thresholds={"intact": 0.9})

        assert self.share_of_delta(look(version, promise(version.stream))) == pytest.approx(1 / 4)

    def test_nor_do_guardrails_that_hardly_change(self, version: ModelVersion) -> None:
        evidence.labels(version, right=30, wrong=3)
        look(version, promise(version.stream))

        judged = look(version, promise(version.stream, novelty_floor=1e-9))

        assert (self.share_of_delta(judged), judged.evidence["restarts"]) == (pytest.approx(1 / 4), 1)
        assert shown(judged).begun_anew == "Judged at 98.75% confidence, because the attempt before was ended by hand."

    def test_what_was_changed_before_any_label_costs_nothing(self, version: ModelVersion) -> None:
        look(version, promise(version.stream))

        assert self.share_of_delta(look(version, promise(version.stream, target_error=0.04))) == pytest.approx(1)

    def test_a_certificate_that_stood_its_time_pays_for_nothing(self, version: ModelVersion) -> None:
        evidence.labels(version, right=30, wrong=3)
        look(version, promise(version.stream, target_error=0.06))
        policy = promise(version.stream)
        evidence.labels(version, right=200, confidences=HIGH)
        earned = look(version, policy)

        renewed = look(version, policy, now=datetime.now(UTC) + MONTHS)

        assert (earned.state, self.share_of_delta(earned)) == ("certified", pytest.approx(1 / 4))
        assert self.share_of_delta(renewed) == pytest.approx(1)

    def test_another_confidence_takes_the_exam_at_the_same_rungs(self, version: ModelVersion) -> None:
        content = "\n".join(["predicted,confidence,truth", *(f"intact,{score},intact" for score in SCORES)])
        upload = exams.Upload(content.encode(), "july.csv", "random", "A random tenth of July.")
        exams.history_import(version=version, upload=upload, by=SYSTEM)
        before = look(version, promise(version.stream), scores=[]).evidence["exam"]

        after = look(version, promise(version.stream, confidence=0.6), scores=[]).evidence["exam"]

        assert after["delta"] == pytest.approx(0.2)
        assert (after["starts"], len(after["starts"]) > 1) == (before["starts"], True)
