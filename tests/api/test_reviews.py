"""The review queue for other front ends."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reviewapp.accounts.models import User
from reviewapp.cases.models import Review, Verdict
from reviewapp.registry.models import Stream
from tests.api.calling import Caller
from tests.factories import cases, policies, reviews, streams

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_person(person: Callable[[User], Caller]) -> Callable[[User], Caller]:
    """A caller that has been given a CSRF token by a page, as a browser has."""

    def sign_in(user: User) -> Caller:
        caller = person(user)
        caller.client.cookies["csrftoken"] = "c" * 32
        return caller

    return sign_in


def test_the_whole_way_of_a_review(as_person: Any, stream: Stream, rosa: User) -> None:
    case = cases.in_review(stream)
    cases.explain_all()
    api = as_person(rosa)

    claimed = api.post("reviews/claim", {"stream": stream.slug})
    review = claimed.json()
    answered = api.post(
        f"reviews/{review['id']}/submit",
        {"claim_token": review["claim"]["token"], "class": "damaged", "note": "torn", "generation": 1},
    )

    assert claimed.status_code == 200
    assert review["case"] == str(case.pk)
    assert review["evidence"]["prediction"]["class"] in {"intact", "damaged"}
    assert review["evidence"]["explanation"]["attributions"]
    assert answered.status_code == 200
    assert (answered.json()["result"], answered.json()["decision"]["class"]) == ("saved", "damaged")
    assert answered.json()["review"]["state"] == "done"
    assert Verdict.objects.get().note == "torn"


def test_an_empty_queue_answers_without_content(as_person: Any, stream: Stream, rosa: User) -> None:
    assert as_person(rosa).post("reviews/claim", {"stream": stream.slug}).status_code == 204


def test_a_blind_review_shows_nothing_of_the_model(as_person: Any, rosa: User, api: Caller) -> None:
    stream = streams.ready()
    policies.active(stream, audit_rate=1.0)
    case = cases.decided(stream)
    reader = as_person(rosa)

    review = reader.post("reviews/claim", {"stream": stream.slug}).json()
    listed = reader.get("reviews").json()["items"]

    assert (review["case"], review["mode"], review["kind"]) == (str(case.pk), "blind", None)
    assert review["evidence"] is None
    assert [one["kind"] for one in listed] == [None]
    assert api.get(f"reviews/{review['id']}").json()["evidence"] is None


def test_a_long_list_asks_the_database_no_more_than_a_short_one(
    as_person: Any, rosa: User, django_assert_num_queries: Any
) -> None:
    stream = streams.ready(review_mode="commit_then_reveal")
    reader = as_person(rosa)
    cases.in_review(stream)
    reader.get("reviews")
    with CaptureQueriesContext(connection) as short:
        reader.get("reviews")
    for _ in range(4):
        cases.in_review(stream)

    with django_assert_num_queries(len(short)):
        listed = reader.get("reviews").json()["items"]

    assert [one["kind"] for one in listed] == [None] * 5


def test_committing_reveals_the_evidence(as_person: Any, rosa: User) -> None:
    stream = streams.ready(review_mode="commit_then_reveal")
    cases.in_review(stream)
    api = as_person(rosa)
    review = api.post("reviews/claim", {"stream": stream.slug}).json()
    body = {"claim_token": review["claim"]["token"], "class": "damaged"}

    first = api.post(f"reviews/{review['id']}/submit", body).json()
    final = api.post(f"reviews/{review['id']}/submit", {**body, "class": "intact"}).json()

    assert review["evidence"] is None
    assert (first["result"], first["stage"]) == ("committed", "first")
    assert first["review"]["evidence"]["prediction"] is not None
    assert (final["result"], final["stage"], final["decision"]["class"]) == ("saved", "final", "intact")


def test_a_late_answer_is_kept_and_told(as_person: Any, stream: Stream, rosa: User, ravi: User) -> None:
    review = reviews.claimed(stream, rosa)
    token = str(review.claim_token)
    Review.objects.filter(pk=review.pk).update(claimed_by=None, claim_token=None, claimed_at=None, claim_until=None)
    taken = reviews.claimed(stream, ravi, review.case)

    second = as_person(rosa).post(f"reviews/{review.pk}/submit", {"claim_token": token, "class": "damaged"})
    reviews.answer(taken, ravi, "intact")

    assert (second.status_code, second.json()["code"]) == (409, "second_opinion")
    assert second.json()["kept"] is True
    assert Verdict.objects.get(pk=second.json()["verdict"]).status == "second_opinion"


def test_a_case_amended_meanwhile_must_be_looked_at_again(
    as_person: Any, api: Caller, stream: Stream, rosa: User
) -> None:
    review = reviews.claimed(stream, rosa)
    api.put(f"cases/{review.case_id}/input", {"features": {"dent": 1, "tear": 1}}, If_Match="1")

    response = as_person(rosa).post(
        f"reviews/{review.pk}/submit", {"claim_token": str(review.claim_token), "class": "damaged"}
    )

    assert (response.status_code, response.json()["code"]) == (412, "case_amended")
    assert not Verdict.objects.exists()


def test_release_extend_skip_and_undo(as_person: Any, stream: Stream, rosa: User) -> None:
    api = as_person(rosa)
    review = reviews.claimed(stream, rosa)
    token = {"claim_token": str(review.claim_token)}

    extended = api.post(f"reviews/{review.pk}/extend", token)
    released = api.post(f"reviews/{review.pk}/release", token)
    lost = api.post(f"reviews/{review.pk}/extend", token)
    again = api.post("reviews/claim", {"stream": stream.slug}).json()
    skipped = api.post(f"reviews/{review.pk}/skip", {"claim_token": again["claim"]["token"], "reason": "not my field"})

    assert extended.json()["claim"]["token"] == token["claim_token"]
    assert released.json()["claim"] is None
    assert (lost.status_code, lost.json()["code"]) == (409, "claim_lost")
    assert skipped.json()["is_claimed"] is False
    assert review.skips.get().reason == "not my field"


def test_undo_gives_the_case_back_under_a_new_claim(as_person: Any, stream: Stream, rosa: User) -> None:
    api = as_person(rosa)
    review = reviews.claimed(stream, rosa)
    reviews.answer(review, rosa, "damaged")

    undone = api.post(f"reviews/{review.pk}/undo")
    twice = api.post(f"reviews/{review.pk}/undo")

    assert undone.status_code == 200
    assert undone.json()["id"] != str(review.pk)
    assert undone.json()["claim"]["token"]
    assert (twice.status_code, twice.json()["code"]) == (409, "nothing_to_undo")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "claim_token"),
        ({"claim_token": "x", "class": "intact"}, "claim_token"),
        ({"claim_token": str(uuid4()), "class": "lost"}, "class"),
        ({"claim_token": str(uuid4())}, "class"),
        ({"claim_token": str(uuid4()), "class": "intact", "stage": "last"}, "stage"),
        ({"claim_token": str(uuid4()), "class": "intact", "generation": 2**31}, "generation"),
        ({"claim_token": str(uuid4()), "class": "intact", "answer": "intact"}, "answer"),
        ({"claim_token": str(uuid4()), "class": "intact", "note": "x" * 10_001}, "note"),
    ],
)
def test_a_wrong_answer_is_refused_by_field(
    as_person: Any, stream: Stream, rosa: User, body: dict[str, Any], field: str
) -> None:
    review = reviews.claimed(stream, rosa)

    response = as_person(rosa).post(f"reviews/{review.pk}/submit", body)

    assert response.status_code == 422
    assert field in {error["field"] for error in response.json()["errors"]}
    assert not Verdict.objects.exists()


def test_who_does_not_review_here_may_not_claim(as_person: Any, stream: Stream, auditor: User, outsider: User) -> None:
    reviews.waiting(stream)

    refused = as_person(auditor).post("reviews/claim", {"stream": stream.slug})
    unknown = as_person(outsider).post("reviews/claim", {"stream": stream.slug})

    assert (refused.status_code, refused.json()["code"]) == (403, "role_required")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "stream_unknown")


def test_a_foreign_review_cannot_be_touched(as_person: Any, stream: Stream, rosa: User, outsider: User) -> None:
    review = reviews.claimed(stream, rosa)
    api = as_person(outsider)
    token = {"claim_token": str(review.claim_token)}

    for action, body in (
        ("submit", {**token, "class": "intact"}),
        ("release", token),
        ("extend", token),
        ("skip", token),
        ("undo", None),
    ):
        assert api.post(f"reviews/{review.pk}/{action}", body).status_code == 404
    assert api.get(f"reviews/{review.pk}").status_code == 404


def test_the_list_shows_open_reviews_of_a_stream(api: Caller, stream: Stream) -> None:
    review = reviews.waiting(stream)
    reviews.waiting(streams.ready())

    listed = api.get(f"reviews?stream={stream.slug}").json()["items"]

    assert [one["id"] for one in listed] == [str(review.pk)]
    assert api.get(f"reviews?stream={stream.slug}&state=done").json()["items"] == []
