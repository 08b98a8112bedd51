import numpy as np
import pytest

from reviewapp.accounts.models import User
from reviewapp.cases.actions import guards, reopening, work
from reviewapp.cases.models import Case, Prediction, Work
from reviewapp.events.models import Event
from reviewapp.gating.models import Certificate
from reviewapp.registry.actions import rollouts
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion, Stream
from tests.factories import bundles, cases, policies, reviews, rivals


@pytest.fixture
def rival(stream: Stream) -> ModelVersion:
    return rivals.version(stream)


OFF = dict.fromkeys(["error_rate", "latency", "automated", "confidence_psi", "disagreement"])


def canary(rival: ModelVersion, share: float = 0.5, **kept: object) -> None:
    """The rival at work under the named guards only."""
    rollouts.start_canary(version=rival, share=share, by=SYSTEM, guards={**OFF, **kept})


def served(stream: Stream) -> tuple[int, int | None]:
    stream.refresh_from_db()
    lineup = rollouts.lineup_of(stream)
    assert lineup is not None
    return lineup.primary.number, lineup.canary.number if lineup.canary else None


def test_the_sample_tells_the_arms_their_routes_and_their_settled_cases(
    stream: Stream, rival: ModelVersion, rosa: User
) -> None:
    before = cases.scored(stream)
    canary(rival)
    seen = [cases.scored(stream, bundles.CLEARLY_INTACT) for _ in range(12)]
    settled = reviews.settled(stream, rosa, "damaged")
    waiting = cases.received(stream)

    found = guards.sample_of(guards.watched(stream))

    expected = [Case.objects.get(pk=case.pk) for case in [*seen, settled]]
    assert len(found.is_canary) == 13, (before.pk, waiting.pk)
    assert found.is_canary.tolist() == [case.rollout_coin < 0.5 for case in expected]
    assert found.is_automated.tolist() == [True] * 12 + [False]
    assert not found.is_failed.any()
    assert (found.confidence[:12] >= 0.9).all()
    assert (found.latency > 0).all()
    answer = Prediction.objects.get(case=settled).answer
    assert found.is_wrong.tolist() == [-1] * 12 + [0 if answer == "damaged" else 1]


def test_what_acts_by_a_certificate_of_its_own_is_no_difference_between_the_arms(
    stream: Stream, rival: ModelVersion
) -> None:
    promise = {"target_error": 0.05, "confidence": 0.95}
    policies.active(stream, thresholds={}, audit_rates={}, promises={"intact": promise})
    primary = stream.model_versions.order_by("number")[0]
    Certificate.objects.create(
        stream=stream, model_version=primary, scope="intact", number=1, state="certified", threshold=0.5, **promise
    )
    canary(rival)
    routes = {cases.scored(stream, bundles.CLEARLY_INTACT).state for _ in range(12)}

    found = guards.sample_of(guards.watched(stream))

    assert routes == {"decided", "in_review"}
    assert not found.is_automated.any()


def test_a_canary_that_fails_is_rolled_back_and_says_why(stream: Stream, rival: ModelVersion) -> None:
    canary(rival, error_rate=0.01, min_scored=5)
    while guards.watched(stream) and guards.sample_of(guards.watched(stream)).is_canary.sum() < 6:
        case = cases.received(stream, bundles.CLEARLY_INTACT)
        if case.rollout_coin < 0.5:
            rivals.poison_for_all(case.pk)
            _exhaust(case)
        cases.score_all()

    assert guards.evaluate_all() == 1

    assert served(stream) == (1, None)
    assert stream.live_rollout.step == "rolled_back"
    assert "It could not score" in stream.live_rollout.reason
    event = Event.objects.get(type="rollout.rolled_back", stream_id=str(stream.pk))
    assert event.actor == "system"
    assert b'"guards":["error_rate"]' in bytes(event.payload)


def _exhaust(case: Case) -> None:
    Work.objects.filter(kind="score", subject=str(case.pk)).update(attempts=work.MAX_ATTEMPTS)


