"""Receivers that are too busy are slowed down for; those that never answer are given up."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from reviewapp.events.models import Event
from reviewapp.gating.models import Circuit
from reviewapp.registry.actors import SYSTEM
from reviewapp.webhooks import actions
from reviewapp.webhooks.models import Delivery, Endpoint
from tests.webhooks import deliveries
from tests.webhooks.receiver import Reply

pytestmark = pytest.mark.django_db(transaction=True)


def circuit() -> Circuit:
    return Circuit.objects.get(kind=Circuit.Kind.ENDPOINT)


def age(**columns: timedelta) -> None:
    Circuit.objects.update(**{name: F(name) - by for name, by in columns.items()})


def seconds_to_probe() -> float:
    return (circuit().probe_at - timezone.now()).total_seconds()


@pytest.mark.parametrize("status", [429, 502, 504])
def test_a_busy_receiver_gets_nothing_until_a_probe_succeeds(receiver, endpoint, bare_stream, status):
    at = receiver(Reply(status=status), Reply())
    endpoint(at)
    deliveries.happened(bare_stream)
    deliveries.send_due()
    for _ in range(3):
        deliveries.happened(bare_stream)

    assert deliveries.send_due() == 0
    assert len(at.received) == 1
    age(probe_at=timedelta(seconds=6))
    deliveries.send_due()

    assert not Circuit.objects.exists()
    assert Delivery.objects.filter(state="delivered").count() == 3


def test_the_receiver_says_how_long_it_wants_to_rest(receiver, endpoint, bare_stream):
    endpoint(receiver(Reply(status=429, headers={"Retry-After": "300"})))
    deliveries.happened(bare_stream)

    deliveries.send_due()

    assert 295 < seconds_to_probe() <= 300


def test_a_receiver_that_stays_busy_is_probed_ever_more_slowly(receiver, endpoint, bare_stream):
    endpoint(receiver(*[Reply(status=502)] * 6))
    deliveries.happened(bare_stream)
    waits = []
    for _ in range(6):
        deliveries.make_due()
        deliveries.send_due()
        waits.append(seconds_to_probe())

    for waited, planned in zip(waits, (5, 10, 20, 40, 60, 60), strict=True):
        assert planned - 4 < waited <= planned


def test_a_plain_failure_does_not_slow_the_others_down(receiver, endpoint, bare_stream):
    at = receiver(Reply(status=500), Reply(), Reply())
    endpoint(at)
    for _ in range(3):
        deliveries.happened(bare_stream)

    deliveries.send_due()

    assert len(at.received) == 3


def test_an_endpoint_that_failed_for_five_days_is_disabled_and_keeps_what_waits(receiver, endpoint, bare_stream):
    at = receiver(*[Reply(status=500)] * 6, Reply(), Reply())
    created = endpoint(at)
    deliveries.happened(bare_stream)
    for _ in range(5):
        deliveries.make_due()
        deliveries.send_due()
    age(opened_at=timedelta(days=5), probe_at=timedelta(days=5))
    deliveries.make_due()
    deliveries.send_due()

    created.refresh_from_db()
    assert created.state == Endpoint.State.DISABLED
    assert "failed for 5 days" in created.state_reason
    told = Event.objects.get(type="endpoint.disabled")
    assert (told.actor, told.subject) == ("system", f"endpoint:{created.pk}")
    assert Delivery.objects.get().state == "pending"
    deliveries.make_due()
    assert deliveries.send_due() == 0

    actions.enable(endpoint=created, by=SYSTEM)
    deliveries.make_due()
    deliveries.send_due()

    assert Delivery.objects.get().state == "delivered"


def test_four_days_of_failure_are_not_enough(receiver, endpoint, bare_stream):
    created = endpoint(receiver(*[Reply(status=500)] * 6))
    deliveries.happened(bare_stream)
    for _ in range(5):
        deliveries.make_due()
        deliveries.send_due()
    age(opened_at=timedelta(days=4), probe_at=timedelta(days=4))
    deliveries.make_due()
    deliveries.send_due()

    created.refresh_from_db()
    assert created.state == Endpoint.State.ACTIVE
