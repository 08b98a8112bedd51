"""The reviewer's desk in its three modes."""

import re

import pytest
from django.urls import reverse

from reviewapp.cases.actions import claims, reopening
from reviewapp.cases.models import Review, Verdict
from reviewapp.registry.models import Stream
from tests.factories import cases, reviews, streams
from tests.people import acting

pytestmark = pytest.mark.django_db

# What betrays the model: its section, its bars, its probabilities, the reasons that quote its confidence.
TRACES = ("Prediction", "probabilities", "shap", "Similar", "Confidence", "below", "explanation", "glyph-bar")


def body(response):
    return response.content.decode()


def page(response):
    """The page without its frame, which is the same whatever is shown."""
    return body(response).split("<main", 1)[1].split("</main>", 1)[0]


def start(client, stream):
    response = client.post(reverse("queue_start", args=[stream.slug]))
    return Review.objects.get(pk=response.url.split("/")[2].split("?")[0])


def answer(client, review, given, **fields):
    review.refresh_from_db()
    content = {"answer": given, "claim_token": str(review.claim_token), "generation": review.generation, **fields}
    return client.post(reverse("review_submit", args=[review.pk]), content)


@pytest.fixture
def committing(db):
    return streams.ready(review_mode=Stream.Mode.COMMIT_THEN_REVEAL)


@pytest.fixture
def blind(db):
    return streams.ready(review_mode=Stream.Mode.BLIND)


def test_assisted_shows_all_evidence_at_once(stream, rosa, ravi, signed_in):
    reviews.settled(stream, ravi)
    review = reviews.claimed(stream, rosa)
    cases.explain_all()

    shown = page(signed_in(rosa).get(reverse("review", args=[review.pk])))

    prediction = review.prediction
    for probability in prediction.probabilities:
        assert f"{probability * 100:.1f}%" in shown
    assert review.reasons[0]["sentence"] in shown.replace("&quot;", '"')
    assert "exact TreeSHAP" in shown
    assert "dent" in shown
    assert "Only 1 of 5" in shown
    assert "mm" in shown


def test_a_pending_explanation_is_asked_for_again_and_then_arrives(stream, rosa, signed_in):
    review = reviews.claimed(stream, rosa)
    client, url = signed_in(rosa), reverse("review", args=[review.pk])

    waiting = client.get(url, headers={"HX-Request": "true"})
    cases.explain_all()
    arrived = client.get(url, headers={"HX-Request": "true"})

    assert f'hx-get="{url}"' in body(waiting)
    assert "being computed" in body(waiting)
    assert "hx-get" not in body(arrived)
    assert "Base value" in body(arrived)


def test_the_explanation_that_is_swapped_in_equals_the_page_loaded_afresh(stream, rosa, signed_in):
    review = reviews.claimed(stream, rosa)
    cases.explain_all()
    client, url = signed_in(rosa), reverse("review", args=[review.pk])

    fragment = body(client.get(url, headers={"HX-Request": "true"}))

    assert fragment.strip() in body(client.get(url))


@pytest.mark.parametrize("mode", ["committing", "blind"])
def test_nothing_of_the_model_is_in_the_source_before_the_answer(mode, request, rosa, ravi, signed_in):
    stream = request.getfixturevalue(mode)
    reviews.answer(reviews.claimed(stream, ravi), ravi)
    review = reviews.claimed(stream, rosa)
    cases.explain_all()
    client = signed_in(rosa)

    desk = page(client.get(reverse("review", args=[review.pk])))
    fragment = client.get(reverse("review", args=[review.pk]), headers={"HX-Request": "true"})
    trace = page(client.get(reverse("case", args=[review.case_id])))

    assert fragment.status_code == 204
    for shown in (desk, trace):
        assert not [word for word in TRACES if word in shown]
        assert f"{review.prediction.confidence * 100:.1f}" not in shown
    assert "without knowing what the model says" in desk


def test_an_audit_does_not_tell_what_was_decided(rosa, signed_in):
    stream = streams.ready(policy={"audit_rate": 1.0})
    case = cases.decided(stream)
    review = reviews.claimed(stream, rosa, case)
    cases.explain_all()
    client = signed_in(rosa)

    desk = page(client.get(reverse("review", args=[review.pk])))
    trace = page(client.get(reverse("case", args=[case.pk])))

    assert review.mode == Stream.Mode.BLIND
    assert "without knowing what the model says" in desk
    assert "audit" not in desk
    assert "audit" not in trace
    assert "decided" not in trace
    for shown in (desk, trace):
        assert not [word for word in TRACES if word in shown]
    # On the desk each class stands on its own button, and nowhere else; in the trace nowhere.
    assert desk.count("intact") == desk.count("damaged")
    assert "intact" not in trace


