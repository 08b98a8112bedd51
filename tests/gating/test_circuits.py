"""The circuit of a model version: five failures in twenty runs open it, by the database's clock."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from reviewapp.events.models import Event
from reviewapp.gating.actions import circuits
from reviewapp.gating.models import Circuit
from reviewapp.registry.models import Stream

KIND = Circuit.Kind.MODEL_VERSION


@pytest.fixture
def version_id(stream: Stream) -> UUID:
    return stream.model_versions.get().pk


def fail(version_id: UUID, times: int = 1) -> bool:
    return [circuits.failed(kind=KIND, version_id=version_id, error="no answer") for _ in range(times)][-1]


def succeed(version_id: UUID, times: int) -> None:
    for _ in range(times):
        circuits.succeeded(kind=KIND, version_id=version_id)


def test_the_fifth_failure_opens_it_once(version_id: UUID) -> None:
    assert not fail(version_id, 4)
    assert fail(version_id)
    assert fail(version_id)

    circuit = Circuit.objects.get()
    assert circuit.detail == "no answer"
    assert circuit.opened_at < timezone.now() < circuit.probe_at
    assert Event.objects.filter(type="circuit.opened").count() == 1


def test_five_failures_among_twenty_runs_open_it(version_id: UUID) -> None:
    for _ in range(4):
        fail(version_id)
        succeed(version_id, 3)

    assert fail(version_id)


def test_five_failures_among_more_runs_do_not(version_id: UUID) -> None:
    for _ in range(6):
        is_open = fail(version_id)
        succeed(version_id, 4)

    assert not is_open


def test_twenty_runs_with_few_failures_clear_the_account(version_id: UUID) -> None:
    fail(version_id)
    succeed(version_id, 19)

    assert not Circuit.objects.exists()


def test_one_worker_takes_the_probe_and_none_before_it_is_due(version_id: UUID) -> None:
    fail(version_id, 5)
    assert not circuits.take_probe(kind=KIND, version_id=version_id)
    Circuit.objects.update(probe_at=timezone.now() - timedelta(seconds=1))

    assert circuits.take_probe(kind=KIND, version_id=version_id)
    assert not circuits.take_probe(kind=KIND, version_id=version_id)


def test_a_success_elsewhere_does_not_close_an_open_circuit(version_id: UUID) -> None:
    fail(version_id, 5)

    succeed(version_id, 30)

    assert Circuit.objects.get().opened_at is not None


def test_closing_is_an_event_and_closing_twice_is_one(version_id: UUID) -> None:
    fail(version_id, 5)

    for _ in range(2):
        circuits.close(kind=KIND, version_id=version_id)

    assert not Circuit.objects.exists()
    assert Event.objects.filter(type="circuit.closed").count() == 1


def test_a_gpus_circuit_is_its_own(version_id: UUID) -> None:
    for _ in range(5):
        circuits.failed(kind=Circuit.Kind.ACCELERATOR, version_id=version_id, error="CUDA error 700")

    assert not fail(version_id)
    assert Circuit.objects.get(kind="accelerator").opened_at is not None
