"""A stream's own events, and the lock under which its numbered rows and its rules change."""

from collections.abc import Mapping
from typing import Any

from reviewapp.events import actions as events
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Stream


def happened(stream: Stream, type_: str, *, by: Actor, payload: Mapping[str, Any], subject: str = "") -> None:
    """Record an event of a stream, or of something in it when `subject` names it."""
    events.record(
        events.Happening(
            type=type_,
            subject=subject or f"stream:{stream.pk}",
            actor=str(by),
            payload=payload,
            team_id=stream.team_id,
            stream_id=stream.pk,
        )
    )


def lock(stream: Stream) -> None:
    """Wait for batches being decided by the present rules, and keep others from changing them meanwhile."""
    Stream.objects.select_for_update(of=("self",), no_key=True).get(pk=stream.pk)
