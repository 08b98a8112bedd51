import re
from datetime import timedelta

import pytest
from django.urls import reverse

from reviewapp.registry.actions import clients
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ApiKey, Role
from reviewapp.webhooks import actions, relay
from reviewapp.webhooks.models import Delivery, Endpoint
from tests.factories import cases, teams

pytestmark = pytest.mark.django_db
URL = "http://127.0.0.1:9/hooks"


def content(response):
    return response.content.decode()


@pytest.fixture
def endpoint(stream):
    return actions.create_endpoint(team=stream.team, url=URL, by=SYSTEM)[0]


@pytest.fixture
def delivery(stream, endpoint):
    cases.decided(stream)
    relay.relay_batch()
    return Delivery.objects.get()


def test_an_endpoints_secret_is_shown_once(stream, integrator, signed_in):
    client = signed_in(integrator)

    made = client.post(
        reverse("endpoints_create"), {"team": str(stream.team_id), "url": URL, "streams": [str(stream.pk)]}
    )

    secret = re.search(r"whsec_[\w+/=]+", content(made))
    assert secret
    assert made.headers["Cache-Control"] == "no-store"
    assert secret[0] not in content(client.get(reverse("endpoints")))
    assert list(Endpoint.objects.get().streams.all()) == [stream]


def test_a_refused_address_is_told_at_the_form(stream, integrator, signed_in):
    response = signed_in(integrator).post(
        reverse("endpoints_create"), {"team": str(stream.team_id), "url": "https://me:secret@example.org/"}
    )

    assert response.status_code == 422
    assert not Endpoint.objects.exists()


def test_another_teams_endpoint_does_not_exist(endpoint, outsider, signed_in):
    client = signed_in(outsider)

    for name in ("ping", "rotate", "disable", "enable"):
        assert client.post(reverse(f"endpoints_{name}", args=[endpoint.pk])).status_code == 404
    assert URL not in content(client.get(reverse("endpoints")))


def test_an_auditor_sees_endpoints_and_changes_none(endpoint, auditor, signed_in):
    client = signed_in(auditor)

    shown = content(client.get(reverse("endpoints")))

    assert URL in shown
    assert "Rotate" not in shown
    assert client.post(reverse("endpoints_rotate", args=[endpoint.pk])).status_code == 403


def test_rotate_shows_the_new_secret(endpoint, integrator, signed_in):
    response = signed_in(integrator).post(reverse("endpoints_rotate", args=[endpoint.pk]), {"latest": 1})

    assert "whsec_" in content(response)
    assert endpoint.secrets.count() == 2


def test_sending_the_page_of_a_rotation_again_rotates_nothing(endpoint, integrator, signed_in):
    client, url = signed_in(integrator), reverse("endpoints_rotate", args=[endpoint.pk])
    (latest,) = re.findall(r'name="latest" value="(\d+)"', content(client.get(reverse("endpoints"))))
    client.post(url, {"latest": latest})

    again = client.post(url, {"latest": latest})

    assert again.status_code == 409
    assert "whsec_" not in content(again)
    assert endpoint.secrets.count() == 2
    assert client.post(url, {"latest": "x"}).status_code == 422
    assert client.post(url, {"latest": 2}).status_code == 200


def test_an_endpoint_that_was_given_up_says_why(endpoint, integrator, signed_in):
    actions.disable_failing(endpoint, by=SYSTEM, period=timedelta(days=5))

    shown = content(signed_in(integrator).get(reverse("endpoints")))

    assert "Every delivery has failed for 5 days" in shown
    assert "Nothing is sent until it is enabled" in shown


def test_an_endpoint_is_disabled_with_a_reason_and_enabled_again(endpoint, integrator, signed_in):
    client = signed_in(integrator)

    client.post(reverse("endpoints_disable", args=[endpoint.pk]), {"reason": ""})
    endpoint.refresh_from_db()
    assert endpoint.state == "active"

    client.post(reverse("endpoints_disable", args=[endpoint.pk]), {"reason": "moving house"})
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.state_reason) == ("disabled", "moving house")

    client.post(reverse("endpoints_enable", args=[endpoint.pk]))
    endpoint.refresh_from_db()
    assert endpoint.state == "active"


