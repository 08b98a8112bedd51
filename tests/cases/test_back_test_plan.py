"""Where the thresholds of a back-test come from."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from reviewapp.cases import back_test_plan
from reviewapp.domain.policy import Policy, Promise
from reviewapp.gating import proof
from reviewapp.gating.models import Certificate
from reviewapp.registry.models import ModelVersion, Stream
from reviewapp.registry.policies import read_body
from tests.factories import bundles, cases, evidence, policies

LADDER = [0.99, 0.9]
DELTA = Promise(0.05, 0.95).delta
TERMS = {"ladder": LADDER, "starts": [0, 1], "shares": [0.5, 1.0], "delta": DELTA, "live_delta": DELTA}
BODY: dict[str, Any] = {"promises": {"intact": {"target_error": 0.05, "confidence": 0.95}}}


@pytest.fixture
def version(stream: Stream) -> ModelVersion:
    """The primary of a stream whose policy promises 5 % of one class."""
    policies.active(stream, thresholds={}, audit_rates={}, **BODY)
    return stream.model_versions.get()


def certified(version: ModelVersion, **fields: Any) -> Certificate:
    given = {"state": "certified", "threshold": 0.99, "evidence": {"epoch": 1, **TERMS}, **fields}
    return Certificate.objects.create(
        stream=version.stream,
        model_version=version,
        scope="intact",
        number=1,
        target_error=0.05,
        confidence=0.95,
        **given,
    )


def planned(version: ModelVersion, policy: Policy, answer: str = "intact") -> tuple[float | None, str, bool]:
    found = back_test_plan.thresholds_of(policy, version, [answer])[0]
    return found.threshold, found.source, found.is_to_be_earned


def in_force(version: ModelVersion) -> Policy:
    return read_body(version.stream.policy_versions.get(state="active").body)


def promising(version: ModelVersion, target_error: float, confidence: float) -> Policy:
    body = version.stream.policy_versions.get(state="active").body
    promise = {"target_error": target_error, "confidence": confidence}
    return read_body({**body, "promises": {"intact": promise}})


def test_the_certificate_in_force_counts_for_its_own_promise(version: ModelVersion) -> None:
    certified(version)

    assert planned(version, in_force(version)) == (0.99, "certificate 1", False)


def test_what_is_not_proven_leaves_the_class_to_people(version: ModelVersion) -> None:
    assert planned(version, in_force(version)) == (None, "not proven by the evidence so far", False)
    certified(version, state="unproven", threshold=None)
    assert planned(version, in_force(version)) == (None, "certificate 1 is unproven", False)


def test_a_changed_guardrail_means_that_it_must_be_earned_anew(version: ModelVersion) -> None:
    certified(version)
    body = version.stream.policy_versions.get(state="active").body
    stricter = read_body({**body, "novelty_floor": 0.05})

    assert planned(version, stricter) == (0.99, "certificate 1", True)
    assert len(back_test_plan.changed_guardrails(stricter, version.stream)) == 1
    assert back_test_plan.changed_guardrails(in_force(version), version.stream) == []


def test_another_confidence_is_judged_by_the_labels_so_far(version: ModelVersion) -> None:
    certified(version)
    evidence.labels(version, right=150, confidences=(0.95,))

    assert planned(version, promising(version, 0.05, 0.9)) == (0.9, "what the evidence so far supports", False)
    assert planned(version, promising(version, 0.05, 0.9999))[0] is None


def test_live_labels_have_no_more_of_the_allowed_error_than_an_exam_left_them(version: ModelVersion) -> None:
    evidence.labels(version, right=80, confidences=(0.95,))
    halved = {"epoch": 1, **TERMS, "starts": [1], "live_delta": DELTA / 2}
    certified(version, state="unproven", threshold=None, evidence=halved)

    assert planned(version, promising(version, 0.05, 0.94))[0] is None
    assert planned(version, promising(version, 0.05, 0.90)) == (0.9, "what the evidence so far supports", False)


def test_labels_from_before_a_certificate_lost_its_force_do_not_count(
    version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "MIN_SCORES", 1)
    cases.scored(version.stream, bundles.CLEARLY_INTACT)
    evidence.labels(version, right=150, confidences=(1.0,), at=timezone.now() - timedelta(hours=2))
    looser = promising(version, 0.06, 0.95)

    counting = planned(version, looser)
    certified(version, voided_at=timezone.now() - timedelta(hours=1), void_reason="Its breaker opened.")

    assert counting[1:] == ("what the evidence so far supports", False)
    assert planned(version, looser)[:2] == (None, "not proven by the evidence so far")


def test_a_looser_promise_takes_the_threshold_along(version: ModelVersion) -> None:
    certified(version)

    assert planned(version, promising(version, 0.1, 0.95)) == (0.99, "what the evidence so far supports", True)
    assert planned(version, promising(version, 0.01, 0.95))[0] is None


def test_hands_and_prohibitions_go_before_promises(version: ModelVersion) -> None:
    certified(version)
    by_hand = Policy(thresholds={"intact": 0.7}, promises={"intact": Promise(0.05, 0.95)})

    assert planned(version, by_hand) == (0.7, "by hand", False)
    never = Policy(thresholds={"intact": 0.7}, never_automate=frozenset({"intact"}))
    assert planned(version, never)[:2] == (None, "never automatic")
    assert planned(version, Policy(thresholds={}))[:2] == (None, "neither threshold nor promise")
