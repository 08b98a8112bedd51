"""Setting up and ending a first tier, and the keeping of results."""

import pytest

from reviewapp.domain.errors import Conflict, Forbidden, Invalid
from reviewapp.events.models import Event
from reviewapp.registry.actions import rollouts, tiers
from reviewapp.registry.actors import SYSTEM, Actor
from reviewapp.registry.models import Stream
from tests.factories import bundles, streams, teams


def test_a_tier_stands_before_the_primary_and_outlives_a_promotion(stream: Stream) -> None:
    cheap, newer = bundles.version(stream, "cheap"), bundles.version(stream, "newer")

    rollout = tiers.start_tier(version=cheap, sure_from=0.9, by=SYSTEM, reason="Costs less.")
    rollouts.promote(version=newer, by=SYSTEM)

    stream.refresh_from_db()
    lineup = rollouts.lineup_of(stream)
    assert lineup is not None
    assert (lineup.primary, lineup.tier, lineup.tier_sure_from) == (newer, cheap, 0.9)
    assert (rollout.step, rollout.reason) == ("serving", "Costs less.")
    assert Event.objects.filter(type="rollout.tier_started").exists()


def test_a_tier_ends(stream: Stream) -> None:
    tiers.start_tier(version=bundles.version(stream, "cheap"), sure_from=0.9, by=SYSTEM)

    tiers.stop_tier(stream=stream, by=SYSTEM)

    assert rollouts.serving(stream).tier is None
    with pytest.raises(Conflict, match="no first tier"):
        tiers.stop_tier(stream=stream, by=SYSTEM)


@pytest.mark.parametrize("sure_from", [0.0, -1.0, 1.1])
def test_a_bound_that_is_no_confidence_is_refused(stream: Stream, sure_from: float) -> None:
    cheap = bundles.version(stream, "cheap")

    with pytest.raises(Invalid, match="above 0 and at most 1"):
        tiers.start_tier(version=cheap, sure_from=sure_from, by=SYSTEM)


def test_what_serves_already_cannot_be_the_tier(stream: Stream) -> None:
    shadow = bundles.version(stream, "shadow")
    rollouts.start_shadow(version=shadow, by=SYSTEM)

    with pytest.raises(Conflict, match="serves already"):
        tiers.start_tier(version=shadow, sure_from=0.9, by=SYSTEM)
    with pytest.raises(Conflict, match="is the primary"):
        tiers.start_tier(version=stream.model_versions.get(number=1), sure_from=0.9, by=SYSTEM)


def test_no_tier_stands_before_a_model_that_upstream_runs(db: None) -> None:
    stream = streams.upstream_scored()
    cheap = bundles.version(stream, "cheap")

    with pytest.raises(Conflict, match="Upstream scores"):
        tiers.start_tier(version=cheap, sure_from=0.9, by=SYSTEM)


def test_keeping_results_is_switched_by_a_rollout(stream: Stream) -> None:
    tiers.keep_results(stream=stream, is_on=True, by=SYSTEM)
    assert rollouts.serving(stream).caches_results
    with pytest.raises(Conflict, match="kept already"):
        tiers.keep_results(stream=stream, is_on=True, by=SYSTEM)

    tiers.keep_results(stream=stream, is_on=False, by=SYSTEM)

    assert not rollouts.serving(stream).caches_results


def test_reviewers_change_none_of_it(stream: Stream) -> None:
    reviewer = Actor.for_user(teams.member(role="reviewer", team=stream.team))
    cheap = bundles.version(stream, "cheap")

    with pytest.raises(Forbidden):
        tiers.start_tier(version=cheap, sure_from=0.9, by=reviewer)
    with pytest.raises(Forbidden):
        tiers.stop_tier(stream=stream, by=reviewer)
    with pytest.raises(Forbidden):
        tiers.keep_results(stream=stream, is_on=True, by=reviewer)
