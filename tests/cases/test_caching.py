"""Results of costly models are kept where the rollout says so, and cost a cheap model nothing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from reviewapp.cases.actions import caching
from reviewapp.cases.models import CachedResult, CacheUse, Prediction
from reviewapp.registry.actions import rollouts, tiers
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import bundles, cases, remote
from tests.factories.remote import OipServer


@pytest.fixture
def costly(stream: Stream, server: OipServer) -> Stream:
    """A stream whose primary is far away."""
    rollouts.promote(version=remote.version(stream, server), by=SYSTEM)
    server.requests.clear()
    return stream


def test_results_are_not_kept_unless_the_rollout_says_so(costly: Stream, server: OipServer) -> None:
    for _ in range(2):
        cases.decided(costly)

    assert len(server.requests) == 2
    assert not CachedResult.objects.exists()
    assert not CacheUse.objects.exists()


def test_an_input_that_comes_again_costs_no_run(costly: Stream, server: OipServer) -> None:
    tiers.keep_results(stream=costly, is_on=True, by=SYSTEM)

    first, again = cases.decided(costly), cases.decided(costly)

    ran, kept = (Prediction.objects.get(case=case) for case in (first, again))
    assert len(server.requests) == 1
    assert kept.probabilities == ran.probabilities
    assert (kept.novelty, kept.confidence, kept.answer) == (ran.novelty, ran.confidence, ran.answer)
    assert (ran.provider, kept.provider) == ("remote", "remote (cached)")
    use = CacheUse.objects.get()
    assert (use.model_version.number, use.lookups, use.hits) == (2, 2, 1)


def test_a_batch_runs_only_the_rows_that_are_new(costly: Stream, server: OipServer) -> None:
    tiers.keep_results(stream=costly, is_on=True, by=SYSTEM)
    cases.decided(costly)
    server.requests.clear()
    known, fresh = cases.received(costly, bundles.CLEARLY_INTACT), cases.received(costly, bundles.CLEARLY_DAMAGED)

    cases.score_all()

    assert [request["inputs"][0]["data"] for request in server.requests] == [[9.0, 9.0]]
    assert Prediction.objects.get(case=known).answer == "intact"
    assert Prediction.objects.get(case=fresh).answer == "damaged"


def test_another_bundle_does_not_answer_with_these_results(costly: Stream, server: OipServer) -> None:
    tiers.keep_results(stream=costly, is_on=True, by=SYSTEM)
    cases.decided(costly)
    rollouts.promote(version=remote.version(costly, server, "parcels-other"), by=SYSTEM)
    server.requests.clear()

    case = cases.decided(costly)

    assert len(server.requests) == 1
    assert Prediction.objects.get(case=case).provider == "remote"


def test_a_cheap_model_is_never_looked_up(stream: Stream) -> None:
    tiers.keep_results(stream=stream, is_on=True, by=SYSTEM)

    for _ in range(2):
        cases.decided(stream)

    assert not CachedResult.objects.exists()
    assert not CacheUse.objects.exists()


def test_results_are_dropped_in_time(db: None) -> None:
    for number in range(2):
        CachedResult.objects.create(
            bundle="a" * 64, fingerprint=bytes([number]), probabilities=[1.0], provider="remote"
        )
    CachedResult.objects.filter(fingerprint=b"\x00").update(
        created_at=timezone.now() - caching.KEPT - timedelta(minutes=1)
    )

    assert caching.drop_old() == 1
    assert bytes(CachedResult.objects.get().fingerprint) == b"\x01"
