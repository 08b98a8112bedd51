"""Alerts open with their cause and close with it."""

from pathlib import Path

import pytest
from django.db import connection

from reviewapp.domain.canary import Breach
from reviewapp.gating.actions import circuits
from reviewapp.gating.models import Circuit
from reviewapp.monitoring import alerts, gate_alerts
from reviewapp.monitoring.models import Alert
from reviewapp.registry.actions import rollouts
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion, Stream
from tests.factories import rivals

pytestmark = pytest.mark.django_db


@pytest.fixture
def rival(stream: Stream) -> ModelVersion:
    return rivals.version(stream)


def fail(version: ModelVersion, kind: Circuit.Kind) -> None:
    for _ in range(circuits.FAILURES):
        circuits.failed(kind=kind, version_id=version.pk, error="RuntimeError: no memory")


def test_a_version_that_rests_is_an_alert_until_its_circuit_closes(rival: ModelVersion) -> None:
    fail(rival, Circuit.Kind.MODEL_VERSION)
    fail(rival, Circuit.Kind.ACCELERATOR)

    assert alerts.refresh() == 2
    assert alerts.refresh() == 0
    found = {alert.severity: alert for alert in Alert.objects.filter(closed_at__isnull=True)}
    assert found["page"].summary.startswith("Model 2 fails and rests: RuntimeError: no memory.")
    assert "CPU" in found["ticket"].summary
    assert {alert.stream_id for alert in found.values()} == {rival.stream_id}

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM gating_circuit")
    assert alerts.refresh() == 2
    assert not Alert.objects.filter(closed_at__isnull=True).exists()


def test_a_rollback_by_the_guards_is_an_alert_until_the_next_rollout(stream: Stream, rival: ModelVersion) -> None:
    rollouts.start_canary(version=rival, share=0.5, by=SYSTEM)
    assert alerts.refresh() == 0

    rollouts.roll_back(
        stream=stream, by=SYSTEM, reason="Rolled back by its guards.", breaches=[Breach("latency", "Slow.")]
    )
    assert alerts.refresh() == 1
    assert Alert.objects.get().summary == "Rolled back by its guards."

    rollouts.start_canary(version=rival, share=0.5, by=SYSTEM)
    assert alerts.refresh() == 1
    assert Alert.objects.get().closed_at is not None


def test_every_alert_has_its_runbook() -> None:
    pages = Path(__file__).resolve().parents[2] / "docs" / "runbooks"

    for name in (*alerts.NAMES, *gate_alerts.NAMES):
        assert f"The alert `{name}`" in (pages / f"{name}.md").read_text()