def test_commit_then_reveal_shows_the_evidence_after_the_first_answer(committing, rosa, signed_in):
    client = signed_in(rosa)
    cases.in_review(committing)
    review = start(client, committing)
    cases.explain_all()

    committed = answer(client, review, "damaged", stage="first", note="a tear")
    shown = body(client.get(committed.url))

    assert committed.url == reverse("review", args=[review.pk])
    assert "Your first answer, “damaged”, is kept" in shown
    assert "exact TreeSHAP" in shown
    assert 'data-key="k"' in shown
    assert "a tear" in shown


def test_commit_then_reveal_keeps_both_answers_when_revised(committing, rosa, signed_in):
    client = signed_in(rosa)
    cases.in_review(committing)
    review = start(client, committing)

    answer(client, review, "damaged", stage="first")
    answer(client, review, "intact", stage="final")

    given = Verdict.objects.filter(review=review).order_by("created_at").values_list("stage", "answer", "saw_model")
    assert list(given) == [("first", "damaged", False), ("final", "intact", True)]


def test_an_answer_leads_straight_to_the_next_case(stream, rosa, signed_in):
    first, second = cases.in_review(stream), cases.in_review(stream)
    client = signed_in(rosa)
    review = start(client, stream)

    response = answer(client, review, "intact")

    following = Review.objects.get(case=second)
    assert review.case == first
    assert response.url == reverse("review", args=[following.pk]) + f"?saved={review.pk}"
    assert following.claimed_by == rosa
    assert "Saved “<strong>intact</strong>”" in page(client.get(response.url))


def test_the_last_answer_leads_to_the_empty_queue(stream, rosa, signed_in):
    client = signed_in(rosa)
    cases.in_review(stream)

    response = answer(client, start(client, stream), "intact")
    shown = page(client.get(response.url))

    assert response.url.startswith(reverse("queue", args=[stream.slug]))
    assert "Nothing is waiting" in shown
    assert "Undo" in shown


def test_undo_brings_the_case_back_under_a_new_claim(stream, rosa, signed_in):
    client = signed_in(rosa)
    cases.in_review(stream)
    review = start(client, stream)
    answer(client, review, "intact")

    response = client.post(reverse("review_undo", args=[review.pk]))

    again = Review.objects.get(case=review.case, state=Review.State.OPEN)
    assert response.url == reverse("review", args=[again.pk])
    assert again.claimed_by == rosa


def test_undo_is_not_offered_once_the_time_is_over(stream, rosa, signed_in, age_verdicts):
    client = signed_in(rosa)
    cases.in_review(stream)
    review = start(client, stream)
    response = answer(client, review, "intact")
    age_verdicts(seconds=11)

    assert "Undo" not in page(client.get(response.url))


def test_a_doubled_submit_saves_once_and_goes_on(stream, rosa, signed_in):
    cases.in_review(stream)
    cases.in_review(stream)
    client = signed_in(rosa)
    review = start(client, stream)
    token = review.claim_token

    once = answer(client, review, "intact", claim_token=str(token))
    twice = answer(client, review, "intact", claim_token=str(token))

    assert once.url == twice.url
    assert Verdict.objects.filter(review=review).count() == 1


def test_a_late_answer_is_kept_and_the_reviewer_is_told(stream, rosa, ravi, signed_in):
    review = reviews.claimed(stream, rosa)
    token = review.claim_token
    claims.release(review_id=review.pk, claim_token=token, by=acting(rosa))
    reviews.answer(reviews.claimed(stream, ravi, review.case), ravi, "damaged")

    response = answer(signed_in(rosa), review, "intact", claim_token=str(token))

    assert response.status_code == 409
    assert "Ravi decided “damaged”. Your answer is kept beside it." in page(response)
    assert Verdict.objects.get(reviewer=rosa).status == Verdict.Status.LATE


def test_an_answer_after_the_claim_was_taken_over_is_a_second_opinion(stream, rosa, ravi, signed_in):
    review = reviews.claimed(stream, rosa)
    token = review.claim_token
    claims.release(review_id=review.pk, claim_token=token, by=acting(rosa))
    claims.claim(review_id=review.pk, by=acting(ravi))

    response = answer(signed_in(rosa), review, "intact", claim_token=str(token))

    assert response.status_code == 409
    assert "kept as a second opinion" in page(response)


