import pytest
from django.test import override_settings

from reviewapp.domain.errors import Conflict, Forbidden, Invalid, NotFound
from reviewapp.events.models import Event
from reviewapp.registry.actions import clients
from reviewapp.registry.actions.streams import default_team
from reviewapp.registry.actors import SYSTEM, Actor
from reviewapp.registry.models import ApiKey, Role
from reviewapp.webhooks import actions
from reviewapp.webhooks.models import Delivery, Endpoint, EndpointSecret
from tests.factories import streams, teams
from tests.people import acting
from tests.webhooks import deliveries

pytestmark = pytest.mark.django_db

URL = "https://hooks.example.com/reviewapp"


def key_of(*, streams=(), team=None) -> Actor:
    key, _ = clients.create_key(
        team=team or default_team(), client_name="upstream", scopes=["endpoints:write"], by=SYSTEM, streams=streams
    )
    return Actor.for_key(ApiKey.objects.select_related("client").get(pk=key.pk))


def types() -> list[str]:
    return list(
        Event.objects.filter(type__startswith="endpoint.").order_by("created_at", "pk").values_list("type", flat=True)
    )


def test_an_endpoint_is_created_with_a_secret_that_is_kept_encrypted(by, bare_stream):
    endpoint, secret = actions.create_endpoint(
        team=default_team(), url=URL, by=by, event_types=["decision.made"], streams=[bare_stream]
    )

    assert secret.startswith("whsec_")
    assert secret.encode() not in bytes(EndpointSecret.objects.get().encrypted)
    assert list(endpoint.streams.all()) == [bare_stream]
    assert types() == ["endpoint.created"]
    assert secret.encode() not in bytes(Event.objects.get(type="endpoint.created").payload)


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.POLICY_OWNER, Role.MODEL_OWNER, Role.AUDITOR])
def test_other_roles_may_not_create_one(role):
    with pytest.raises(Forbidden):
        actions.create_endpoint(team=default_team(), url=URL, by=acting(teams.member(role=role)))


def test_a_lead_of_one_stream_may_not_create_one(bare_stream):
    person = teams.member(role=Role.LEAD, stream=bare_stream)

    with pytest.raises(Forbidden):
        actions.create_endpoint(team=default_team(), url=URL, by=acting(person), streams=[bare_stream])


def test_a_lead_of_the_team_may(lead):
    assert actions.create_endpoint(team=default_team(), url=URL, by=acting(lead))


@pytest.mark.parametrize("write", ["update_endpoint", "disable", "pause", "enable", "rotate", "ping"])
def test_another_teams_endpoint_does_not_exist_for_an_outsider(write, endpoint, outsider):
    arguments = {"reason": "spite"} if write == "disable" else {}

    with pytest.raises(NotFound):
        getattr(actions, write)(endpoint=endpoint(URL), by=acting(outsider), **arguments)


def test_a_key_of_another_team_may_not_touch_it(endpoint):
    with pytest.raises(NotFound):
        actions.rotate(endpoint=endpoint(URL), by=key_of(team=teams.team("other-team")))


def test_a_key_of_some_streams_serves_endpoints_of_those_only(bare_stream, endpoint):
    other = streams.bare()
    key = key_of(streams=[bare_stream])

    created, _ = actions.create_endpoint(team=default_team(), url=URL, by=key, streams=[bare_stream])

    for wanted in ([], [other], [bare_stream, other]):
        with pytest.raises(Forbidden):
            actions.create_endpoint(team=default_team(), url=f"{URL}/2", by=key, streams=wanted)
        with pytest.raises(Forbidden):
            actions.update_endpoint(endpoint=created, by=key, streams=wanted)
    with pytest.raises(Forbidden):
        actions.ping(endpoint=endpoint(f"{URL}/3"), by=key)


def test_a_stream_of_another_team_is_refused(by):
    with pytest.raises(Invalid) as refused:
        actions.create_endpoint(
            team=default_team(), url=URL, by=by, streams=[streams.bare(team=teams.team("other-team"))]
        )

    assert refused.value.details["errors"][0]["field"] == "streams"


@pytest.mark.parametrize("type_", ["decision.mad", "case.received", ""])
def test_an_unknown_or_unpublished_event_type_is_refused(by, type_):
    with pytest.raises(Invalid) as refused:
        actions.create_endpoint(team=default_team(), url=URL, by=by, event_types=[type_])

    assert refused.value.code == "event_type_unknown"


def test_the_same_address_twice_is_a_conflict(by, endpoint):
    first = endpoint(URL)
    second = endpoint(f"{URL}/2")

    with pytest.raises(Conflict):
        endpoint(URL)
    with pytest.raises(Conflict):
        actions.update_endpoint(endpoint=second, by=by, url=first.url)


