from datetime import timedelta

import pytest
from django.utils import timezone

from reviewapp.cases import loading
from reviewapp.cases.actions import scoring, serving, shadowing, warming, work
from reviewapp.cases.models import Case, Prediction, Work
from reviewapp.registry.actions import rollouts
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion, Stream
from tests.factories import bundles, cases, rivals, streams


@pytest.fixture
def rival(stream: Stream) -> ModelVersion:
    return rivals.version(stream)


def said(case: Case) -> dict[tuple[str, int], str]:
    """(role, model) → answer."""
    found = Prediction.objects.filter(case=case).select_related("model_version")
    return {(one.role, one.model_version.number): one.answer for one in found}


def test_the_canary_scores_the_cases_of_its_share_and_no_others(stream: Stream, rival: ModelVersion) -> None:
    rollouts.start_canary(version=rival, share=0.5, by=SYSTEM)
    arrived = [cases.received(stream, bundles.CLEARLY_INTACT) for _ in range(24)]

    cases.score_all()

    canary = {case.pk for case in arrived if case.rollout_coin < 0.5}
    assert 0 < len(canary) < 24
    assert set(Prediction.objects.filter(role="canary", model_version=rival).values_list("case", flat=True)) == canary
    assert Prediction.objects.filter(role="primary").count() == 24 - len(canary)


def test_a_canary_acts_under_the_same_policy(stream: Stream, rival: ModelVersion) -> None:
    rollouts.start_canary(version=rival, share=1.0, by=SYSTEM)

    case = cases.decided(stream)

    decision = case.decisions.get()
    assert (decision.source, decision.model_version) == ("auto", rival)
    assert Prediction.objects.get(case=case, role="canary").route == "auto"


def test_whoever_was_the_canarys_stays_so_at_a_larger_share(stream: Stream, rival: ModelVersion) -> None:
    rollouts.start_canary(version=rival, share=0.2, by=SYSTEM)
    small = serving.versions_for(stream.pk)
    rollouts.start_canary(version=rival, share=0.6, by=SYSTEM)
    large = serving.versions_for(stream.pk)

    coins = [number / 100 for number in range(100)]
    assert [coin for coin in coins if small.is_for_canary(coin)] == coins[:20]
    assert [coin for coin in coins if large.is_for_canary(coin)] == coins[:60]


def test_a_shadow_sees_every_case_and_routes_none(stream: Stream, rival: ModelVersion) -> None:
    rollouts.start_shadow(version=rival, by=SYSTEM)

    case = cases.scored(stream, rivals.TORN)
    rivals.shadow_all()

    assert said(case) == {("primary", 1): "damaged", ("shadow", 2): "intact"}
    shadow = Prediction.objects.get(case=case, role="shadow")
    assert (shadow.route, shadow.policy_version, shadow.threshold, shadow.reasons) == (None, None, None, [])
    assert shadow.confidence == max(shadow.probabilities)
    assert sum(shadow.probabilities) == pytest.approx(1)
    assert 0 <= shadow.novelty <= 1
    assert not Work.objects.filter(kind="shadow").exists()


def test_several_shadows_are_seen_in_one_go(stream: Stream, rival: ModelVersion) -> None:
    third = bundles.version(stream, "parcels-3")
    for version in (rival, third):
        rollouts.start_shadow(version=version, by=SYSTEM)
    case = cases.scored(stream)

    assert shadowing.shadow_batch() == 1

    assert said(case).keys() == {("primary", 1), ("shadow", 2), ("shadow", 3)}


def test_the_canarys_cases_are_also_seen_by_the_primary(stream: Stream, rival: ModelVersion) -> None:
    rollouts.start_canary(version=rival, share=1.0, by=SYSTEM)

    case = cases.scored(stream, rivals.TORN)
    rivals.shadow_all()

    assert said(case) == {("canary", 2): "intact", ("shadow", 1): "damaged"}


def test_without_shadows_no_work_is_made_for_them(stream: Stream) -> None:
    cases.scored(stream)

    assert not Work.objects.filter(kind="shadow").exists()


def test_cases_that_upstream_scores_are_seen_by_a_shadow(db: None) -> None:
    stream = streams.upstream_scored()
    shadow = bundles.version(stream)
    rollouts.start_shadow(version=shadow, by=SYSTEM)

    case = cases.received(
        stream, bundles.CLEARLY_DAMAGED, prediction=cases.external_prediction(intact=0.95, damaged=0.05)
    )
    rivals.shadow_all()

    assert said(case) == {("external", 1): "intact", ("shadow", 2): "damaged"}
    assert case.decisions.get().answer == "intact"


