"""A cheap first tier before the primary: who answers, what is stored, and that only one prediction routes."""

import pytest
from django.db import IntegrityError, transaction

from reviewapp.cases.actions import certifying, labelling
from reviewapp.cases.models import Decision, Prediction
from reviewapp.gating.actions import certificates
from reviewapp.gating.actions.certificates import Situation
from reviewapp.gating.actions.ladders import Served
from reviewapp.gating.models import Certificate
from reviewapp.registry.actions import rollouts, tiers
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion, PolicyVersion, Stream
from reviewapp.registry.policies import read_body
from tests.cases.failing import fail_until_rested
from tests.factories import bundles, cases, policies, remote, rivals
from tests.factories import evidence as labelled
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


def test_a_first_tier_earns_certificates_of_its_own(tiered: Stream) -> None:
    promise = {"target_error": 0.05, "confidence": 0.95}
    policies.active(tiered, thresholds={}, audit_rates={}, promises={"intact": promise})

    certifying.look_all()

    looked = Certificate.objects.order_by("model_version__number").values_list("model_version", flat=True)
    assert set(looked) == set(tiered.model_versions.values_list("pk", flat=True))


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


class TestCertificates:
    """What a version proved on some cases says nothing of others."""

    def look(self, version: ModelVersion, policy: PolicyVersion) -> Certificate:
        scores = [0.5 + number / 1000 for number in range(500)]
        situation = Situation(read_body(policy.body), policy.number, served=lambda _: Served(scores, 20.0))
        return certificates.look(version=version, situation=situation)[0]

    def test_a_first_tier_voids_what_the_primary_proved_on_all_cases(self, stream: Stream) -> None:
        cheap, primary = stream.model_versions.get(), rivals.version(stream)
        rollouts.promote(version=primary, by=SYSTEM)
        promises = {"intact": {"target_error": 0.05, "confidence": 0.95}}
        policy = policies.active(stream, thresholds={}, audit_rates={}, promises=promises)
        labelled.labels(primary, right=150)
        assert self.look(primary, policy).state == "certified"

        tiers.start_tier(version=cheap, sure_from=0.95, by=SYSTEM)
        behind = self.look(primary, policy)
        labelled.labels(primary, right=300)
        earned = self.look(primary, policy)
        tiers.stop_tier(stream=stream, by=SYSTEM)

        assert (behind.state, behind.threshold, behind.evidence["labels"]) == ("unproven", None, 0)
        assert (earned.state, earned.evidence["labels"]) == ("certified", 300)
        assert self.look(primary, policy).state == "unproven"

    def test_what_a_first_tier_was_sure_of_is_no_evidence_on_it_as_primary(self, stream: Stream) -> None:
        cheap, primary = stream.model_versions.get(), rivals.version(stream)
        rollouts.promote(version=primary, by=SYSTEM)
        promises = {"intact": {"target_error": 0.05, "confidence": 0.95}}
        policy = policies.active(stream, thresholds={}, audit_rates={}, promises=promises)
        tiers.start_tier(version=cheap, sure_from=0.95, by=SYSTEM)
        labelled.labels(cheap, right=300, confidences=[0.97])

        rollouts.promote(version=cheap, by=SYSTEM)

        assert self.look(cheap, policy).evidence["labels"] == 0
        labelled.labels(cheap, right=10)
        assert self.look(cheap, policy).evidence["labels"] == 10
