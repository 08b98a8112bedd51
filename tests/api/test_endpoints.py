"""Endpoints and deliveries."""

from typing import Any

import pytest

from reviewapp.events.models import Event
from reviewapp.registry.models import Stream
from reviewapp.webhooks.models import Delivery, Endpoint
from tests.api.calling import Caller
from tests.api.conftest import NewKey
from tests.factories import streams

pytestmark = pytest.mark.django_db
URL = "http://127.0.0.1:9/hook"


def test_an_endpoint_is_made_shown_and_disabled(api: Caller, stream: Stream) -> None:
    made = api.post("endpoints", {"url": URL, "event_types": ["decision.made"], "streams": [stream.slug]})
    url = f"endpoints/{made.json()['id']}"
    shown = api.get(url).json()
    listed = api.get("endpoints").json()["items"]
    gone = api.delete(url)

    assert made.status_code == 201
    assert made["Location"] == f"/api/v1/{url}"
    assert made.json()["secret"].startswith("whsec_")
    assert "secret" not in shown
    assert (shown["url"], shown["streams"], shown["state"]) == (URL, [stream.slug], "active")
    assert listed == [shown]
    assert (gone.status_code, gone.json()["state"]) == (200, "disabled")


def test_an_endpoint_is_changed_field_by_field(api: Caller) -> None:
    url = f"endpoints/{api.post('endpoints', {'url': URL}).json()['id']}"

    changed = api.patch(url, {"description": "the ledger"})

    assert (changed.json()["description"], changed.json()["url"]) == ("the ledger", URL)


def test_a_ping_and_a_rotation(api: Caller) -> None:
    made = api.post("endpoints", {"url": URL}).json()

    pinged = api.post(f"endpoints/{made['id']}/ping")
    rotated = api.post(f"endpoints/{made['id']}/rotate")

    assert pinged.status_code == 202
    assert Event.objects.get(pk=pinged.json()["event"]).type == "endpoint.pinged"
    assert rotated.json()["secret"] not in {made["secret"], ""}


def _delivery(made: dict[str, Any]) -> Delivery:
    event = Event.objects.filter(subject=f"endpoint:{made['id']}").earliest("created_at")
    return Delivery.objects.create(event=event, endpoint_id=made["id"])


def test_deliveries_are_listed_and_sent_again(api: Caller) -> None:
    made = api.post("endpoints", {"url": URL}).json()
    delivery = _delivery(made)

    listed = api.get(f"deliveries?endpoint={made['id']}&state=pending").json()["items"]
    again = api.post(f"deliveries/{delivery.pk}/redeliver")

    assert [one["id"] for one in listed] == [str(delivery.pk)]
    assert (again.status_code, again.json()["state"]) == (202, "pending")
    assert api.get("deliveries?state=dead").json()["items"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "ftp://example.org/"}, "url"),
        ({"url": "not an address"}, "url"),
        ({"url": "http://user:pass@127.0.0.1/"}, "url"),
        ({"url": "http://127.0.0.1/" + "x" * 500}, "url"),
        ({"url": 5}, "url"),
        ({"url": URL, "event_types": ["case.received"]}, "event_types.0"),
        ({"url": URL, "event_types": "decision.made"}, "event_types"),
        ({"url": URL, "streams": ["no-such-stream"]}, "streams"),
        ({"url": URL, "streams": [None]}, "streams.0"),
        ({"url": URL, "state": "paused"}, "state"),
    ],
)
def test_a_wrong_endpoint_is_refused_by_field(api: Caller, body: dict[str, Any], field: str) -> None:
    response = api.post("endpoints", body)

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field
    assert not Endpoint.objects.exists()


def test_the_same_address_twice_is_a_conflict(api: Caller) -> None:
    api.post("endpoints", {"url": URL})

    response = api.post("endpoints", {"url": URL})

    assert (response.status_code, response.json()["code"]) == (409, "endpoint_exists")


@pytest.mark.parametrize("action", ["", "/ping", "/rotate"])
def test_endpoints_of_another_team_do_not_exist(api: Caller, foreign_api: Caller, action: str) -> None:
    made = api.post("endpoints", {"url": URL}).json()
    delivery = _delivery(made)

    method = "POST" if action else "PATCH"
    assert foreign_api.send(method, f"endpoints/{made['id']}{action}", {}).status_code == 404
    assert foreign_api.get(f"endpoints/{made['id']}").status_code == 404
    assert foreign_api.delete(f"endpoints/{made['id']}").status_code == 404
    assert foreign_api.post(f"deliveries/{delivery.pk}/redeliver").status_code == 404


def test_a_key_of_one_stream_serves_endpoints_of_it_only(api: Caller, new_key: NewKey, stream: Stream) -> None:
    restricted = Caller(key=new_key(only=(stream,)))
    other = streams.bare()
    wide = api.post("endpoints", {"url": URL}).json()
    mixed = api.post("endpoints", {"url": URL + "/mixed", "streams": [stream.slug, other.slug]}).json()
    own = restricted.post("endpoints", {"url": URL + "/own", "streams": [stream.slug]})

    assert own.status_code == 201
    assert [one["id"] for one in restricted.get("endpoints").json()["items"]] == [own.json()["id"]]
    assert restricted.get(f"endpoints/{wide['id']}").status_code == 404
    assert restricted.get(f"endpoints/{mixed['id']}").status_code == 404
    assert restricted.post("endpoints", {"url": URL + "/all"}).status_code == 403
    assert restricted.post("endpoints", {"url": URL + "/else", "streams": [other.slug]}).status_code == 422