def test_an_amended_case_says_what_changed_and_saves_nothing(stream, rosa, signed_in):
    review = reviews.claimed(stream, rosa)
    token = review.claim_token
    reopening.amend(case_id=review.case_id, generation=1, features={"dent": 4.5, "tear": 5.0}, by=acting(rosa))

    response = answer(signed_in(rosa), review, "intact", claim_token=str(token))

    assert response.status_code == 412
    assert re.search(r"dent.*?5.*?4\.5", page(response), re.DOTALL)
    assert "tear" not in page(response)
    assert not Verdict.objects.exists()


def test_skip_goes_on_to_another_case(stream, rosa, signed_in):
    cases.in_review(stream)
    cases.in_review(stream)
    client = signed_in(rosa)
    review = start(client, stream)

    response = client.post(reverse("review_skip", args=[review.pk]), {"claim_token": str(review.claim_token)})

    review.refresh_from_db()
    assert review.claimed_by is None
    assert str(review.pk) not in response.url


def test_release_gives_the_claim_back(stream, rosa, signed_in):
    review = reviews.claimed(stream, rosa)

    response = signed_in(rosa).post(
        reverse("review_release", args=[review.pk]), {"claim_token": str(review.claim_token)}
    )

    review.refresh_from_db()
    assert review.claimed_by is None
    assert response.url == reverse("queue", args=[stream.slug])


def test_the_claim_is_extended_by_the_open_page(stream, rosa, signed_in):
    review = reviews.claimed(stream, rosa)

    response = signed_in(rosa).post(
        reverse("review_extend", args=[review.pk, review.claim_token]), headers={"Accept": "application/json"}
    )

    assert response.json().keys() == {"expires_at", "now"}
    assert response.json()["expires_at"] > response.json()["now"]


def test_a_lost_claim_answers_the_script_with_json(stream, rosa, ravi, signed_in):
    review = reviews.claimed(stream, rosa)

    response = signed_in(ravi).post(
        reverse("review_extend", args=[review.pk, review.claim_token]), headers={"Accept": "application/json"}
    )

    assert response.status_code == 409
    assert response.json()["code"] == "claim_lost"


def test_an_expired_claim_is_told_plainly(stream, rosa, signed_in, expire_claims):
    review = reviews.claimed(stream, rosa)
    expire_claims()

    shown = page(signed_in(rosa).get(reverse("review", args=[review.pk])))

    assert "Your claim on this review has ended" in shown
    assert "Claim it again" in shown
    assert "data-extend-url" not in shown


def test_a_colleagues_review_shows_who_works_on_it_and_no_evidence(stream, rosa, ravi, signed_in):
    review = reviews.claimed(stream, ravi)
    cases.explain_all()

    shown = page(signed_in(rosa).get(reverse("review", args=[review.pk])))

    assert "Ravi is working on this review" in shown
    assert "TreeSHAP" not in shown
    assert "verdict-bar" not in shown


def test_a_draft_note_survives_leaving_the_page(stream, rosa, signed_in):
    review = reviews.claimed(stream, rosa)
    client = signed_in(rosa)

    saved = client.post(reverse("review_draft", args=[review.pk]), {"note": "look at the tear"})

    assert saved.status_code == 204
    assert "look at the tear" in page(client.get(reverse("review", args=[review.pk])))


def test_an_auditor_cannot_claim(stream, auditor, signed_in):
    cases.in_review(stream)

    response = signed_in(auditor).post(reverse("queue_start", args=[stream.slug]))

    assert response.status_code == 403
    assert "You need to be reviewer or lead" in page(response)


def test_a_failed_explanation_is_said_plainly(stream, rosa, signed_in, fail_explanations):
    review = reviews.claimed(stream, rosa)
    fail_explanations(review)

    shown = page(signed_in(rosa).get(reverse("review", args=[review.pk])))

    assert "could not be explained" in shown
    assert "hx-get" not in shown


def test_a_foreign_case_of_upstreams_model_is_not_explained(rosa, signed_in):
    stream = streams.upstream_scored(policy={"threshold": 0.99})
    prediction = cases.external_prediction(intact=0.7, damaged=0.3)
    case = cases.received(stream, {"colour": "red"}, prediction=prediction)
    review = reviews.claimed(stream, rosa, case)

    shown = page(signed_in(rosa).get(reverse("review", args=[review.pk])))

    assert "An external model made this prediction" in shown
    assert "70.0%" in shown
    assert "No case has been settled yet" in shown
