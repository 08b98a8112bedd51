"""A sender killed between any two steps: nothing is lost, and a repetition is told by its id."""

import signal
from datetime import timedelta

import pytest
from django.db.models import F

from reviewapp.cases import verification
from reviewapp.events.models import OutboxEntry
from reviewapp.webhooks import claiming
from reviewapp.webhooks.models import Delivery
from tests.monitoring.sweepers import manage
from tests.webhooks import deliveries

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

DELIVER = "from reviewapp.webhooks import sending; sending.deliver(seconds=5)"
# Crash point → how often the receiver hears of the event in all.
POINTS = {
    "delivering.after_relay": 1,
    "delivering.before_send": 1,
    "delivering.after_send": 2,
    "delivering.before_commit": 2,
}


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_sender_loses_nothing(receiver, endpoint, bare_stream, point):
    at = receiver()
    endpoint(at)
    deliveries.happened(bare_stream)

    killed = manage("shell", "--no-imports", "-c", DELIVER, REVIEWAPP_CRASHPOINT=point)
    assert killed.wait(60) == -signal.SIGKILL
    assert Delivery.objects.get().state == "pending"
    Delivery.objects.filter(lease_token__isnull=False).update(lease_until=F("lease_until") - timedelta(minutes=2))
    claiming.free_expired()
    deliveries.send_due()

    assert Delivery.objects.get().state == "delivered"
    assert not OutboxEntry.objects.exists()
    assert len(at.received) == POINTS[point]
    assert len({one.headers["webhook-id"] for one in at.received}) == 1
    assert len({one.body for one in at.received}) == 1
    # The example event belongs to no case; everything else must add up.
    gaps = {finding.check.name for finding in verification.verify()[0] if finding.count}
    assert gaps <= {"decision_event"}
