from datetime import timedelta

import pytest
import uuid_utils.compat as uuid

from reviewapp.events.actions import void_unreleased
from reviewapp.events.models import OutboxEntry
from reviewapp.gating.actions import holds
from reviewapp.gating.models import Hold
from reviewapp.registry.actors import SYSTEM
from reviewapp.webhooks import actions, relay
from reviewapp.webhooks.models import Delivery
from tests.factories import streams, teams
from tests.webhooks import deliveries

pytestmark = pytest.mark.django_db

URL = "https://hooks.example.com/"


def relayed() -> set[tuple[str, str]]:
    return {(one.event.type, one.endpoint.url) for one in Delivery.objects.select_related("event", "endpoint")}


def test_each_subscribed_endpoint_gets_one_delivery_and_the_entry_goes(endpoint, bare_stream):
    other_stream = streams.bare()
    endpoint(f"{URL}all")
    endpoint(f"{URL}type", event_types=["case.reopened"])
    endpoint(f"{URL}stream", streams=[other_stream])
    actions.create_endpoint(team=teams.team("other-team"), url=f"{URL}team", by=SYSTEM)
    deliveries.happened(bare_stream, "decision.made")
    deliveries.happened(other_stream, "case.reopened")

    deliveries.relay_all()

    assert relayed() == {
        ("decision.made", f"{URL}all"),
        ("case.reopened", f"{URL}all"),
        ("case.reopened", f"{URL}type"),
        ("case.reopened", f"{URL}stream"),
    }
    assert not OutboxEntry.objects.exists()
    assert not relay.is_due()


def test_a_ping_goes_to_its_endpoint_alone(by, endpoint):
    endpoint(f"{URL}1")
    pinged = endpoint(f"{URL}2", event_types=["decision.made"])

    actions.ping(endpoint=pinged, by=by)
    deliveries.relay_all()

    assert relayed() == {("endpoint.pinged", f"{URL}2")}


def test_a_paused_endpoint_collects_and_a_disabled_one_is_passed_by(by, endpoint, bare_stream):
    actions.pause(endpoint=endpoint(f"{URL}paused"), by=by)
    actions.disable(endpoint=endpoint(f"{URL}disabled"), by=by, reason="moved")
    deliveries.happened(bare_stream)

    deliveries.relay_all()

    assert relayed() == {("decision.made", f"{URL}paused")}


@pytest.mark.parametrize("scope", [Hold.Scope.DELIVERIES, Hold.Scope.ALL])
@pytest.mark.parametrize("is_global", [True, False])
def test_a_held_stream_keeps_its_entries(endpoint, bare_stream, scope, is_global):
    endpoint(URL)
    free = streams.bare()
    hold = holds.place(stream=None if is_global else bare_stream, scope=scope, reason="a wrong model", by=SYSTEM)
    deliveries.happened(bare_stream)
    deliveries.happened(free)

    deliveries.relay_all()
    assert Delivery.objects.count() == (0 if is_global else 1)
    assert not relay.is_due()
    holds.lift(hold=hold, by=SYSTEM)
    deliveries.relay_all()

    assert Delivery.objects.count() == 2


def test_a_hold_on_automation_lets_deliveries_go(endpoint, bare_stream):
    endpoint(URL)
    holds.place(stream=bare_stream, scope=Hold.Scope.AUTOMATION, reason="a wrong model", by=SYSTEM)
    deliveries.happened(bare_stream)

    deliveries.relay_all()

    assert Delivery.objects.count() == 1


def test_an_undo_window_keeps_later_events_of_the_case_behind_it(endpoint, bare_stream):
    endpoint(URL)
    case = uuid.uuid7()
    waiting = deliveries.happened(bare_stream, case_id=case, sequence=3, delay=timedelta(seconds=10))
    deliveries.happened(bare_stream, "case.reopened", case_id=case, sequence=4)
    deliveries.happened(bare_stream, case_id=uuid.uuid7(), sequence=1)

    deliveries.relay_all()
    assert Delivery.objects.count() == 1
    deliveries.make_due()
    deliveries.relay_all()

    assert list(Delivery.objects.filter(case_id=str(case)).order_by("pk").values_list("sequence", flat=True)) == [3, 4]
    assert not void_unreleased(waiting.pk)


def test_an_undone_event_never_leaves_and_frees_those_behind_it(endpoint, bare_stream):
    endpoint(URL)
    case = uuid.uuid7()
    undone = deliveries.happened(bare_stream, case_id=case, sequence=1, delay=timedelta(seconds=10))
    deliveries.happened(bare_stream, "case.reopened", case_id=case, sequence=2)

    assert void_unreleased(undone.pk)
    deliveries.make_due()
    deliveries.relay_all()

    assert relayed() == {("case.reopened", URL)}
