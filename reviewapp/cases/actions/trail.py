"""A case's own events: numbered without gaps while its row is locked."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuid

from reviewapp.cases.models import Case
from reviewapp.domain.errors import NotFound
from reviewapp.events import actions as events
from reviewapp.registry.actors import Actor


def locked(case_id: UUID) -> Case:
    """The case with its stream, its row locked until the transaction ends."""
    case = Case.objects.select_for_update(of=("self",), no_key=True).select_related("stream").filter(pk=case_id).first()
    if case is None:
        raise NotFound("There is no such case.")
    return case


def happened(
    case: Case,
    type_: str,
    *,
    by: Actor | str,
    payload: Mapping[str, Any],
    delay: timedelta | None = None,
    event_id: UUID | None = None,
) -> UUID:
    """Record an event of a locked case and answer its id; the payload always says which case and stream."""
    case.num_events += 1
    Case.objects.filter(pk=case.pk).update(num_events=case.num_events)
    event_id = event_id or uuid.uuid7()
    happening = events.Happening(
        id=event_id,
        type=type_,
        subject=f"case:{case.pk}",
        actor=str(by),
        payload={
            "case": str(case.pk),
            "external_id": case.external_id,
            "stream": case.stream.slug,
            "generation": case.generation,
            "sequence": case.num_events,
            **payload,
        },
        team_id=case.stream.team_id,
        stream_id=case.stream_id,
        case_id=case.pk,
        sequence=case.num_events,
        delay=delay,
    )
    events.record(happening)
    return event_id
