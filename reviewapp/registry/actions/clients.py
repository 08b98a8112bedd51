"""Clients and their API keys."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
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
        raise Invalid(f"Unknown scopes: {', '.join(unknown) or 'none given'}; use {', '.join(SCOPES)}.", code="scope_unknown")
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


def key_for(text: str) -> ApiKey | None:
    """The live key with this text, or None; compares in constant time."""
    parts = text.split("_", 2)
    if len(parts) != 3 or parts[0] != "rva":
        return None
    key = (
        ApiKey.objects.select_related("client", "client__team")
        .filter(Q(expires_at__isnull=True) | Q(expires_at__gt=Now()), prefix=parts[1], revoked_at__isnull=True)
        .first()
    )
    if key is None or not hmac.compare_digest(bytes(key.digest), hashlib.sha256(text.encode()).digest()):
        return None
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > USED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


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
