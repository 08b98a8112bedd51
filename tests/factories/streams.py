"""Streams, bare or ready to decide."""

from itertools import count
from typing import Any

from django.db import connection

from reviewapp.accounts.models import Team
from reviewapp.registry.actions import streams
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import bundles, policies, repeated

_numbers = count(1)


def bare(*, team: Team | None = None, slug: str | None = None, **fields: Any) -> Stream:
    """A stream without model, contract and policy. Nothing is left to the coin unless a share is given."""
    slug = slug or f"parcels-{next(_numbers)}"
    return streams.create(
        team=team or streams.default_team(),
        slug=slug,
        name=fields.pop("name", slug.replace("-", " ").capitalize()),
        classes=fields.pop("classes", bundles.CLASSES),
        by=SYSTEM,
        **{"blind_share": 0.0, **fields},
    )


def ready(*, policy: dict[str, Any] | None = None, **fields: Any) -> Stream:
    """A stream with the real bundle as primary, its contract, and an active policy."""
    if not connection.in_atomic_block or not fields.keys().isdisjoint({"team", "slug", "name"}):
        return _ready(policy=policy, **fields)
    team, slug = streams.default_team(), f"parcels-{next(_numbers)}"
    bundles.stored()
    key = f"{policy} {fields}"
    repeated.rows(key, lambda: _ready(policy=policy, team=team, slug=slug, **fields), team=team, slug=slug)
    return Stream.objects.select_related("team").get(team=team, slug=slug)


def _ready(*, policy: dict[str, Any] | None, **fields: Any) -> Stream:
    stream = bare(**fields)
    bundles.primary(stream)
    policies.active(stream, **(policy or {}))
    return stream


def upstream_scored(*, policy: dict[str, Any] | None = None, **fields: Any) -> Stream:
    """A stream whose primary is an external model, with an active policy."""
    stream = bare(**fields)
    bundles.external_primary(stream)
    policies.active(stream, **(policy or {}))
    return stream
