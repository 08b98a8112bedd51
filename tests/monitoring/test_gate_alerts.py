"""Alerts of the gate open with their cause and close with it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from reviewapp.gating.actions import breakers
from reviewapp.gating.models import Breaker, Certificate
from reviewapp.monitoring import gate_alerts
from reviewapp.monitoring.models import Alert
from reviewapp.registry.models import ModelVersion
from tests.factories import bundles, evidence, policies, streams

PROMISES = {"intact": {"target_error": 0.05, "confidence": 0.95}}


@pytest.fixture
def version(db: None) -> ModelVersion:
    return bundles.external_primary(streams.bare())


def certificate(version: ModelVersion, **fields: object) -> Certificate:
    values = {"state": "certified", "threshold": 0.9, "target_error": 0.05, "confidence": 0.95, **fields}
    return Certificate.objects.create(stream=version.stream, model_version=version, scope="intact", number=1, **values)


def test_an_open_breaker_pages_once_and_is_closed_when_it_is_armed(version: ModelVersion) -> None:
    policies.active(version.stream, thresholds={"intact": 0.9}, audit_rates={}, promises=PROMISES)
    breakers.watch_all()
    evidence.labels(version, wrong=8, is_automatic=True)
    breakers.watch_all()

    gate_alerts.keep()
    gate_alerts.keep()

    alert = Alert.objects.get()
    assert (alert.name, alert.severity, alert.stream) == ("breaker-open", "page", version.stream)
    assert "“intact”" in alert.summary
    Breaker.objects.update(state="closed")
    gate_alerts.keep()
    alert.refresh_from_db()
    assert alert.closed_at is not None


def test_a_certificate_is_announced_a_week_before_it_ends(version: ModelVersion) -> None:
    one = certificate(version, expires_at=timezone.now() + timedelta(days=8))
    gate_alerts.keep()
    assert not Alert.objects.exists()
    Certificate.objects.filter(pk=one.pk).update(expires_at=timezone.now() + timedelta(days=6))

    gate_alerts.keep()

    assert (Alert.objects.get().name, Alert.objects.get().severity) == ("certificate-expires", "ticket")


def test_a_violated_certificate_that_acted_pages(version: ModelVersion) -> None:
    evidence_of_it = {"sentence": "60 of 210 audits above 0.9 were wrong.", "violated": {"threshold": 0.9}}
    one = certificate(version, state="violated", threshold=None, evidence=evidence_of_it)

    gate_alerts.keep()

    assert Alert.objects.get().subject == f"certificate:{one.pk}"
    assert "60 of 210 audits" in Alert.objects.get().summary


def test_a_broken_promise_per_thousand_arrivals_is_told(version: ModelVersion) -> None:
    policies.active(version.stream, thresholds={"intact": 0.9}, wrong_per_thousand=5.0)
    gate_alerts.keep_promises()
    assert not Alert.objects.exists()
    evidence.labels(version, right=50, wrong=50, is_automatic=True)

    gate_alerts.keep_promises()

    assert Alert.objects.get().summary.endswith("5 promised.")
