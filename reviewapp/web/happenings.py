"""Events as sentences."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from reviewapp.events.models import Event
from reviewapp.web.actor_names import ActorNames

Payload = Mapping[str, Any]


@dataclass(frozen=True)
class Happened:
    """One line of a timeline."""

    type: str
    title: str
    text: str
    icon: str
    tone: str
    actor: str
    at: datetime


# type → (title, icon, tone)
TITLES: dict[str, tuple[str, str, str]] = {
    "case.received": ("Received", "download", "secondary"),
    "case.amended": ("Amended", "edit", "yellow"),
    "case.reopened": ("Reopened", "refresh", "orange"),
    "case.recalled": ("Back to people", "refresh", "orange"),
    "decision.made": ("Decided", "circle-check", "green"),
    "decision.corrected": ("Decision corrected", "git-compare", "orange"),
    "decision.withdrawn": ("Decision withdrawn", "arrow-back-up", "orange"),
    "decision.undone": ("Decision undone before it was sent", "arrow-back-up", "secondary"),
    "case.replay_requested": ("Replay asked for", "refresh", "secondary"),
    "case.replayed": ("Replayed", "git-compare", "azure"),
    "case.replay_failed": ("Replay failed", "alert-circle", "red"),
    "review.opened": ("Sent to people", "user", "yellow"),
    "review.committed": ("First answer kept", "eye-off", "teal"),
    "review.submitted": ("Answered", "user-check", "purple"),
    "review.undone": ("Answer taken back", "arrow-back-up", "secondary"),
    "label.recorded": ("Label recorded", "tag", "teal"),
    "label.withdrawn": ("Label withdrawn", "tag", "secondary"),
}


def told(event: Event, names: ActorNames) -> Happened:
    """An event as a line of a timeline."""
    plain = (event.type.replace(".", " ").replace("_", " ").capitalize(), "activity", "secondary")
    title, icon, tone = TITLES.get(event.type, plain)
    sentence = _SENTENCES.get(event.type)
    payload = msgspec.json.decode(bytes(event.payload))
    return Happened(
        event.type, title, sentence(payload) if sentence else "", icon, tone, names[event.actor], event.created_at
    )


def _decision(payload: Payload) -> str:
    decision = payload.get("decision", {})
    words = [f"“{decision.get('class')}”", "automatically" if decision.get("source") == "auto" else "by a person"]
    if decision.get("confidence") is not None:
        words.append(f"· model's confidence {decision['confidence']:.1%}")
    if decision.get("threshold") is not None:
        words.append(f"against {decision['threshold']:.1%}")
    return " ".join(words)


def _review(payload: Payload) -> str:
    review = payload.get("review", {})
    kind = str(review.get("kind", "")).replace("_", " ")
    return f"“{review.get('class')}” in {'an' if kind[:1] in 'aeio' else 'a'} {kind} review"


def _label(payload: Payload) -> str:
    label = payload.get("label", {})
    unseen = ", given before the model was seen" if label.get("is_honest") else ""
    return f"“{label.get('class')}”, source {label.get('source')}{unseen}"


def _replay(payload: Payload) -> str:
    replay = payload.get("replay", {})
    same = "the same result" if replay.get("is_same") else "another result"
    return f"{same}; largest difference {replay.get('difference', 0):.1e}, allowed {replay.get('tolerance', 0):.0e}"


_SENTENCES: dict[str, Callable[[Payload], str]] = {
    "case.received": lambda payload: f"as {payload.get('external_id')}",
    "case.amended": lambda payload: f"generation {payload.get('generation')}",
    "case.reopened": lambda payload: str(payload.get("reason", "")),
    "case.recalled": lambda payload: str(payload.get("reason", "")),
    "decision.made": _decision,
    "decision.corrected": _decision,
    "case.replayed": _replay,
    "case.replay_failed": lambda payload: str(payload.get("replay", {}).get("failure", "")),
    "review.opened": lambda payload: ", ".join(code.replace("_", " ") for code in payload.get("reasons", ())),
    "review.committed": lambda payload: f"“{payload.get('class')}”",
    "review.submitted": _review,
    "label.recorded": _label,
}
