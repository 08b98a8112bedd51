"""The card that says how a stream's models are asked, and the steps behind it."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from reviewapp.cases.models import CacheUse
from reviewapp.gating.models import Circuit
from reviewapp.registry.actions import rollouts, tiers
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import bundles, teams


@pytest.fixture
def owner(client: Client, stream: Stream) -> Client:
    client.force_login(teams.member(role="model_owner", stream=stream))
    return client


def page(client: Client, stream: Stream) -> str:
    return client.get(f"/s/{stream.slug}/models").content.decode()


def test_a_healthy_stream_says_that_its_primary_is_asked(owner: Client, stream: Stream) -> None:
    shown = page(owner, stream)

    assert "Model 1 is asked for every case." in shown
    assert "Results of costly models are not kept." in shown
    assert "rests" not in shown


def test_a_resting_model_is_shown_with_its_last_error(owner: Client, stream: Stream) -> None:
    now = timezone.now()
    Circuit.objects.create(
        kind="model_version",
        subject=stream.model_versions.get().pk,
        failures=5,
        detail="RemoteUnavailable: <b>no answer</b>",
        opened_at=now,
        probe_at=now + timedelta(seconds=30),
    )

    shown = page(owner, stream)

    assert "5 failures, last: RemoteUnavailable: &lt;b&gt;no answer&lt;/b&gt;" in shown
    assert "rests" in shown


def test_a_first_tier_is_started_and_stopped_with_a_reason(owner: Client, stream: Stream) -> None:
    bundles.version(stream, "cheap")

    owner.post(f"/s/{stream.slug}/models/tier", {"version": "2", "sure_from": "95", "reason": "Costs less."})

    assert "Model 2 answers first and alone from a confidence of 95" in page(owner, stream)
    owner.post(f"/s/{stream.slug}/models/tier/stop", {"reason": "It errs."})
    assert rollouts.serving(stream).tier is None
    assert stream.rollouts.order_by("generation").last().reason == "It errs."


def test_a_step_without_a_reason_is_refused(owner: Client, stream: Stream) -> None:
    bundles.version(stream, "cheap")

    answer = owner.post(f"/s/{stream.slug}/models/tier", {"version": "2", "sure_from": "95"}, follow=True)

    assert "This field is required." in answer.content.decode()
    assert rollouts.serving(stream).tier is None


def test_results_are_kept_and_their_luck_is_shown(owner: Client, stream: Stream) -> None:
    owner.post(f"/s/{stream.slug}/models/results", {"is_on": "on", "reason": "It is far away."})
    CacheUse.objects.create(model_version=stream.model_versions.get(), lookups=8, hits=6)

    shown = page(owner, stream)

    assert "kept for inputs that come again" in shown
    assert "of 8 were there" in shown
    owner.post(f"/s/{stream.slug}/models/results", {"is_on": "", "reason": "Enough."})
    assert not rollouts.serving(stream).caches_results


def test_reviewers_see_no_steps_and_may_take_none(client: Client, stream: Stream) -> None:
    tiers.start_tier(version=bundles.version(stream, "cheap"), sure_from=0.9, by=SYSTEM)
    client.force_login(teams.member(role="reviewer", stream=stream))

    assert "Ask the primary only" not in page(client, stream)
    for step in ("tier", "tier/stop", "results"):
        assert client.post(f"/s/{stream.slug}/models/{step}", {"reason": "No."}).status_code == 403


def test_strangers_find_nothing(client: Client, stream: Stream) -> None:
    client.force_login(teams.member(role="model_owner", team=teams.team("elsewhere")))

    assert client.post(f"/s/{stream.slug}/models/tier/stop", {"reason": "No."}).status_code == 404