def test_what_a_shadow_cannot_score_is_kept_with_its_error_and_harms_nobody(
    stream: Stream, rival: ModelVersion
) -> None:
    rollouts.start_shadow(version=rival, by=SYSTEM)
    good, bad = [cases.scored(stream) for _ in range(3)], cases.scored(stream)
    rivals.poison_for_all(bad.pk)

    rivals.shadow_all()

    assert Prediction.objects.filter(role="shadow", case__in=good).count() == 3
    failed = Work.objects.get(kind="shadow")
    assert (failed.subject, failed.is_dead, failed.lease_token) == (str(bad.pk), True, None)
    assert failed.last_error.startswith("model 2: ")
    bad.refresh_from_db()
    assert bad.state == "in_review"


def test_what_kills_its_process_is_given_up(stream: Stream, rival: ModelVersion) -> None:
    rollouts.start_shadow(version=rival, by=SYSTEM)
    cases.scored(stream)
    for _ in range(work.MAX_ATTEMPTS):
        work.claim(kind="shadow", limit=10)
        Work.objects.filter(kind="shadow").update(lease_until=timezone.now() - timedelta(seconds=1))
        work.free_expired()

    shadowing.shadow_batch()

    assert Work.objects.get(kind="shadow").last_error == "its process died"
    assert not Prediction.objects.filter(role="shadow").exists()


def test_a_lease_that_was_lost_writes_nothing(
    stream: Stream, rival: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollouts.start_shadow(version=rival, by=SYSTEM)
    cases.scored(stream)
    due = shadowing._due

    def lose_the_lease(*given: object) -> object:
        Work.objects.filter(kind="shadow").update(lease_until=timezone.now() - timedelta(seconds=1))
        work.free_expired()
        return due(*given)

    monkeypatch.setattr(shadowing, "_due", lose_the_lease)

    shadowing.shadow_batch()

    assert not Prediction.objects.filter(role="shadow").exists()
    assert Work.objects.filter(kind="shadow", is_dead=False).count() == 1


def test_overdue_shadow_work_is_dropped_and_failures_are_kept_longer(stream: Stream, rival: ModelVersion) -> None:
    rollouts.start_shadow(version=rival, by=SYSTEM)
    for _ in range(4):
        cases.scored(stream)
    overdue, failed, forgotten, fresh = Work.objects.filter(kind="shadow").order_by("pk")
    hours = {overdue: 2, failed: 2, forgotten: 24 * 8, fresh: 0}
    for row, age in hours.items():
        Work.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(hours=age))
    Work.objects.filter(pk__in=[failed.pk, forgotten.pk]).update(is_dead=True)

    assert shadowing.drop_overdue() == 2

    assert set(Work.objects.filter(kind="shadow")) == {failed, fresh}


def test_a_rollback_holds_for_the_next_batch(stream: Stream, rival: ModelVersion) -> None:
    rollouts.promote(version=rival, by=SYSTEM)
    by_the_bad = cases.scored(stream, rivals.TORN)

    rollouts.roll_back(stream=stream, by=SYSTEM, reason="It misses tears.")
    by_the_old = cases.scored(stream, rivals.TORN)

    assert said(by_the_bad) == {("primary", 2): "intact"}
    assert said(by_the_old) == {("primary", 1): "damaged"}


def test_what_may_be_needed_next_is_loaded_while_nothing_waits(
    stream: Stream, rival: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_loaded", type(loading._loaded)())
    monkeypatch.setattr(warming, "_noted", {})
    monkeypatch.setattr(warming, "_waiting", {})
    rollouts.promote(version=rival, by=SYSTEM)
    cases.scored(stream)
    assert len(loading._loaded) == 1

    while warming.warm_one():
        pass

    assert len(loading._loaded) == 2
    assert warming.warm_one() == 0


def test_a_bundle_that_cannot_be_warmed_stops_nothing(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(bundle: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(warming, "loaded", fail)
    monkeypatch.setattr(warming, "_waiting", {"digest": object()})

    assert warming.warm_one() == 1
    assert warming.warm_one() == 0


def test_a_row_that_the_canary_cannot_score_does_not_stop_the_primarys(stream: Stream, rival: ModelVersion) -> None:
    rollouts.start_canary(version=rival, share=0.5, by=SYSTEM)
    arrived = [cases.received(stream, bundles.CLEARLY_INTACT) for _ in range(12)]
    bad = next(case for case in arrived if case.rollout_coin < 0.5)
    rivals.poison_for_all(bad.pk)

    scoring.score_batch()

    assert Case.objects.filter(pk__in=[case.pk for case in arrived], state="decided").count() == 11
