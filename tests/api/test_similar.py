"""`GET /cases/{id}/similar`: filters, why, the other answer, and who may read it."""

from typing import Any

import pytest

from reviewapp.cases.models import Case
from reviewapp.registry.models import Stream
from tests.api.calling import Caller
from tests.factories import cases, reviews, streams

pytestmark = pytest.mark.django_db


@pytest.fixture
def cautious(db: None) -> Stream:
    return streams.ready(policy={"threshold": 1.0})


@pytest.fixture
def case(cautious: Stream, rosa: Any) -> Case:
    for dent in (5.5, 6.0, 6.5, 7.0, 7.5):
        settled(cautious, rosa, dent)
    settled(cautious, rosa, 8.5, "damaged")
    return cases.scored(cautious, {"dent": 5.0, "tear": 5.0})


def settled(stream: Stream, user: Any, dent: float, answer: str = "intact") -> Case:
    return reviews.settled(stream, user, answer, case=cases.scored(stream, {"dent": dent, "tear": 5.0}))


def test_each_says_how_near_it_is_and_why(api: Caller, case: Case) -> None:
    first = api.get(f"cases/{case.pk}/similar").json()["items"][0]

    assert first["class"] == "intact"
    assert first["distance_in_words"] in {"nearly the same", "very similar", "similar"}
    assert first["agree"] == [
        {"column": "tear", "value": 5.0, "other": 5.0},
        {"column": "dent", "value": 5.0, "other": 5.5},
    ]
    assert first["num_alike"] == 0
    assert first["received_at"]


def test_the_mix_and_the_nearest_settled_otherwise_are_told(api: Caller, case: Case) -> None:
    shown = api.get(f"cases/{case.pk}/similar").json()

    assert [(share["class"], share["count"]) for share in shown["mix"]] == [("intact", 5)]
    assert [one["class"] for one in shown["contrast"]] == ["damaged"]
    assert shown["contrast"][0]["differ"] == [{"column": "dent", "value": 5.0, "other": 8.5}]
    assert shown["note"] is None
    assert shown["is_building"] is False


def test_filters_narrow_the_list(api: Caller, case: Case) -> None:
    url = f"cases/{case.pk}/similar"

    damaged = api.get(f"{url}?class=damaged").json()["items"]
    two = api.get(f"{url}?limit=2").json()["items"]

    assert [one["class"] for one in damaged] == ["damaged"]
    assert len(two) == 2
    assert api.get(f"{url}?until=2026-01-01").json()["items"] == []
    assert len(api.get(f"{url}?since=2026-01-01T00:00:00Z&limit=6").json()["items"]) == 6


@pytest.mark.parametrize("query", ["class=torn", "since=yesterday", "until=", "limit=51", "limit=0"])
def test_a_filter_that_means_nothing_is_refused(api: Caller, case: Case, query: str) -> None:
    response = api.get(f"cases/{case.pk}/similar?{query}")

    assert (response.status_code, response.json()["code"]) == (400, "query_invalid")
