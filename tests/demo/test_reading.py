from collections import Counter
from collections.abc import Mapping

import pytest

from reviewapp.cases.actions import claims
from reviewapp.cases.models import Label, Review, Verdict
from reviewapp.events.models import Event
from reviewapp.monitoring.demo import reading, report
from reviewapp.monitoring.demo.people import Person
from reviewapp.registry.models import Stream
from tests.factories import bundles, cases

NUMBER = 30

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def truth(parcels: Stream) -> Mapping[str, str]:
    """Unclear cases that wait for people, and clear ones that are decided and audited."""
    known = {}
    for number in range(NUMBER):
        external_id, is_clear = f"parcel-{number}", number % 2 == 0
        cases.received(parcels, bundles.CLEARLY_INTACT if is_clear else bundles.UNCLEAR, external_id=external_id)
        known[external_id] = "intact" if is_clear else "damaged"
    cases.score_all()
    return known


def _read(parcels: Stream, truth: Mapping[str, str], cast: Mapping[str, Person]) -> int:
    readers = [cast["reviewer"], cast["second_reviewer"]]
    return reading.read_part(parcels, truth=truth, readers=readers)


def test_a_part_is_answered_and_a_queue_stays(
    parcels: Stream, truth: Mapping[str, str], cast: Mapping[str, Person]
) -> None:
    number = _read(parcels, truth, cast)

    labels = dict(Label.objects.values_list("case__external_id", "answer"))
    left = Counter(Review.objects.open().filter(stream=parcels).values_list("kind", flat=True))
    assert 0.3 < left["routine"] / (NUMBER / 2) < 0.9
    assert left["audit"] <= 0.2 * NUMBER / 2
    assert labels.items() <= truth.items()
    # Some agreeing audits are read by a second person, too.
    assert Label.objects.count() == number >= len(labels)
    assert left.total() == Review.objects.filter(stream=parcels).count() - number
    assert set(Label.objects.values_list("source", flat=True)) == {Label.Source.DEMO}


def test_both_reviewers_answer_in_both_stages(
    parcels: Stream, truth: Mapping[str, str], cast: Mapping[str, Person]
) -> None:
    _read(parcels, truth, cast)

    stages = set(Verdict.objects.filter(review__mode=Stream.Mode.COMMIT_THEN_REVEAL).values_list("stage", "saw_model"))
    assert stages == {("first", False), ("final", True)}
    assert Verdict.objects.values("reviewer").distinct().count() == 2


def test_a_second_run_answers_nothing(parcels: Stream, truth: Mapping[str, str], cast: Mapping[str, Person]) -> None:
    _read(parcels, truth, cast)
    before, tally = Event.objects.count(), report.count(parcels, truth)

    assert _read(parcels, truth, cast) == 0
    assert Event.objects.count() == before
    assert report.count(parcels, truth) == tally


def test_what_somebody_has_claimed_is_left_alone(
    parcels: Stream, truth: Mapping[str, str], cast: Mapping[str, Person]
) -> None:
    for review in Review.objects.open().filter(stream=parcels):
        claims.claim(review_id=review.pk, by=cast["lead"].actor)

    assert _read(parcels, truth, cast) == 0
    assert not Verdict.objects.exists()


def test_the_tally_counts_what_the_database_holds(
    parcels: Stream, truth: Mapping[str, str], cast: Mapping[str, Person]
) -> None:
    # One case that the model decides alone and, as it seems, wrongly.
    mistaken = {**truth, "parcel-0": "damaged"}
    automatic = NUMBER // 2

    tally = report.count(parcels, mistaken)

    assert tally == report.Tally(
        sent=NUMBER,
        auto=automatic,
        review=NUMBER,
        audit=automatic,
        auto_accuracy=round((automatic - 1) / automatic, 4),
    )
    assert f"{tally.auto_accuracy:.1%}" in report.table({"parcel-check": tally})


def test_cases_that_others_sent_are_neither_read_nor_counted(
    parcels: Stream, truth: Mapping[str, str], cast: Mapping[str, Person]
) -> None:
    cases.scored(parcels, bundles.UNCLEAR, external_id="somebody-elses")

    _read(parcels, truth, cast)

    assert report.count(parcels, truth).sent == NUMBER
    assert not Verdict.objects.filter(review__case__external_id="somebody-elses").exists()