def test_people_who_disagree_with_the_canary_roll_it_back(stream: Stream, rival: ModelVersion, rosa: User) -> None:
    canary(rival, disagreement=0.0, min_settled=5)
    # The primary's first: a guard looks once the canary has five, at whatever the other arm has by then.
    for is_canary in (False, True):
        settled = 0
        while settled < 6:
            case = cases.scored(stream)
            if (case.rollout_coin < 0.5) == is_canary and case.state == "in_review":
                said = Prediction.objects.get(case=case).answer
                other = next(name for name in stream.classes if name != said)
                reviews.settled(stream, rosa, other if is_canary else said, case=case)
                settled += 1

    assert guards.evaluate_all() == 1
    assert served(stream) == (1, None)


def test_a_canary_with_everything_is_judged_beside_the_primary_that_looks_on(
    stream: Stream, rival: ModelVersion, rosa: User
) -> None:
    canary(rival, share=1.0, disagreement=0.0, automated=0.0, min_settled=5, min_cases=20)
    for _ in range(8):
        # The rival overlooks the tear, people and the primary do not.
        case = cases.scored(stream, rivals.TORN)
        if case.state == "decided":
            reopening.reopen(case_id=case.pk, reason="To see.", by=SYSTEM)
        reviews.settled(stream, rosa, "damaged", case=case)
    rivals.shadow_all()

    found = guards.sample_of(guards.watched(stream))
    broken = guards.broken_guards(guards.watched(stream))

    assert found.is_canary.tolist() == [True, False] * 8
    assert found.is_wrong.tolist() == [1, 0] * 8
    assert [breach.guard for breach in broken] == ["disagreement"]


def test_a_canary_with_everything_is_judged_by_its_time_and_by_how_often_it_would_act(
    stream: Stream, rival: ModelVersion
) -> None:
    for _ in range(3):
        cases.scored(stream, bundles.CLEARLY_INTACT)
    earlier = list(Prediction.objects.order_by("case_id").values_list("latency", flat=True))
    canary(rival, share=1.0, automated=0.0, latency=2.0)
    for features in (rivals.TORN, rivals.TORN, bundles.CLEARLY_INTACT, bundles.CLEARLY_INTACT):
        cases.scored(stream, features)
    rivals.shadow_all()

    found = guards.sample_of(guards.watched(stream))

    assert found.is_automated[~found.is_canary].tolist() == [False, False, True, True]
    assert found.is_automated[found.is_canary].tolist() == [True, True, True, True]
    assert found.latency[~found.is_canary].tolist()[:3] == earlier
    assert np.isnan(found.latency[~found.is_canary][3])
    assert guards.guards_of(guards.watched(stream)).latency == 2.0


def test_a_canary_that_keeps_to_its_guards_stays(stream: Stream) -> None:
    alike = bundles.version(stream, "parcels-2")
    # At the usual level one in a few dozen such canaries would be rolled back by the coins alone.
    kept = {"min_cases": 20, "min_scored": 5, "latency_floor": 60, "level": 0.9999}
    rollouts.start_canary(version=alike, share=0.5, by=SYSTEM, guards=kept)
    draw = np.random.default_rng(3)
    for dent, tear in draw.uniform(0, 10, (60, 2)):
        cases.received(stream, {"dent": float(dent), "tear": float(tear)})
    cases.score_all()

    assert guards.evaluate_all() == 0
    assert served(stream) == (1, 2)


def test_a_rollout_that_moved_on_is_not_rolled_back(stream: Stream, rival: ModelVersion) -> None:
    canary(rival, error_rate=0.01, min_scored=5)
    judged = guards.watched(stream)
    rollouts.promote(version=rival, by=SYSTEM, reason="It is fine.")

    class Broken:
        guard, sentence = "error_rate", "It could not score."

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guards, "broken_guards", lambda watched: [Broken])
        assert guards.evaluate(judged) is False
    assert served(stream) == (2, None)


def test_without_a_canary_nothing_is_watched(stream: Stream) -> None:
    assert guards.watched(stream) is None
    assert guards.evaluate_all() == 0
