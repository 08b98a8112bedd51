"""A stream's policy versions and holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from reviewapp.gating.models import Hold
from reviewapp.registry.models import PolicyVersion, Stream
from reviewapp.registry.policies import read_body
from reviewapp.web.actor_names import ActorNames

SHOWN = 30


@dataclass(frozen=True)
class ClassRule:
    """What a policy says of one class."""

    name: str
    threshold: float | None
    audit_rate: float | None
    is_never: bool


@dataclass(frozen=True)
class Listed:
    version: PolicyVersion
    by: str
    summary: str


def versions_of(stream: Stream) -> list[PolicyVersion]:
    return list(stream.policy_versions.order_by("-number")[:SHOWN])


def with_names(versions: Sequence[PolicyVersion]) -> list[Listed]:
    names = ActorNames([version.created_by for version in versions])
    return [Listed(version, names[version.created_by], _summary(version.body)) for version in versions]


def holds_on(stream: Stream) -> list[Hold]:
    """The holds that stop this stream now, its own and those over everything."""
    found = Hold.objects.filter(Q(stream=stream) | Q(stream__isnull=True), lifted_at__isnull=True)
    return list(found.order_by("placed_at", "pk"))


def classes_of(stream: Stream, version: PolicyVersion | None) -> list[ClassRule]:
    """Each class under a policy; without one, all of them go to people."""
    policy = read_body(version.body if version else {})
    return [
        ClassRule(
            name,
            policy.thresholds.get(name),
            policy.audit_rates.get(name),
            name in policy.never_automate,
        )
        for name in stream.classes
    ]


def _summary(body: dict[str, Any]) -> str:
    """Classes with the same threshold together: “0.95: 0, 1, 2”."""
    by_threshold: dict[float, list[str]] = {}
    for name, threshold in body.get("thresholds", {}).items():
        by_threshold.setdefault(threshold, []).append(name)
    parts = [f"{threshold:g}: {', '.join(sorted(names))}" for threshold, names in sorted(by_threshold.items())]
    return " · ".join(parts) or "no thresholds: people decide everything"