def test_an_update_changes_what_is_named_and_is_an_event(by, endpoint, bare_stream):
    created = endpoint(URL, description="before", event_types=["case.reopened"])

    actions.update_endpoint(endpoint=created, by=by, url=f"{URL}/new", streams=[bare_stream])
    actions.update_endpoint(endpoint=created, by=by, url=f"{URL}/new", streams=[bare_stream])

    changed = Endpoint.objects.get()
    assert (changed.url, changed.description, changed.event_types) == (f"{URL}/new", "before", ["case.reopened"])
    assert list(changed.streams.all()) == [bare_stream]
    assert types() == ["endpoint.created", "endpoint.updated"]


def test_only_named_things_can_be_changed(by, endpoint):
    with pytest.raises(TypeError):
        actions.update_endpoint(endpoint=endpoint(URL), by=by, state="active")


def test_it_is_disabled_paused_and_enabled_once_each(by, endpoint):
    created = endpoint(URL)

    for _ in range(2):
        assert actions.disable(endpoint=created, by=by, reason="moved").state == "disabled"
    for _ in range(2):
        assert actions.pause(endpoint=created, by=by).state == "paused"
    for _ in range(2):
        assert actions.enable(endpoint=created, by=by).state == "active"

    assert types() == ["endpoint.created", "endpoint.disabled", "endpoint.paused", "endpoint.enabled"]


def test_rotating_twice_ends_the_first_secret_at_once_and_the_second_in_a_day(by, endpoint):
    created = endpoint(URL)

    secrets = [actions.rotate(endpoint=created, by=by) for _ in range(2)]

    first, second, third = EndpointSecret.objects.order_by("number")
    assert len({created.secret, *secrets}) == 3
    assert (first.expires_at - first.created_at).total_seconds() < 60
    assert 86_000 < (second.expires_at - second.created_at).total_seconds() < 86_500
    assert third.expires_at is None


def test_a_disabled_endpoint_is_neither_pinged_nor_redelivered_to(by, endpoint, bare_stream):
    created = endpoint(URL)
    deliveries.happened(bare_stream)
    deliveries.relay_all()
    actions.disable(endpoint=created, by=by, reason="moved")

    with pytest.raises(Conflict):
        actions.ping(endpoint=created, by=by)
    with pytest.raises(Conflict):
        actions.redeliver(delivery=Delivery.objects.get(), by=by)


ALWAYS_REFUSED = [
    "ftp://hooks.example.com/",
    "hooks.example.com",
    "https://",
    "https:///path",
    "https://user:secret@hooks.example.com/",
    "https://user@hooks.example.com/",
    "https://hooks.example.com/a b",
    "https://hooks.example.com/#fragment",
    "https://hooks.example.com:notaport/",
    "https://hooks.example.com:99999/",
    "https://hööks.example.com/",
    "https://hooks.example.com/\n",
    "https://[::1/",
    f"https://hooks.example.com/{'x' * 500}",
    "https://169.254.169.254/latest/meta-data/",
    "https://10.0.0.1/",
    "https://192.168.0.1/",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://[fe80::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://2852039166/",
    "https://0xa9fea9fe/",
]
PUBLICLY_REFUSED = [
    "http://hooks.example.com/",
    "https://hooks.example.com:8000/",
    "https://hooks.example.com:22/",
    "https://localhost/",
    "https://127.0.0.1/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://intranet/",
]


@pytest.mark.parametrize("url", ALWAYS_REFUSED)
@pytest.mark.parametrize("allow_private", [True, False])
def test_a_bad_address_is_refused(by, url, allow_private):
    with override_settings(WEBHOOK_ALLOW_PRIVATE=allow_private), pytest.raises(Invalid) as refused:
        actions.create_endpoint(team=default_team(), url=url, by=by)

    assert refused.value.code == "url_refused"
    assert refused.value.details["errors"][0]["field"] == "url"


@pytest.mark.parametrize("url", PUBLICLY_REFUSED)
def test_a_private_address_is_refused_without_the_flag(by, endpoint, url):
    with override_settings(WEBHOOK_ALLOW_PRIVATE=False):
        with pytest.raises(Invalid):
            actions.create_endpoint(team=default_team(), url=url, by=by)
        with pytest.raises(Invalid):
            actions.update_endpoint(endpoint=endpoint(URL), by=by, url=url)


@pytest.mark.parametrize(
    "url", [URL, "https://hooks.example.com:443/", "https://hooks.example.com:8443/x?y=z", "https://8.8.8.8/"]
)
def test_a_public_address_is_accepted(by, url):
    with override_settings(WEBHOOK_ALLOW_PRIVATE=False):
        assert actions.create_endpoint(team=default_team(), url=url, by=by)
