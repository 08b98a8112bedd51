"""One look per word: the same state has the same colour, icon and label on every page."""

from typing import Any

from django import template

register = template.Library()

# value → (tone, icon)
LOOKS: dict[str, tuple[str, str]] = {
    # case
    "scoring": ("azure", "hourglass"),
    "in_review": ("yellow", "eye"),
    "decided": ("green", "circle-check"),
    "erased": ("secondary", "eraser"),
    # route, source of a decision or label
    "auto": ("blue", "bolt"),
    "review": ("yellow", "user"),
    "human": ("purple", "user-check"),
    "withdrawn": ("secondary", "arrow-back-up"),
    "outcome": ("teal", "flag"),
    "import": ("secondary", "upload"),
    "demo": ("secondary", "flask"),
    # kind of review
    "routine": ("secondary", "list-details"),
    "audit": ("indigo", "dice-3"),
    "second_opinion": ("cyan", "users"),
    "adjudication": ("purple", "gavel"),
    "escalation": ("orange", "arrow-up-right"),
    "gold": ("yellow", "certificate"),
    "reopened": ("orange", "refresh"),
    # review mode
    "assisted": ("blue", "bulb"),
    "commit_then_reveal": ("teal", "eye-question"),
    "blind": ("secondary", "eye-off"),
    # role of a model version
    "primary": ("green", "target-arrow"),
    "canary": ("yellow", "feather"),
    "shadow": ("secondary", "ghost"),
    "external": ("azure", "external-link"),
    "tier": ("azure", "stack-2"),
    "fallback": ("orange", "arrow-back-up"),
    # bundle, explanation, policy version
    "checking": ("azure", "hourglass"),
    "ready": ("green", "check"),
    "refused": ("red", "ban"),
    "failed": ("red", "circle-x"),
    "draft": ("secondary", "pencil"),
    "proposed": ("azure", "message"),
    "approved": ("teal", "checks"),
    "active": ("green", "circle-dot"),
    "retired": ("secondary", "archive"),
    "restored": ("teal", "arrow-back-up"),
    "never": ("secondary", "ban"),
    # certificate, hold
    "certified": ("green", "certificate"),
    "unproven": ("yellow", "circle-dashed"),
    "violated": ("red", "alert-triangle"),
    "kept": ("green", "check"),
    "broken": ("red", "alert-triangle"),
    "uncertified": ("orange", "certificate-off"),
    "expired": ("secondary", "hourglass"),
    "void": ("secondary", "ban"),
    "hold": ("red", "hand-stop"),
    # breaker, back-test
    "breaker_closed": ("green", "circuit-switch-closed"),
    "breaker_amber": ("yellow", "alert-triangle"),
    "breaker_open": ("red", "circuit-switch-open"),
    "waiting": ("azure", "hourglass"),
    "running": ("azure", "player-play"),
    # review, verdict, label
    "open": ("yellow", "inbox"),
    "done": ("green", "check"),
    "claimed": ("azure", "lock"),
    "overdue": ("red", "clock-exclamation"),
    "counted": ("green", "check"),
    "late": ("orange", "clock-exclamation"),
    "first": ("teal", "circle-dot"),
    "final": ("green", "circle-check"),
    "honest": ("teal", "eye-off"),
    # delivery, endpoint
    "pending": ("azure", "clock"),
    "delivered": ("green", "check"),
    "dead": ("red", "plug-connected-x"),
    "paused": ("orange", "player-pause"),
    "disabled": ("secondary", "send-off"),
}


@register.inclusion_tag("components/badge.html")
def badge(value: str, text: str | None = None) -> dict[str, Any]:
    """The badge of a state, route, role or kind; the word itself unless another text is given."""
    tone, icon = LOOKS.get(value, ("secondary", None))
    return {"tone": tone, "icon": icon, "text": text or value.replace("_", " ")}


@register.inclusion_tag("components/badge.html")
def breaker_badge(state: str) -> dict[str, Any]:
    """A breaker's state; “open” has another look for a review."""
    return badge(f"breaker_{state}", state)
