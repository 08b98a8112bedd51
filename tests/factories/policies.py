"""Policy versions through their real actions."""

from collections.abc import Mapping, Sequence
from typing import Any

from reviewapp.gating.actions import activation
from reviewapp.registry.actions import policies
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import PolicyVersion, Stream


def draft(
    stream: Stream,
    *,
    threshold: float = 0.9,
    audit_rate: float = 0.0,
    thresholds: Mapping[str, float] | None = None,
    never_automate: Sequence[str] = (),
    novelty_floor: float | None = None,
    second_read_share: float = 0.0,
    **more: Any,
) -> PolicyVersion:
    """A draft with one threshold and audit rate for all classes; nothing is audited unless a rate is given.

    `more` are further parts of the body; `audit_rates` given there replaces the one rate.
    """
    body: dict[str, Any] = {
        "thresholds": dict.fromkeys(stream.classes, threshold) if thresholds is None else dict(thresholds),
        "audit_rates": dict.fromkeys(stream.classes, audit_rate),
        "never_automate": list(never_automate),
        "novelty_floor": novelty_floor,
        "audit": {"second_read_share": second_read_share, **more.pop("audit", {})},
        **more,
    }
    return policies.draft(stream=stream, body=body, by=SYSTEM)


def active(stream: Stream, **body: Any) -> PolicyVersion:
    """The same, in force."""
    return activation.activate(policy=draft(stream, **body), by=SYSTEM)
