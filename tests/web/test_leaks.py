"""What a page must not give away, and what must not break one."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from reviewapp.cases.actions import reopening
from reviewapp.cases.models import Review, Verdict
from reviewapp.cases.similar import similar_cases
from reviewapp.monitoring import metrics
from reviewapp.registry.actions import streams as revisions
from tests.factories import cases, reviews, streams, teams
from tests.people import acting

pytestmark = pytest.mark.django_db


@pytest.fixture
def audited(db):
    """A stream that audits all that its model decides."""
    return streams.ready(policy={"audit_rate": 1.0})


def page(client, name, *args, **query):
    return client.get(reverse(name, args=args), query).content.decode()


def test_the_administration_is_entered_by_the_sign_in_that_asks_for_the_second_factor(administrator):
    given = {"username": administrator.email, "password": teams.PASSWORD}

    response = Client().post(reverse("admin:login"), given)

    assert response.status_code == 302
    assert response.url.startswith(reverse("account_login"))
    assert "_auth_user_id" not in response.client.session


def test_the_list_of_cases_does_not_tell_that_a_case_to_be_audited_is_decided(audited, rosa, lead, signed_in):
    cases.decided(audited)

    assert "decided" not in page(signed_in(rosa), "find", stream=audited.slug)
    assert "decided" in page(signed_in(lead), "find", stream=audited.slug)


def test_a_case_that_wants_a_second_blind_reading_is_no_similar_case(audited, rosa, ravi):
    agreed, contradicted = cases.decided(audited), cases.decided(audited)
    other = cases.decided(audited)
    reviews.answer(reviews.claimed(audited, ravi, agreed), ravi, "intact")
    reviews.answer(reviews.claimed(audited, ravi, contradicted), ravi, "damaged")
    reviews.claimed(audited, rosa, other)
    cases.explain_all()

    found = similar_cases(other, other.predictions.select_related("model_version").get())

    assert contradicted.reviews.filter(kind=Review.Kind.SECOND_OPINION, state=Review.State.OPEN).exists()
    assert [one.case_id for one in found] == [agreed.pk]


def test_the_desk_keeps_the_evidence_back_while_the_case_is_also_to_be_read_unseen(audited, rosa, lead, signed_in):
    case = cases.decided(audited)
    again = reopening.reopen(case_id=case.pk, reason="look again", by=acting(lead))
    client = signed_in(rosa)
    client.post(reverse("review_claim", args=[again.pk]))
    cases.explain_all()

    desk = page(client, "review", again.pk)

    assert again.mode == "assisted"
    assert "verdict-bar" in desk
    assert "explanation-title" not in desk
    assert client.get(reverse("review", args=[again.pk]), headers={"HX-Request": "true"}).status_code == 204


def test_a_nul_in_a_note_does_not_cost_the_answer(stream, rosa, signed_in):
    review, client = reviews.claimed(stream, rosa), signed_in(rosa)
    given = {"claim_token": review.claim_token, "answer": "intact", "note": "de\0nt"}

    assert client.post(reverse("review_draft", args=[review.pk]), {"note": "de\0nt"}).status_code == 204
    assert client.post(reverse("review_submit", args=[review.pk]), given).status_code == 302
    assert Verdict.objects.get(review=review).note == "dent"


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {"kind": "image"},
        {"kind": "image", "height": "8", "width": 8},
        {"groups": 5},
        {"groups": [{"title": "Damage"}]},
        {"labels": ["dent"]},
        {"columns": [1]},
    ],
)
def test_a_display_that_cannot_be_shown_is_refused(wrong, stream, lead, signed_in):
    before = revisions.revision_in_force(stream, "display")

    response = signed_in(lead).post(
        reverse("display_revise", args=[stream.slug]), {"kind": "display", "body": json.dumps(wrong)}
    )

    assert response.status_code == 422
    assert "cannot be shown" in response.content.decode()
    assert revisions.revision_in_force(stream, "display") == before


def test_a_contract_that_allows_anything_in_a_column_can_be_shown(bare_stream, lead, signed_in):
    contract = {"type": "object", "properties": {"dent": True}}
    revisions.revise(stream=bare_stream, kind="contract", body=contract, by=acting(lead))
    case = cases.received(bare_stream, {"dent": 1.0})

    assert "dent" in page(signed_in(lead), "case", case.pk)


def test_figures_of_another_teams_streams_are_not_told(stream, rosa, outsider, signed_in):
    reviews.waiting(stream)
    metrics.snapshot()

    assert f'stream="{stream.slug}"' in page(signed_in(rosa), "metrics")
    assert stream.slug not in page(signed_in(outsider), "metrics")
