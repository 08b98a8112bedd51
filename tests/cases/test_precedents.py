"""Filters, near-duplicates and the other answer among the similar cases."""

import json
from datetime import timedelta

import pytest

from reviewapp.accounts.models import User
from reviewapp.cases.models import Case, Prediction
from reviewapp.cases.nearest import Filters
from reviewapp.cases.similar import Similar, similar
from reviewapp.registry.actions import versions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import bundles, cases, reviews, streams


def settled(stream: Stream, user: User, dent: float, answer: str = "intact") -> Case:
    return reviews.settled(stream, user, answer, case=cases.scored(stream, {"dent": dent, "tear": 10.0 - dent}))


def look(case: Case, **filters: object) -> Similar:
    prediction = Prediction.objects.select_related("model_version__bundle").get(case=case)
    return similar(case, prediction, filters=Filters(**filters))  # type: ignore[arg-type]  # one of its fields


def names(found: Similar) -> list[str]:
    return [one.external_id for one in found.cases]


@pytest.fixture
def cautious(db: None) -> Stream:
    """A stream in which people see every case."""
    return streams.ready(policy={"threshold": 1.0})


@pytest.fixture
def case(cautious: Stream) -> Case:
    return cases.scored(cautious, {"dent": 5.0, "tear": 5.0})


def test_one_answer_can_be_asked_for(cautious: Stream, case: Case, rosa: User) -> None:
    settled(cautious, rosa, 5.5)
    damaged = settled(cautious, rosa, 8.0, "damaged")

    assert names(look(case, answer="damaged")) == [damaged.external_id]


def test_a_window_of_time_can_be_asked_for(cautious: Stream, case: Case, rosa: User) -> None:
    old, new = settled(cautious, rosa, 5.5), settled(cautious, rosa, 8.0)
    Case.objects.filter(pk=old.pk).update(received_at=old.received_at - timedelta(days=60))

    since = new.received_at - timedelta(days=30)

    assert names(look(case, since=since)) == [new.external_id]
    assert names(look(case, until=since)) == [old.external_id]


def test_the_label_mix_counts_each_answer_and_its_nearest(cautious: Stream, case: Case, rosa: User) -> None:
    near = [settled(cautious, rosa, dent) for dent in (5.5, 6.5)]
    settled(cautious, rosa, 7.5, "damaged")

    found = look(case)

    assert [(share.answer, share.number) for share in found.mix] == [("intact", 2), ("damaged", 1)]
    assert found.mix[0].nearest == found.cases[0].distance
    assert found.cases[0].case_id == near[0].pk


def test_the_nearest_settled_otherwise_are_set_beside_a_list_that_agrees(
    cautious: Stream, case: Case, rosa: User
) -> None:
    for dent in (5.5, 6.0, 6.5, 7.0, 7.5):
        settled(cautious, rosa, dent)
    others = [settled(cautious, rosa, dent, "damaged").external_id for dent in (8.5, 9.0, 9.5)]

    found = look(case)

    assert {one.answer for one in found.cases} == {"intact"}
    assert [one.external_id for one in found.contrast] == others[:2]


def test_near_duplicates_stand_together(cautious: Stream, case: Case, rosa: User) -> None:
    for place in range(4):
        settled(cautious, rosa, 5.5 + place / 1000)
    for dent in (6.5, 7.5, 8.5, 9.5):
        settled(cautious, rosa, dent)

    found = look(case)

    assert [one.num_alike for one in found.cases] == [3, 0, 0, 0, 0]
    assert found.cases[-1].features["dent"] == 9.5


def test_cases_that_may_have_trained_the_model_are_no_precedents(rosa: User) -> None:
    stream = streams.ready(policy={"threshold": 1.0})
    files = bundles.files()
    manifest = json.loads(files["bundle.json"])
    manifest["lineage"]["training_cut_off"] = "2026-01-31"
    files["bundle.json"] = json.dumps(manifest).encode()
    versions.roll_out(primary=versions.register_bundle(stream=stream, files=files, by=SYSTEM), by=SYSTEM)
    trained, later = (
        reviews.settled(stream, rosa, case=cases.scored(stream, {"dent": 5.5, "tear": 5.0}, observed_at=moment))
        for moment in ("2026-01-31T20:00:00Z", "2026-02-01T00:00:01Z")
    )

    found = look(cases.scored(stream, {"dent": 5.0, "tear": 5.0}))

    assert trained.external_id not in names(found)
    assert names(found) == [later.external_id]


def test_a_search_stays_in_the_space_of_the_model_that_predicted(cautious: Stream, case: Case, rosa: User) -> None:
    old = settled(cautious, rosa, 5.5)
    bundles.primary(cautious, "parcels-2")
    new = settled(cautious, rosa, 6.5)

    assert names(look(case)) == [old.external_id]
    assert names(look(cases.scored(cautious, {"dent": 5.0, "tear": 5.0}))) == [new.external_id]
