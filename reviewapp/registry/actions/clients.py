"""Clients and their API keys."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from reviewapp.accounts.models import Team
from reviewapp.domain.errors import Invalid
from reviewapp.events import actions as events
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import ApiKey, Client, Stream
from reviewapp.writing import execute

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
    """A new key of a client, and its text, which is shown this once and never stored.

    Raises Invalid for an unknown scope, and for a stream that is another team's.
    """
    streams = list(streams)
    if any(stream.team_id != team.pk for stream in streams):
        raise Invalid(
            f"A key of “{team.name}” is good for streams of that team only; choose among them.",
            code="stream_of_another_team",
            errors=[{"field": "streams", "code": "unknown", "message": "Choose streams of the key's team only."}],
        )
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


@dataclass(frozen=True, slots=True)
class Entrance:
    """Who comes in, and the stream they name: None where they may not know of it."""

    actor: Actor
    stream: Stream | None
    contract_revision: tuple[UUID, int] | None


_KEY_COLUMNS = [field.attname for field in ApiKey._meta.concrete_fields]
_STREAM_COLUMNS = [field.attname for field in Stream._meta.concrete_fields]
# One query per request: the key with its client and streams, the stream that is named and the contract in force.
_ENTER = f"""
SELECT {", ".join(f"k.{name}" for name in _KEY_COLUMNS)}, c.team_id, c.name, own.ids,
    k.last_used_at IS NULL OR k.last_used_at < clock_timestamp() - %s::interval, r.id, r.number,
    {", ".join(f"s.{name}" for name in _STREAM_COLUMNS)}
FROM registry_apikey k
JOIN registry_client c ON c.id = k.client_id
CROSS JOIN LATERAL (
    SELECT ARRAY(SELECT stream_id FROM registry_apikey_streams WHERE apikey_id = k.id) AS ids
) own
LEFT JOIN registry_stream s
    ON s.team_id = c.team_id AND s.slug = %s AND (own.ids = '{{}}' OR s.id = ANY(own.ids))
LEFT JOIN LATERAL (
    SELECT id, number FROM registry_streamrevision
    WHERE stream_id = s.id AND kind = 'contract' ORDER BY number DESC LIMIT 1
) r ON true
WHERE k.prefix = %s AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
"""  # noqa: S608 the names are the models' columns


def enter(text: str, *, slug: str | None = None) -> Entrance | None:
    """The client that holds the live key with this text, or None; compares in constant time."""
    parts = text.split("_", 2)
    if len(parts) != 3 or parts[0] != "rva" or not text.isascii() or not text.isprintable():
        return None
    row = execute(_ENTER, [f"{USED_EVERY.total_seconds()} seconds", slug, parts[1]]).fetchone()
    if row is None:
        return None
    key = ApiKey.from_db("default", _KEY_COLUMNS, row[: len(_KEY_COLUMNS)])
    if not hmac.compare_digest(bytes(key.digest), hashlib.sha256(text.encode()).digest()):
        return None
    team_id, client_name, stream_ids, is_worth_noting, revision, number, *columns = row[len(_KEY_COLUMNS) :]
    key.client = Client(id=key.client_id, team_id=team_id, name=client_name)
    if is_worth_noting:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=Now())
    return Entrance(
        Actor("client", str(key.client_id), key=key, key_stream_ids=frozenset(stream_ids)),
        Stream.from_db("default", _STREAM_COLUMNS, columns) if columns[0] else None,
        (revision, number) if revision else None,
    )


def key_for(text: str) -> ApiKey | None:
    """The live key with this text, or None."""
    entrance = enter(text)
    return entrance.actor.key if entrance else None


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
