"""Streams and their revisions."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Max

from reviewapp.accounts.models import Team
from reviewapp.domain.errors import Invalid
from reviewapp.registry import contracts, displays
from reviewapp.registry.actors import Actor, check_role
from reviewapp.registry.models import Role, Stream, StreamRevision
from reviewapp.registry.trail import happened, lock

log = structlog.get_logger(__name__)

DEFAULT_TEAM = "default"


def default_team() -> Team:
    """The team of an installation that has not set up others."""
    return Team.objects.get_or_create(slug=DEFAULT_TEAM, defaults={"name": "Default team"})[0]


@transaction.atomic
def create(
    *,
    team: Team,
    slug: str,
    name: str,
    classes: Sequence[str],
    by: Actor,
    review_mode: str = Stream.Mode.ASSISTED,
    description: str = "",
    blind_share: float = 0.1,
    sla: timedelta = timedelta(hours=24),
) -> Stream:
    """Open a stream."""
    stream = Stream(
        team=team,
        slug=slug,
        name=name,
        classes=list(classes),
        review_mode=review_mode,
        description=description,
        blind_share=blind_share,
        sla=sla,
    )
    stream.full_clean()
    stream.save(force_insert=True)
    happened(
        stream, "stream.created", by=by, payload={"slug": slug, "classes": list(classes), "review_mode": review_mode}
    )
    return stream


@transaction.atomic
def revise(*, stream: Stream, kind: str, body: Any, by: Actor) -> StreamRevision:
    """Put a new contract, display or guideline in force; the same content again changes nothing."""
    check_role(by, stream, Role.MODEL_OWNER, Role.LEAD, Role.POLICY_OWNER)
    if kind not in StreamRevision.Kind.values:
        raise Invalid(f"“{kind}” is no kind of revision; use {', '.join(StreamRevision.Kind.values)}.")
    if kind == StreamRevision.Kind.CONTRACT:
        contracts.check_schema(body)
    elif kind == StreamRevision.Kind.DISPLAY:
        displays.check_display(body)
    lock(stream)
    latest = revision_in_force(stream, kind)
    if latest is not None and latest.body == body:
        return latest
    number = (latest.number if latest else 0) + 1
    revision = StreamRevision.objects.create(stream=stream, kind=kind, number=number, body=body, created_by=str(by))
    happened(stream, "stream.revised", by=by, payload={"kind": kind, "number": number})
    return revision


def revision_in_force(stream: Stream, kind: str) -> StreamRevision | None:
    return stream.revisions.filter(kind=kind).order_by("-number").first()


def next_number(queryset: Any, field: str = "number") -> int:
    """The next free number of a stream's numbered rows; the stream's row must be locked."""
    return int((queryset.aggregate(last=Max(field))["last"] or 0) + 1)
