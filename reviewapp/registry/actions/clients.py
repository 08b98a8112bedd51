"""Clients and their API keys."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from reviewapp.accounts.models import Team
from reviewapp.domain.errors import Invalid
from reviewapp.events import actions as events
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import ApiKey, Client, Stream

# verb:noun; a key without a scope is refused that call.
SCOPES = (
    "cases:write",
    "cases:read",
    "reviews:read",
    "reviews:write",
    "decisions:read",
    "labels:read",
    "labels:write",
    "streams:read",
    "streams:write",
    "endpoints:read",
    "endpoints:write",
)
# last_used_at is a hint for people; writing it with every request would make each read a write.
USED_EVERY = timedelta(minutes=1)


@transaction.atomic
def create_key(
    *,
    team: Team,
    client_name: str,
    scopes: Sequence[str],
    by: Actor,
    streams: Iterable[Stream] = (),
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key of a client, and its text, which is shown this once and never stored."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise Invalid(
            f"Unknown scopes: {', '.join(unknown) or 'none given'}; use {', '.join(SCOPES)}.",
            code="scope_unknown",
        )
    client, _ = Client.objects.get_or_create(team=team, name=client_name)
    prefix = secrets.token_hex(6)
    text = f"rva_{prefix}_{secrets.token_urlsafe(32)}"
    key = ApiKey.objects.create(
        client=client,
        prefix=prefix,
        digest=hashlib.sha256(text.encode()).digest(),
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
    )
    key.streams.set(streams)
    _record("api_key.created", key, by)
    return key, text


@transaction.atomic
def revoke_key(*, key: ApiKey, by: Actor) -> None:
    """End a key with the next request."""
    if ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=timezone.now()):
        _record("api_key.revoked", key, by)


_KEY_COLUMNS = [field.attname for field in ApiKey._meta.concrete_fields]
# One query per request: the key, the client's name and team, the key's streams and whether its use is worth noting.
_FIND = f"""
SELECT {", ".join(f"k.{name}" for name in _KEY_COLUMNS)}, c.team_id, c.name,
    ARRAY(SELECT s.stream_id FROM registry_apikey_streams s WHERE s.apikey_id = k.id),
    k.last_used_at IS NULL OR k.last_used_at < clock_timestamp() - %s
FROM registry_apikey k JOIN registry_client c ON c.id = k.client_id
WHERE k.prefix = %s AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
"""


def actor_for(text: str) -> Actor | None:
    """The client that holds the live key with this text, or None; compares in constant time."""
    parts = text.split("_", 2)
    if len(parts) != 3 or parts[0] != "rva" or not text.isascii() or not text.isprintable():
        return None
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [USED_EVERY, parts[1]])
        row = cursor.fetchone()
    if row is None:
        return None
    *columns, team_id, client_name, stream_ids, is_worth_noting = row
    key = ApiKey.from_db("default", _KEY_COLUMNS, columns)
    if not hmac.compare_digest(bytes(key.digest), hashlib.sha256(text.encode()).digest()):
        return None
    key.client = Client(id=key.client_id, team_id=team_id, name=client_name)
    if is_worth_noting:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=Now())
    return Actor("client", str(key.client_id), key=key, key_stream_ids=frozenset(stream_ids))


def key_for(text: str) -> ApiKey | None:
    """The live key with this text, or None."""
    actor = actor_for(text)
    return actor.key if actor else None


def _record(type_: str, key: ApiKey, by: Actor) -> None:
    events.record(
        events.Happening(
            type=type_,
            subject=f"api_key:{key.pk}",
            actor=str(by),
            payload={"client": key.client.name, "prefix": key.prefix, "scopes": key.scopes},
            team_id=key.client.team_id,
        )
    )
