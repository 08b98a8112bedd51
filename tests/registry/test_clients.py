from datetime import timedelta

import pytest
from django.utils import timezone

from reviewapp.accounts.models import Team
from reviewapp.domain.errors import Invalid
from reviewapp.events.models import Event
from reviewapp.registry.actions import clients
from reviewapp.registry.actions.streams import default_team
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ApiKey, Client, Stream

pytestmark = pytest.mark.django_db


def create(**options: object) -> tuple[ApiKey, str]:
    return clients.create_key(
        **{"team": default_team(), "client_name": "upstream", "scopes": ["cases:read"], "by": SYSTEM, **options}
    )


def test_the_text_of_a_key_finds_it_and_is_stored_nowhere() -> None:
    key, text = create()

    assert clients.key_for(text) == key
    assert text.startswith(f"rva_{key.prefix}_")
    secret = text.rpartition("_")[2].encode()
    assert secret not in bytes(ApiKey.objects.get().digest)
    assert all(secret not in bytes(event.payload) for event in Event.objects.all())


def test_a_key_is_good_for_streams_of_its_own_team_only(stream: Stream) -> None:
    other = Team.objects.create(slug="others", name="Others")

    with pytest.raises(Invalid, match="streams of that team only"):
        create(team=other, streams=[stream])

    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("text", ["", "rva", "rva_", "rva_abc", "rva_unknown_secret", "abc_def_ghi", "rva__"])
def test_what_is_no_key_finds_nothing(text: str) -> None:
    create()

    assert clients.key_for(text) is None


def test_a_wrong_secret_with_a_known_prefix_finds_nothing() -> None:
    _, text = create()

    assert clients.key_for(text[:-1] + ("a" if text[-1] != "a" else "b")) is None


def test_a_revoked_or_expired_key_is_none() -> None:
    revoked, revoked_text = create()
    clients.revoke_key(key=revoked, by=SYSTEM)
    clients.revoke_key(key=revoked, by=SYSTEM)
    _, expired_text = create(expires_at=timezone.now() - timedelta(seconds=1))
    _, text = create(expires_at=timezone.now() + timedelta(minutes=1))

    assert clients.key_for(revoked_text) is None
    assert clients.key_for(expired_text) is None
    assert clients.key_for(text) is not None
    assert Event.objects.filter(type="api_key.revoked").count() == 1


def test_use_is_noted_once_a_minute() -> None:
    _, text = create()
    clients.key_for(text)
    first = ApiKey.objects.get().last_used_at
    clients.key_for(text)
    assert ApiKey.objects.get().last_used_at == first
    ApiKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))

    clients.key_for(text)

    assert ApiKey.objects.get().last_used_at > first


@pytest.mark.parametrize("scopes", [[], ["cases:delete"], ["cases:read", "everything"]])
def test_a_key_needs_known_scopes(scopes: list[str]) -> None:
    with pytest.raises(Invalid, match="Unknown scopes"):
        create(scopes=scopes)

    assert not ApiKey.objects.exists()


def test_keys_of_one_client_name_belong_to_one_client() -> None:
    create()
    create()

    assert Client.objects.count() == 1
    assert ApiKey.objects.count() == 2
