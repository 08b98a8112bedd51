"""Which cases reach a model version: all that it is asked about, or with a first tier only a part of them."""

from dataclasses import dataclass
from datetime import datetime

from reviewapp.registry.models import ModelVersion, RolloutMember

Role = RolloutMember.Role


@dataclass(frozen=True, slots=True)
class Reached:
    """Since when the same cases reach a version, and in which generation of the rollout that began.

    None and 0 where it never was otherwise.
    """

    since: datetime | None = None
    generation: int = 0


def reached(version: ModelVersion) -> Reached:
    """When the version began to see other cases than before.

    A version behind a first tier sees what that one is not sure of, and as the first tier it decides what it is sure
    of: how often it is wrong there says nothing of all cases, nor the other way round.
    """
    members = RolloutMember.objects.filter(model_version=version).order_by("-rollout__generation")
    parts = list(members.values_list("rollout", "rollout__generation", "rollout__created_at", "role", "sure_from"))
    first = RolloutMember.objects.filter(rollout__members__model_version=version, role=Role.TIER)
    tiers = {rollout: (tier, sure_from) for rollout, tier, sure_from in first.values_list(*_TIER)}
    run: list[tuple[object, Reached]] = []  # newest first, of one reach
    for rollout, generation, created_at, role, sure_from in parts:
        reach = _reach(role, sure_from, tiers.get(rollout))
        if run and reach != run[-1][0]:
            return run[-1][1]
        run.append((reach, Reached(created_at, generation)))
    return Reached()


_TIER = ("rollout", "model_version", "sure_from")


def _reach(role: str, sure_from: float | None, tier: object) -> object:
    """Equal where the same cases reach a version."""
    if role == Role.TIER:
        return sure_from
    return tier if role in {Role.PRIMARY, Role.CANARY} else None
