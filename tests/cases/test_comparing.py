import pytest

from reviewapp.accounts.models import User
from reviewapp.cases import comparing
from reviewapp.cases.actions import reopening
from reviewapp.cases.comparing import Comparison
from reviewapp.domain.errors import Forbidden
from reviewapp.domain.intervals import wilson
from reviewapp.registry.actions import rollouts, versions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion, Stream
from tests.factories import bundles, cases, reviews, rivals, streams
from tests.people import acting


@pytest.fixture
def rival(stream: Stream) -> ModelVersion:
    """The rival as a shadow."""
    version = rivals.version(stream)
    rollouts.start_shadow(version=version, by=SYSTEM)
    return version


def compared(stream: Stream, rival: ModelVersion) -> Comparison:
    primary = versions.primary_of(stream)
    assert primary is not None
    return comparing.compare(stream, primary, rival)


def test_agreement_and_differences_are_counted_over_the_cases_that_both_scored(
    stream: Stream, rival: ModelVersion
) -> None:
    for features, times in ((bundles.CLEARLY_INTACT, 3), (bundles.CLEARLY_DAMAGED, 2), (rivals.TORN, 2)):
        for _ in range(times):
            cases.scored(stream, features)
    rivals.shadow_all()
    cases.scored(stream)  # the shadow has not seen it yet

    found = compared(stream, rival)

    assert found.shared == 7
    assert (found.agreement.right, found.agreement.cases) == (5, 7)
    assert found.agreement.interval == wilson(5, 7)
    assert found.differences == [("damaged", "intact", 2)]
    assert [found.at_work[0].predictions, found.at_work[1].predictions] == [8, 7]
    by_class = {each.name: (each.said_one, each.said_other, each.said_both) for each in found.by_class(stream.classes)}
    assert by_class == {"intact": (3, 5, 3), "damaged": (4, 2, 2)}


def test_accuracy_is_told_on_the_settled_cases(stream: Stream, rival: ModelVersion, rosa: User) -> None:
    cautious = rivals.TORN
    for truth in ("damaged", "damaged", "intact"):
        case = cases.received(stream, cautious)
        cases.score_all()
        case.refresh_from_db()
        if case.state == "decided":
            reopening.reopen(case_id=case.pk, reason="To see.", by=SYSTEM)
        reviews.settled(stream, rosa, truth, case=case)
    rivals.shadow_all()

    found = compared(stream, rival)
    settled = found.settled()

    assert (settled.one.right, settled.other.right, settled.one.cases) == (2, 1, 3)
    assert (settled.both_right, settled.only_one, settled.only_other, settled.neither) == (0, 2, 1, 0)
    assert found.settled(honest_only=True).one.cases == 0
    damaged = next(each for each in found.by_class(stream.classes) if each.name == "damaged")
    assert (damaged.right_one.right, damaged.right_one.cases) == (2, 3)
    assert (damaged.right_other.right, damaged.right_other.cases) == (0, 0)
    assert [right.cases for right in found.alone()] == [3, 3]


def test_honest_answers_are_told_apart(rosa: User) -> None:
    stream = streams.ready(review_mode="blind")
    shadow = rivals.version(stream)
    rollouts.start_shadow(version=shadow, by=SYSTEM)
    reviews.settled(stream, rosa, "damaged")
    rivals.shadow_all()

    assert compared(stream, shadow).settled(honest_only=True).one.cases == 1


def test_latency_and_automation_are_told_of_each(stream: Stream, rival: ModelVersion) -> None:
    for _ in range(3):
        cases.decided(stream)
    cases.in_review(stream)
    rivals.shadow_all()

    primary, shadow = compared(stream, rival).at_work

    assert (primary.routed, primary.automated, primary.automated_share) == (4, 3, 0.75)
    assert (shadow.routed, shadow.automated_share) == (0, None)
    for side in (primary, shadow):
        assert side.median is not None
        assert side.slowest is not None
        assert 0 < side.median <= side.slowest


def test_a_canarys_cases_are_compared_by_the_primarys_second_look(stream: Stream) -> None:
    version = rivals.version(stream)
    rollouts.start_canary(version=version, share=1.0, by=SYSTEM)
    cases.scored(stream, rivals.TORN)
    rivals.shadow_all()

    found = compared(stream, version)

    assert found.differences == [("damaged", "intact", 1)]
    assert [side.routed for side in found.at_work] == [0, 1]


def test_versions_that_saw_nothing_compare_as_nothing(stream: Stream) -> None:
    found = comparing.compare(stream, versions.primary_of(stream), bundles.version(stream, "parcels-2"))

    assert found.shared == 0
    assert (found.agreement.interval.low, found.agreement.interval.high) == (0.0, 1.0)
    assert found.at_work[0].median is None
    assert found.differences == []


def test_another_streams_cases_do_not_count(stream: Stream, rival: ModelVersion) -> None:
    cases.scored(streams.ready())
    rivals.shadow_all()

    assert compared(stream, rival).shared == 0


def test_the_cases_behind_a_number_are_listed_newest_first(stream: Stream, rival: ModelVersion, lead: User) -> None:
    torn = [cases.scored(stream, rivals.TORN) for _ in range(3)]
    cases.scored(stream, bundles.CLEARLY_INTACT)
    rivals.shadow_all()
    primary = versions.primary_of(stream)

    differing = comparing.cases_between(stream, primary, rival, by=acting(lead))
    alike = comparing.cases_between(stream, primary, rival, said_one="intact", said_other="intact", by=acting(lead))
    settled = comparing.cases_between(stream, primary, rival, is_settled=True, by=acting(lead))
    first = comparing.cases_between(stream, primary, rival, by=acting(lead), limit=1)

    assert [one.case_id for one in differing] == [case.pk for case in reversed(torn)]
    assert (differing[0].one, differing[0].other, differing[0].external_id) == (
        "damaged",
        "intact",
        torn[-1].external_id,
    )
    assert len(alike) == 1
    assert settled == []
    assert [one.case_id for one in first] == [torn[-1].pk]


def test_single_cases_are_not_for_those_who_may_have_to_answer_them(
    stream: Stream, rival: ModelVersion, rosa: User
) -> None:
    with pytest.raises(Forbidden):
        comparing.cases_between(stream, versions.primary_of(stream), rival, by=acting(rosa))


def test_nobody_sees_in_the_list_what_they_are_reading_unseen(db: None, lead: User) -> None:
    stream = streams.ready(review_mode="blind", policy={"threshold": 1.0})
    shadow = rivals.version(stream)
    rollouts.start_shadow(version=shadow, by=SYSTEM)
    mine, other = cases.scored(stream, rivals.TORN), cases.scored(stream, rivals.TORN)
    rivals.shadow_all()
    reviews.claimed(stream, lead, mine)

    found = comparing.cases_between(stream, versions.primary_of(stream), shadow, by=acting(lead))

    assert [one.case_id for one in found] == [other.pk]
