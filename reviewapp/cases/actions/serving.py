"""Which model versions serve a stream at this moment, and which of them a case is for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar
from uuid import UUID

from reviewapp.registry.models import Bundle, ModelVersion, RolloutMember
from reviewapp.writing import execute

Role = RolloutMember.Role


class HasCoin(Protocol):
    """A case with the coin that decides between primary and canary."""

    rollout_coin: float


Flipped = TypeVar("Flipped", bound=HasCoin)


@dataclass(frozen=True, slots=True)
class ServingPlan:
    """A stream's live rollout as scoring needs it.

    `rollout_id` is the fence: a batch planned under one rollout is not written under another. `previous` is the
    primary before the present one. The versions carry number, kind and bundle digest; the bundle's manifest stays in
    the database.
    """

    rollout_id: UUID | None
    primary: ModelVersion | None = None
    canary: ModelVersion | None = None
    canary_share: float = 0.0
    shadows: tuple[ModelVersion, ...] = ()
    previous: ModelVersion | None = None
    tier: ModelVersion | None = None
    tier_sure_from: float = 1.0
    caches_results: bool = False
    # (kind, model version) → whether that circuit is open. No entry: no failure on its account.
    circuits: Mapping[tuple[str, UUID], bool] = field(default_factory=dict)

    def is_for_canary(self, coin: float) -> bool:
        """Whether a case with this rollout coin is the canary's: the same case always, and all of a smaller share."""
        return self.canary is not None and coin < self.canary_share

    def arms(self, group: Sequence[Flipped]) -> list[tuple[ModelVersion, str, list[Flipped]]]:
        """The group apart: which version scores which cases, in which role. Call it where there is a primary."""
        assert self.primary is not None
        if self.canary is None:
            return [(self.primary, Role.PRIMARY.value, list(group))]
        canary = [one for one in group if self.is_for_canary(one.rollout_coin)]
        primary = [one for one in group if not self.is_for_canary(one.rollout_coin)]
        arms = [(self.primary, Role.PRIMARY.value, primary), (self.canary, Role.CANARY.value, canary)]
        return [(version, role, part) for version, role, part in arms if part]

    @property
    def others(self) -> tuple[ModelVersion, ...]:
        """The versions to keep warm beside the primary, the likeliest to be needed first."""
        beside = (self.tier, self.canary, self.previous, *self.shadows)
        return tuple(version for version in beside if version is not None and version.bundle is not None)


# The manifest stays in the database: it is long, and a model that is loaded has read its own.
_PLAN = """
SELECT s.live_rollout_id, r.caches_results, m.role, m.share, m.sure_from,
    (SELECT array_agg(ARRAY[c.kind, (c.opened_at IS NOT NULL)::text]) FROM gating_circuit c
     WHERE c.subject = v.id AND c.kind IN ('model_version', 'accelerator')),
    v.id, v.number, v.kind, v.bundle_id
FROM registry_stream s
LEFT JOIN registry_rollout r ON r.id = s.live_rollout_id
LEFT JOIN LATERAL (
    SELECT role, share, sure_from, model_version_id FROM registry_rolloutmember WHERE rollout_id = r.id
    UNION ALL SELECT 'previous', 1, NULL, r.previous_id WHERE r.previous_id IS NOT NULL
) m ON true
LEFT JOIN registry_modelversion v ON v.id = m.model_version_id
WHERE s.id = %s
ORDER BY v.number
"""


def versions_for(stream_id: UUID) -> ServingPlan:
    """The plan by which the stream's next batch is scored."""
    rows = execute(_PLAN, [stream_id]).fetchall()
    members = [
        (role, share, sure_from, circuits or (), _version(stream_id, *version))
        for _, _, role, share, sure_from, circuits, *version in rows
        if version[0] is not None
    ]
    by_role = {role: version for role, *_, version in members}
    return ServingPlan(
        rollout_id=rows[0][0] if rows else None,
        primary=by_role.get(Role.PRIMARY),
        canary=by_role.get(Role.CANARY),
        canary_share=next((share for role, share, *_ in members if role == Role.CANARY), 0.0),
        shadows=tuple(version for role, *_, version in members if role == Role.SHADOW),
        previous=by_role.get("previous"),
        tier=by_role.get(Role.TIER),
        tier_sure_from=next((sure for role, _, sure, *_ in members if role == Role.TIER), 1.0),
        caches_results=bool(rows and rows[0][1]),
        circuits={
            (kind, version.pk): is_open == "true"
            for _, _, _, circuits, version in members
            for kind, is_open in circuits
        },
    )


def _version(stream_id: UUID, version_id: UUID, number: int, kind: str, digest: str | None) -> ModelVersion:
    bundle = Bundle(digest=digest) if digest else None
    return ModelVersion(id=version_id, stream_id=stream_id, number=number, kind=kind, bundle=bundle)
