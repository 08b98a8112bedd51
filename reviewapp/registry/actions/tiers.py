"""How a stream's primary is asked: behind a cheap first tier or at once, with its results kept or not."""

from dataclasses import replace

from django.db import transaction

from reviewapp.domain.errors import Conflict, Invalid
from reviewapp.registry.actions.rollouts import begin, check_may_serve_beside, check_ready, put_live, serving
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import ModelVersion, Rollout, Stream

Step = Rollout.Step


@transaction.atomic
def start_tier(*, version: ModelVersion, sure_from: float, by: Actor, reason: str = "") -> Rollout:
    """Let a cheap version answer where its confidence reaches `sure_from`; the primary is asked only for the rest.

    What it is sure of goes through the gate like any answer. Called again it changes the bound.
    """
    stream = begin(version.stream, by)
    check_ready(version)
    if not 0 < sure_from <= 1:
        message = "Above 0 and at most 1."
        raise Invalid(
            "The confidence from which the first tier answers alone is above 0 and at most 1.",
            code="sure_from_invalid",
            errors=[{"field": "sure_from", "code": "sure_from_invalid", "message": message}],
        )
    live = serving(stream)
    check_may_serve_beside(version, live.primary, "first tier")
    if live.primary.kind == ModelVersion.Kind.EXTERNAL:
        raise Conflict(
            f"Upstream scores “{stream.name}” itself, so no tier can stand before it.", code="primary_external"
        )
    if version.pk in {one.pk for one in (live.canary, *live.shadows) if one is not None}:
        raise Conflict(f"Model {version.number} serves already; let it leave that part first.", code="already_serving")
    lineup = replace(live, tier=version, tier_sure_from=sure_from)
    payload = {"tier": version.number, "sure_from": sure_from}
    return put_live(stream, Step.SERVING, "rollout.tier_started", lineup, by=by, reason=reason, payload=payload)


@transaction.atomic
def stop_tier(*, stream: Stream, by: Actor, reason: str = "") -> Rollout:
    """Ask the primary for every case again."""
    stream = begin(stream, by)
    live = serving(stream)
    if live.tier is None:
        raise Conflict(f"“{stream.name}” has no first tier.", code="not_serving")
    lineup = replace(live, tier=None, tier_sure_from=None)
    payload = {"tier": live.tier.number}
    return put_live(stream, Step.SERVING, "rollout.tier_stopped", lineup, by=by, reason=reason, payload=payload)


@transaction.atomic
def keep_results(*, stream: Stream, is_on: bool, by: Actor, reason: str = "") -> Rollout:
    """Keep, or no longer keep, what costly models answer for inputs that come again."""
    stream = begin(stream, by)
    live = serving(stream)
    if live.caches_results == is_on:
        said = "kept already" if is_on else "not kept"
        raise Conflict(f"Results of “{stream.name}” are {said}.", code="unchanged")
    lineup = replace(live, caches_results=is_on)
    type_ = "rollout.cache_started" if is_on else "rollout.cache_stopped"
    return put_live(stream, Step.SERVING, type_, lineup, by=by, reason=reason)
