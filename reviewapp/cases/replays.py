"""Replays that were asked for, with what came of them, read from the case's events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from reviewapp.cases.actions.replaying import FAILED, REPLAYED, REQUESTED
from reviewapp.cases.models import Case, Work
from reviewapp.domain.errors import NotFound
from reviewapp.events.models import Event

LOST = "The input was erased before it could be replayed."


@dataclass(frozen=True)
class Replay:
    """One request and its result. `state`: waiting, done or failed; `result` and `done_at` are those of its event."""

    id: UUID
    prediction_id: UUID
    asked_by: str
    asked_at: datetime
    state: str
    failure: str = ""
    result: Mapping[str, Any] | None = None
    done_at: datetime | None = None

    @property
    def side_by_side(self) -> Sequence[tuple[str, float, float]]:
        """Each class with its probability then and now."""
        if self.result is None:
            return ()
        original, again = self.result["original"], self.result["again"]
        return list(zip(self.result["classes"], original["probabilities"], again["probabilities"], strict=True))


def replays_of(case: Case) -> list[Replay]:
    """The case's replays, the newest request first. Each is answered by the first result that came after it."""
    found = _read(case)
    if all(_is_kept(one) for one in found if one.state == "waiting"):
        return found
    # A result and the end of its work are one transaction: what still waits without work waits in vain.
    return [one if one.state != "waiting" or _is_kept(one) else _lost(one) for one in _read(case)]


def replay_of(case: Case, request_id: UUID) -> Replay:
    """One replay of the case. Raises NotFound."""
    for one in replays_of(case):
        if one.id == request_id:
            return one
    raise NotFound("There is no such replay.", code="replay_unknown")


def _read(case: Case) -> list[Replay]:
    events = Event.objects.filter(case_id=str(case.pk), type__in=[REQUESTED, REPLAYED, FAILED]).order_by("-sequence")
    answers: dict[str, tuple[Event, Mapping[str, Any]]] = {}
    found = []
    for event in events:
        payload = msgspec.json.decode(bytes(event.payload))
        if event.type == REQUESTED:
            found.append(_replay(event, payload["prediction"], answers.get(payload["prediction"])))
        else:
            answers[payload["prediction"]] = event, payload["replay"]
    return found


def _is_kept(one: Replay) -> bool:
    return Work.objects.filter(kind=Work.Kind.REPLAY, subject=str(one.prediction_id)).exists()


def _replay(event: Event, prediction_id: str, answer: tuple[Event, Mapping[str, Any]] | None) -> Replay:
    asked = Replay(event.pk, UUID(prediction_id), event.actor, event.created_at, "waiting")
    if answer is None:
        return asked
    done, result = answer
    if done.type == FAILED:
        return replace(asked, state="failed", failure=result["failure"], done_at=done.created_at)
    return replace(asked, state="done", result=result, done_at=done.created_at)


def _lost(one: Replay) -> Replay:
    return replace(one, state="failed", failure=LOST)
