"""A cheap first tier before the primary: who answers, what is stored, and that only one prediction routes."""

import pytest
from django.db import IntegrityError, transaction

from reviewapp.cases.actions import labelling
from reviewapp.cases.models import Decision, Prediction
from reviewapp.registry.actions import rollouts, tiers
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion, Stream
from tests.cases.failing import fail_until_rested
from tests.factories import bundles, cases, remote
from tests.factories.remote import OipServer


@pytest.fixture
def tiered(stream: Stream, server: OipServer) -> Stream:
    """A stream whose primary is far away, with the plain bundle as first tier, sure from 0.95."""
    cheap = stream.model_versions.get()
    rollouts.promote(version=remote.version(stream, server), by=SYSTEM)
    tiers.start_tier(version=cheap, sure_from=0.95, by=SYSTEM)
    server.requests.clear()
    return stream


def cheap_of(stream: Stream) -> ModelVersion:
    return stream.model_versions.get(number=1)


def test_what_the_first_tier_is_sure_of_is_decided_by_it_alone(tiered: Stream, server: OipServer) -> None:
    case = cases.decided(tiered)

    prediction = Prediction.objects.get(case=case)
    assert (prediction.model_version, prediction.role, prediction.route) == (cheap_of(tiered), "primary", "auto")
    assert Decision.objects.get(case=case).model_version == cheap_of(tiered)
    assert server.requests == []


def test_where_it_is_unsure_the_primary_routes_and_both_answers_are_kept(tiered: Stream, server: OipServer) -> None:
    case = cases.in_review(tiered)

    first, final = Prediction.objects.filter(case=case).order_by("model_version__number")
    assert (first.model_version, first.role, first.route) == (cheap_of(tiered), "tier", None)
    assert first.confidence < 0.95
    assert (final.model_version.number, final.role, final.route) == (2, "primary", "review")
    assert final.provider == "remote"
    assert case.reviews.get().prediction == final
    assert len(server.requests) == 1


def test_a_mixed_batch_asks_the_primary_for_the_unsure_rows_only(tiered: Stream, server: OipServer) -> None:
    clear = [cases.received(tiered, bundles.CLEARLY_INTACT) for _ in range(3)]
    unclear = [cases.received(tiered, bundles.UNCLEAR) for _ in range(2)]

    cases.score_all()

    assert [request["inputs"][0]["shape"] for request in server.requests] == [[2, 2]]
    assert Prediction.objects.filter(case__in=[case.pk for case in clear]).count() == 3
    assert Prediction.objects.filter(case__in=[case.pk for case in unclear]).count() == 4


def test_a_first_tiers_unsure_answer_cannot_route(tiered: Stream) -> None:
    case = cases.in_review(tiered)
    unsure = Prediction.objects.get(case=case, role="tier")

    with pytest.raises(IntegrityError, match="prediction_shadow_cannot_route"), transaction.atomic():
        Prediction.objects.filter(pk=unsure.pk).update(route="auto")


def test_while_the_primary_rests_people_see_what_the_first_tier_said(tiered: Stream, server: OipServer) -> None:
    tiers.start_tier(version=cheap_of(tiered), sure_from=1.0, by=SYSTEM)
    server.mood = "broken"

    case = fail_until_rested(tiered)

    prediction = Prediction.objects.get(case=case)
    assert case.state == "in_review"
    assert (prediction.model_version, prediction.role, prediction.route) == (cheap_of(tiered), "fallback", "review")


def test_a_stopped_tier_leaves_every_case_to_the_primary(tiered: Stream, server: OipServer) -> None:
    tiers.stop_tier(stream=tiered, by=SYSTEM)

    case = cases.decided(tiered)

    assert Prediction.objects.get(case=case).model_version.number == 2
    assert len(server.requests) == 1


def test_the_outcome_of_a_case_is_held_against_the_answer_that_routed_it(tiered: Stream) -> None:
    case = cases.in_review(tiered)

    label = labelling.record_outcome(case_id=case.pk, answer="damaged", by=SYSTEM)

    assert label.model_version.number == 2
