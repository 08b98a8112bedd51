"""A stream's model versions, rollouts, and what has been seen of them at work."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from reviewapp.registry.models import Bundle, ModelVersion, Rollout, RolloutMember, Stream
from reviewapp.web.actor_names import ActorNames
from reviewapp.web.templatetags.glyphs import duration

Part = RolloutMember.Role
SHOWN = 30
_ORDER = [role.value for role in (Part.PRIMARY, Part.CANARY, Part.TIER, Part.SHADOW)]

# Of the newest cases only: predictions are not indexed by model version.
_SEEN = """
SELECT p.model_version_id, array_agg(DISTINCT p.provider ORDER BY p.provider), count(*),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY p.latency)
FROM (SELECT id FROM cases_case WHERE stream_id = %s ORDER BY id DESC LIMIT 200) c
JOIN cases_prediction p ON p.case_id = c.id
GROUP BY p.model_version_id
"""


@dataclass(frozen=True)
class Seen:
    """What the newest 200 cases show of a version."""

    providers: list[str]
    predictions: int
    latency: float


@dataclass(frozen=True)
class Listed:
    version: ModelVersion
    by: str
    roles: list[str] = field(default_factory=list)
    seen: Seen | None = None
    metrics: list[dict[str, Any]] = field(default_factory=list)

    @property
    def may_serve(self) -> bool:
        """Whether it is through the upload gate, or upstream's own."""
        return self.version.bundle is None or self.version.bundle.state == Bundle.State.READY

    @property
    def cost(self) -> str:
        """What the upload gate measured, in words."""
        budget = (self.version.bundle.run_budget if self.version.bundle else None) or {}
        if not budget.get("row_seconds"):
            return ""
        row, batch, load = (duration(budget[f"{name}_seconds"]) for name in ("row", "batch", "load"))
        memory = f"{budget['peak_rss'] / 2**20:.0f} MiB"
        times = f"{row} for one row, {batch} for {budget['batch_rows']}, {load} to load"
        return f"In the upload gate: {times}; {memory} of memory at most."


def versions_of(stream: Stream) -> list[Listed]:
    """Those at work, then the newest others."""
    members = RolloutMember.objects.filter(rollout=stream.live_rollout_id) if stream.live_rollout_id else []
    roles: dict[UUID, list[str]] = {}
    for member in members:
        roles.setdefault(member.model_version_id, []).append(member.role)
    everything = stream.model_versions.select_related("bundle").order_by("-number")
    versions = [*everything.filter(pk__in=roles), *everything.exclude(pk__in=roles)[:SHOWN]]
    names, seen = ActorNames([version.created_by for version in versions]), _seen(stream)
    versions.sort(key=lambda version: min((_ORDER.index(role) for role in roles.get(version.pk, [])), default=9))
    return [
        Listed(
            version,
            names[version.created_by],
            roles.get(version.pk, []),
            seen.get(version.pk),
            _metrics(version),
        )
        for version in versions
    ]


def rollouts_of(stream: Stream) -> list[tuple[Rollout, str]]:
    rollouts = list(stream.rollouts.prefetch_related("members__model_version").order_by("-generation")[:SHOWN])
    names = ActorNames([rollout.created_by for rollout in rollouts])
    return [(rollout, names[rollout.created_by]) for rollout in rollouts]


def _seen(stream: Stream) -> dict[UUID, Seen]:
    with connection.cursor() as cursor:
        cursor.execute(_SEEN, [stream.pk])
        return {row[0]: Seen(*row[1:]) for row in cursor.fetchall()}


def _metrics(version: ModelVersion) -> list[dict[str, Any]]:
    given = version.bundle.manifest.get("metrics", {}) if version.bundle else {}
    return [
        {"label": name.replace("_", " "), "value": f"{value:.4g}" if isinstance(value, float) else value, "unit": ""}
        for name, value in sorted(given.items(), key=lambda item: (isinstance(item[1], str), item[0]))
        if not isinstance(value, list | dict)  # those are in the model card
    ]