def test_a_ping_becomes_a_delivery(endpoint, integrator, signed_in):
    signed_in(integrator).post(reverse("endpoints_ping", args=[endpoint.pk]))
    relay.relay_batch()

    assert Delivery.objects.get().event.type == "endpoint.pinged"


def test_deliveries_are_filtered_by_state_and_endpoint(delivery, endpoint, integrator, signed_in):
    client, url = signed_in(integrator), reverse("deliveries")

    assert "decision.made" in content(client.get(url))
    assert "decision.made" in content(client.get(url, {"state": "pending", "endpoint": str(endpoint.pk)}))
    assert "Nothing was sent" in content(client.get(url, {"state": "delivered"}))
    assert "Nothing was sent" in content(client.get(url, {"endpoint": str(delivery.pk)}))


def test_deliveries_are_paged(stream, endpoint, integrator, signed_in, monkeypatch):
    monkeypatch.setattr("reviewapp.web.queries.integration.PAGE", 2)
    made = [cases.decided(stream) for _ in range(3)]
    relay.relay_batch()
    client = signed_in(integrator)

    first = content(client.get(reverse("deliveries")))
    older = re.search(r'href="([^"]+)" rel="next"', first)[1].replace("&amp;", "&")
    second = content(client.get(older))

    listed = [{str(case.pk) for case in made if str(case.pk) in page} for page in (first, second)]
    assert [len(found) for found in listed] == [2, 1]
    assert not listed[0] & listed[1]


def test_a_dead_delivery_is_sent_again(delivery, integrator, signed_in):
    Delivery.objects.update(state="dead", closed_at=delivery.created_at, attempts=10)

    signed_in(integrator).post(reverse("deliveries_redeliver", args=[delivery.pk]))

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("pending", 0)


def test_a_keys_text_is_shown_once_and_works(stream, integrator, signed_in):
    client = signed_in(integrator)
    form = {"team": str(stream.team_id), "client_name": "post office", "scopes": ["cases:write"], "days": "30"}
    form["page"] = re.search(r'name="page" value="([\w-]+)"', content(client.get(reverse("keys"))))[1]

    made = client.post(reverse("keys_create"), form)

    text = re.search(r"rva_\w+?_[\w-]+", content(made).split('class="secret"')[1])[0]
    key = clients.key_for(text)
    assert key.scopes == ["cases:write"]
    assert key.expires_at is not None
    assert text not in content(client.get(reverse("keys")))

    again = content(client.post(reverse("keys_create"), form, follow=True))
    assert "This key was made already" in again
    assert "rva_" not in again.replace(str(key), "")
    assert ApiKey.objects.count() == 1


def test_a_key_without_scope_is_refused(stream, integrator, signed_in):
    response = signed_in(integrator).post(
        reverse("keys_create"), {"team": str(stream.team_id), "client_name": "post office"}
    )

    assert response.status_code == 422
    assert not ApiKey.objects.exists()


def test_a_key_for_another_team_cannot_be_made(outsider, stream, signed_in):
    response = signed_in(outsider).post(
        reverse("keys_create"),
        {"team": str(stream.team_id), "client_name": "mine", "scopes": ["cases:read"], "page": "p"},
    )

    assert response.status_code == 422
    assert not ApiKey.objects.exists()


def test_a_revoked_key_is_dead(stream, integrator, auditor, signed_in):
    key, text = clients.create_key(team=stream.team, client_name="up", scopes=["cases:read"], by=SYSTEM)

    refused = signed_in(auditor).post(reverse("keys_revoke", args=[key.pk]))
    signed_in(integrator).post(reverse("keys_revoke", args=[key.pk]))

    assert refused.status_code == 403
    assert clients.key_for(text) is None


def test_a_lead_of_one_stream_does_not_run_the_team(stream, signed_in):
    person = teams.member("Nora New", role=Role.LEAD, stream=stream)

    for name in ("endpoints", "deliveries", "keys"):
        assert signed_in(person).get(reverse(name)).status_code == 403
