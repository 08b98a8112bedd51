"""Putting a policy in force together with what it makes void: all of it, or nothing."""

import threading

import pytest
from django.db import connection, transaction

from reviewapp.domain.errors import Conflict
from reviewapp.events.models import Event
from reviewapp.gating.actions import activation, certificates
from reviewapp.gating.models import Certificate
from reviewapp.registry.actions import policies as actions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import PolicyVersion, Stream
from reviewapp.registry.trail import lock
from tests.factories import locks, policies, streams

PROMISE = {"target_error": 0.05, "confidence": 0.95}


@pytest.fixture
def certificate(stream: Stream) -> Certificate:
    """In force, under a policy that promises something of its class."""
    policies.active(stream, thresholds={}, audit_rates={}, promises={"intact": PROMISE})
    return Certificate.objects.create(
        stream=stream,
        model_version=stream.model_versions.get(),
        scope="intact",
        number=1,
        state="certified",
        threshold=0.9,
        **PROMISE,
    )


def test_the_certificate_of_a_class_without_promise_is_void(certificate: Certificate) -> None:
    policies.active(certificate.stream, thresholds={"intact": 0.9})

    certificate.refresh_from_db()
    assert certificate.voided_at is not None
    assert Event.objects.filter(type="certificate.voided").exists()


def test_a_rollback_voids_as_an_activation_does(certificate: Certificate) -> None:
    active = actions.active_policy(certificate.stream)
    assert active is not None

    restored = activation.roll_back(policy=active, by=SYSTEM, reason="The promise was a mistake.")

    certificate.refresh_from_db()
    assert certificate.voided_at is not None
    assert restored.restores is not None
    assert restored.restores.number == 1


def test_activating_what_is_active_voids_nothing(certificate: Certificate) -> None:
    active = actions.active_policy(certificate.stream)
    assert active is not None

    activation.activate(policy=active, by=SYSTEM)

    certificate.refresh_from_db()
    assert certificate.voided_at is None


def test_nothing_is_half_activated(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    before = actions.active_policy(certificate.stream)
    draft = policies.draft(certificate.stream)

    def fail(**_: object) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr(certificates, "on_policy_activated", fail)
    with pytest.raises(LookupError):
        activation.activate(policy=draft, by=SYSTEM)

    assert actions.active_policy(certificate.stream) == before
    assert PolicyVersion.objects.get(pk=draft.pk).state == "draft"
    assert not Event.objects.filter(type="policy.activated", subject=f"policy:{draft.pk}").exists()


@pytest.mark.django_db(transaction=True)
def test_a_draft_is_not_edited_between_the_search_for_its_back_test_and_its_proposal() -> None:
    draft = policies.draft(streams.bare(), threshold=0.9)
    refused: list[str] = []

    def edit() -> None:
        try:
            actions.edit(policy=draft, body={**draft.body, "thresholds": {}}, by=SYSTEM)
        except Conflict as refusal:
            refused.append(refusal.code)
        finally:
            connection.close()

    thread = threading.Thread(target=edit)
    with transaction.atomic():
        lock(draft.stream)
        thread.start()
        locks.wait_for_a_waiter()
        activation.propose(policy=draft, by=SYSTEM, untested_because="Nothing has arrived yet.")
    thread.join()

    assert refused == ["policy_read_only"]
    proposed = PolicyVersion.objects.get(pk=draft.pk)
    assert (proposed.state, proposed.body["thresholds"]["intact"]) == ("proposed", 0.9)
