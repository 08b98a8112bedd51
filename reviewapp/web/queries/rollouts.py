"""What serves a stream now, how its canary does, and which decisions of a version that left still stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reviewapp.cases.actions import guards, recalls
from reviewapp.cases.models import Recall
from reviewapp.domain.canary import Breach, Guards, Sample, breaches
from reviewapp.registry.actions.rollouts import Lineup, can_roll_back, lineup_of
from reviewapp.registry.models import ModelVersion, Rollout, RolloutMember, Stream

RECALLS_SHOWN = 5


@dataclass(frozen=True)
class Arm:
    """One arm of a canary: its cases, and of those the failed, the automatic and the settled otherwise."""

    name: str
    version: ModelVersion
    cases: int
    failed: int
    automated: float | None
    slowest: float | None
    settled: int
    wrong: float | None


@dataclass(frozen=True)
class Watch:
    """How the canary does since it began."""

    arms: tuple[Arm, Arm]
    broken: Sequence[Breach]
    guards: list[dict[str, Any]]
    num_lacking: int  # cases until every guard but the disagreement has enough to go by


@dataclass(frozen=True)
class Leaver:
    """The version that the last rollback took away, with its automatic decisions that stand."""

    version: ModelVersion
    standing: int
    since: datetime


@dataclass(frozen=True)
class Serving:
    lineup: Lineup
    can_roll_back: bool
    watch: Watch | None
    leaver: Leaver | None


def serving(stream: Stream) -> Serving | None:
    """None before anything was rolled out."""
    lineup = lineup_of(stream)
    if lineup is None:
        return None
    return Serving(lineup, can_roll_back(lineup), _watch(stream, lineup), _leaver(stream, lineup))


def recalls_of(stream: Stream) -> list[Recall]:
    """The newest recalls, with what they have done so far."""
    return list(Recall.objects.filter(stream=stream).select_related("model_version").order_by("-pk")[:RECALLS_SHOWN])


def _watch(stream: Stream, lineup: Lineup) -> Watch | None:
    live = lineup.rollout
    if live is None or lineup.canary is None:
        return None
    watched = guards.Watched(stream.pk, live.pk, live.created_at, lineup.share)
    sample, limits = guards.sample_of(watched), guards.guards_of(watched)
    arms = (
        _arm("primary", lineup.primary, sample, ~sample.is_canary),
        _arm("canary", lineup.canary, sample, sample.is_canary),
    )
    lacking = limits.min_cases - (arms[1].cases - arms[1].failed)
    return Watch(arms, breaches(sample, limits), _told(limits), max(0, lacking))


def _arm(name: str, version: ModelVersion, sample: Sample, mine: NDArray[np.bool_]) -> Arm:
    scored, settled = mine & ~sample.is_failed, mine & (sample.is_wrong >= 0)
    times = sample.latency[scored]
    return Arm(
        name=name,
        version=version,
        cases=int(mine.sum()),
        failed=int((mine & sample.is_failed).sum()),
        automated=float(sample.is_automated[scored].mean()) if scored.any() else None,
        slowest=float(np.quantile(times, 0.99)) if times.size else None,
        settled=int(settled.sum()),
        wrong=float((sample.is_wrong[settled] == 1).mean()) if settled.any() else None,
    )


def _told(limits: Guards) -> list[dict[str, Any]]:
    """The guards as facts; one that is off is not told."""
    given = (
        ("Cases before it is judged", limits.min_cases, ""),
        ("More failures by at most", limits.error_rate and limits.error_rate * 100, "points"),
        ("Slowest batches at most", limits.latency, "times as long"),
        ("Acts alone more or less often by at most", limits.automated and limits.automated * 100, "points"),
        ("Shift of its confidences at most", limits.confidence_psi, "PSI"),
        ("People disagree more often by at most", limits.disagreement and limits.disagreement * 100, "points"),
    )
    return [{"label": label, "value": f"{value:g}", "unit": unit} for label, value, unit in given if value is not None]


def _leaver(stream: Stream, lineup: Lineup) -> Leaver | None:
    """After a rollback, the version that left, as long as decisions of it stand and nobody recalls them."""
    live = lineup.rollout
    if live is None or live.step != Rollout.Step.ROLLED_BACK:
        return None
    decided = RolloutMember.objects.filter(
        rollout__stream=stream, rollout__generation=live.generation - 1, role__in=["primary", "canary"]
    ).select_related("model_version")
    by_role = {member.role: member.model_version for member in decided}
    left = by_role.get("canary") or by_role.get("primary")
    since = recalls.began(left) if left is not None else None
    if left is None or since is None or Recall.objects.filter(model_version=left, finished_at__isnull=True).exists():
        return None
    standing = recalls.count_standing(left, since)
    return Leaver(left, standing, since) if standing else None
