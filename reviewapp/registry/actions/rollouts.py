"""Rollouts: which model versions serve a stream. Each change is a new generation, an event, and needs no restart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from reviewapp import inference_client
from reviewapp.domain.canary import Breach, read_guards
from reviewapp.domain.errors import Conflict, Invalid
from reviewapp.registry import fit
from reviewapp.registry.actions.streams import next_number
from reviewapp.registry.actors import Actor, check_role
from reviewapp.registry.models import Bundle, ModelVersion, Role, Rollout, RolloutMember, Stream
from reviewapp.registry.trail import happened, lock

Step = Rollout.Step
Part = RolloutMember.Role


@dataclass(frozen=True, slots=True)
class Lineup:
    """Who serves, and how: the content of one rollout, and the rollout itself where it was read from one."""

    primary: ModelVersion
    canary: ModelVersion | None = None
    share: float = 1.0
    shadows: tuple[ModelVersion, ...] = ()
    previous: ModelVersion | None = None
    guards: Mapping[str, Any] | None = None
    tier: ModelVersion | None = None
    tier_sure_from: float | None = None
    caches_results: bool = False
    rollout: Rollout | None = None

    def but(self, **changes: Any) -> "Lineup":
        """The same with some parts changed; a version that takes another part leaves the tier and the shadows."""
        lineup = replace(self, **changes)
        taken = {version.pk for version in (lineup.primary, lineup.canary) if version is not None}
        if lineup.tier is not None and lineup.tier.pk in taken:
            lineup = replace(lineup, tier=None, tier_sure_from=None)
        if lineup.canary is None:
            lineup = replace(lineup, share=1.0, guards=None)
        return replace(lineup, shadows=tuple(shadow for shadow in lineup.shadows if shadow.pk not in taken))


@transaction.atomic
def promote(*, version: ModelVersion, by: Actor, reason: str = "") -> Rollout:
    """Make a version the stream's primary, with the next batch that is claimed; the one before is kept warm.

    A canary ends with it; shadows go on.
    """
    stream = begin(version.stream, by)
    check_ready(version)
    live = lineup_of(stream)
    if live is None:
        lineup = Lineup(primary=version)
    else:
        previous = live.previous if live.primary.pk == version.pk else live.primary
        lineup = live.but(primary=version, canary=None, previous=previous)
    return put_live(stream, Step.PROMOTED, "rollout.promoted", lineup, by=by, reason=reason)


@transaction.atomic
def start_canary(
    *, version: ModelVersion, share: float, by: Actor, reason: str = "", guards: Mapping[str, Any] | None = None
) -> Rollout:
    """Give a version its share of the stream's cases, chosen by each case's own coin; its guards watch it.

    Called again it changes the share: who was the canary's at a smaller share stays so at a larger one. A share of 1
    hands it everything while the primary is kept warm. Guards that are not named keep their default.
    """
    stream = begin(version.stream, by)
    check_ready(version)
    if not 0 < share <= 1:
        raise Invalid(
            "A canary's share is above 0 and at most 1.",
            code="share_invalid",
            errors=[{"field": "share", "code": "share_invalid", "message": "Above 0 and at most 1."}],
        )
    live = serving(stream)
    check_may_serve_beside(version, live.primary, "canary")
    if live.primary.kind == ModelVersion.Kind.EXTERNAL:
        raise Conflict(
            f"Upstream scores “{stream.name}” itself, so no share of its cases can be given away here. Run model "
            f"{version.number} as a shadow, compare, then promote it.",
            code="primary_external",
        )
    if guards is None and live.canary is not None and live.canary.pk == version.pk:
        guards = live.guards
    lineup = live.but(canary=version, share=share, guards=read_guards(guards or {}).to_json())
    return put_live(stream, Step.CANARY, "rollout.canary_started", lineup, by=by, reason=reason)


@transaction.atomic
def start_shadow(*, version: ModelVersion, by: Actor, reason: str = "") -> Rollout:
    """Let a version score every case for comparison; what it says routes nothing."""
    stream = begin(version.stream, by)
    check_ready(version)
    live = serving(stream)
    check_may_serve_beside(version, live.primary, "shadow")
    if version.pk in {one.pk for one in (live.canary, live.tier) if one is not None}:
        raise Conflict(f"Model {version.number} serves already; let it leave that part first.", code="already_serving")
    if version.pk in {shadow.pk for shadow in live.shadows}:
        raise Conflict(f"Model {version.number} is a shadow already.", code="already_serving")
    lineup = live.but(shadows=(*live.shadows, version))
    return put_live(stream, Step.SHADOWS, "rollout.shadow_started", lineup, by=by, reason=reason)


@transaction.atomic
def stop_shadow(*, version: ModelVersion, by: Actor, reason: str = "") -> Rollout:
    """Stop comparing a version; its predictions so far stay."""
    stream = begin(version.stream, by)
    live = serving(stream)
    if version.pk not in {shadow.pk for shadow in live.shadows}:
        raise Conflict(f"Model {version.number} is no shadow.", code="not_serving")
    lineup = live.but(shadows=tuple(one for one in live.shadows if one.pk != version.pk))
    return put_live(stream, Step.SHADOWS, "rollout.shadow_stopped", lineup, by=by, reason=reason)


@transaction.atomic
def roll_back(
    *, stream: Stream, by: Actor, reason: str, unless_moved: UUID | None = None, breaches: Sequence[Breach] = ()
) -> Rollout:
    """Take back the last step: end the canary, or without one put the primary before back in its place.

    It holds for the next batch that is claimed. The version that failed is not kept as the one to go back to.
    `unless_moved` names the rollout that was judged: another one live by now raises Conflict.
    """
    stream = begin(stream, by)
    if not reason.strip():
        raise Invalid(
            "A rollback needs a reason.",
            code="reason_missing",
            errors=[{"field": "reason", "code": "reason_missing", "message": "Say why."}],
        )
    if unless_moved is not None and stream.live_rollout_id != unless_moved:
        raise Conflict("The rollout has moved on meanwhile.", code="rollout_moved")
    live = serving(stream)
    lineup, left = _one_back(stream, live)
    if lineup.primary.pk != live.primary.pk:
        check_ready(lineup.primary)
    payload = {"rolled_back": left.number, "guards": [breach.guard for breach in breaches]}
    return put_live(stream, Step.ROLLED_BACK, "rollout.rolled_back", lineup, by=by, reason=reason, payload=payload)


def lineup_of(stream: Stream) -> Lineup | None:
    """Who serves the stream now; None before anything was rolled out."""
    if stream.live_rollout_id is None:
        return None
    rollout = Rollout.objects.select_related("previous__bundle").get(pk=stream.live_rollout_id)
    members = list(rollout.members.select_related("model_version__bundle").order_by("model_version__number"))
    for member in members:
        member.model_version.stream = stream
    by_role = {member.role: member for member in members}
    if rollout.previous is not None:
        rollout.previous.stream = stream
    canary, tier = by_role.get(Part.CANARY), by_role.get(Part.TIER)
    return Lineup(
        primary=by_role[Part.PRIMARY].model_version,
        canary=canary.model_version if canary else None,
        share=canary.share if canary else 1.0,
        shadows=tuple(member.model_version for member in members if member.role == Part.SHADOW),
        previous=rollout.previous,
        guards=rollout.guards or None,
        tier=tier.model_version if tier else None,
        tier_sure_from=tier.sure_from if tier else None,
        caches_results=rollout.caches_results,
        rollout=rollout,
    )


def can_roll_back(lineup: Lineup | None) -> bool:
    return lineup is not None and (lineup.canary is not None or lineup.previous is not None)


def _one_back(stream: Stream, live: Lineup) -> tuple[Lineup, ModelVersion]:
    """The lineup to go back to, and the version that leaves."""
    if live.canary is not None:
        return live.but(canary=None), live.canary
    if live.previous is None:
        raise Conflict(
            f"“{stream.name}” has no version to go back to; promote one of its others.", code="nothing_before"
        )
    earlier = (
        Rollout.objects.filter(stream=stream, members__role=Part.PRIMARY, members__model_version=live.previous)
        .select_related("previous__bundle")
        .order_by("-generation")
        .first()
    )
    before = earlier.previous if earlier else None
    if before is not None and before.pk == live.primary.pk:
        # Two versions that replaced each other in turn: the one that now leaves is no refuge.
        before = None
    return live.but(primary=live.previous, previous=before), live.primary


def begin(stream: Stream, by: Actor) -> Stream:
    """The stream as it is under its lock, for someone who may change what serves it."""
    check_role(by, stream, Role.MODEL_OWNER)
    lock(stream)
    stream.live_rollout_id = Stream.objects.values_list("live_rollout_id", flat=True).get(pk=stream.pk)
    return stream


def serving(stream: Stream) -> Lineup:
    """Who serves the stream. Raises Conflict before anything was promoted."""
    live = lineup_of(stream)
    if live is None:
        raise Conflict(f"“{stream.name}” has no primary yet; promote a version first.", code="no_primary")
    return live


def check_ready(version: ModelVersion) -> None:
    """Refuse a version that is not through the upload gate, or that a contract of today has left behind.

    Raises Conflict, and Invalid that lists what differs.
    """
    if version.bundle is None:
        return
    if version.bundle.state != Bundle.State.READY:
        raise Conflict(
            f"Bundle {version.bundle} is {version.bundle.state}, so it cannot serve.", code="bundle_not_ready"
        )
    described = inference_client.manifest(version.bundle.manifest)
    fit.check(version.stream, classes=described.classes, columns=described.columns)


def check_may_serve_beside(version: ModelVersion, primary: ModelVersion, part: str) -> None:
    if version.pk == primary.pk:
        raise Conflict(f"Model {version.number} is the primary.", code="already_serving")
    if version.kind == ModelVersion.Kind.EXTERNAL:
        raise Conflict(
            f"Model {version.number} runs upstream; it can be the primary, but no {part} here.", code="version_external"
        )


def put_live(
    stream: Stream,
    step: Step,
    type_: str,
    lineup: Lineup,
    *,
    by: Actor,
    reason: str,
    payload: Mapping[str, Any] | None = None,
) -> Rollout:
    """Write a lineup as the next generation and let the stream point at it; the stream must be locked by `begin`."""
    rollout = Rollout.objects.create(
        stream=stream,
        generation=next_number(stream.rollouts, "generation"),
        created_by=str(by),
        reason=reason.strip(),
        step=step,
        previous=lineup.previous,
        guards=dict(lineup.guards or {}),
        caches_results=lineup.caches_results,
    )
    # The guards compare it with the times of predictions, which are the database's.
    Rollout.objects.filter(pk=rollout.pk).update(created_at=Now())
    members = [(lineup.primary, Part.PRIMARY, 1.0), *((one, Part.SHADOW, 1.0) for one in lineup.shadows)]
    if lineup.canary is not None:
        members.append((lineup.canary, Part.CANARY, lineup.share))
    rows = [
        RolloutMember(rollout=rollout, model_version=version, role=role, share=share)
        for version, role, share in members
    ]
    if lineup.tier is not None:
        rows.append(
            RolloutMember(rollout=rollout, model_version=lineup.tier, role=Part.TIER, sure_from=lineup.tier_sure_from)
        )
    RolloutMember.objects.bulk_create(rows)
    Stream.objects.filter(pk=stream.pk).update(live_rollout=rollout)
    stream.live_rollout = rollout
    happened(stream, type_, by=by, payload={**_content(rollout, lineup), **(payload or {})})
    return rollout


def _content(rollout: Rollout, lineup: Lineup) -> dict[str, Any]:
    return {
        "generation": rollout.generation,
        "primary": lineup.primary.number,
        "canary": lineup.canary.number if lineup.canary else None,
        "share": lineup.share if lineup.canary else None,
        "shadows": [shadow.number for shadow in lineup.shadows],
        "reason": rollout.reason,
    }
