"""Every page answers the people it is for, and tells nobody else that anything is there."""

import pytest
from django.urls import reverse

from reviewapp.registry.actors import SYSTEM
from reviewapp.webhooks import actions as webhooks
from tests.factories import cases, reviews

pytestmark = pytest.mark.django_db

STREAM_PAGES = (
    *("queue", "policy", "policy_workshop", "policy_versions", "policy_harm", "certificates", "breakers"),
    *("models", "models_compare", "models_uploads", "display", "people"),
)
PAGES = ("home", "find", "inbox", "me", "alerts")
TEAM_PAGES = ("endpoints", "deliveries", "keys")


@pytest.mark.parametrize("name", STREAM_PAGES)
@pytest.mark.parametrize("person", ["rosa", "lead", "policy_owner", "model_owner", "auditor", "administrator"])
def test_stream_pages_answer_members(name, person, request, stream, signed_in):
    cases.in_review(stream)

    response = signed_in(request.getfixturevalue(person)).get(reverse(name, args=[stream.slug]))

    assert response.status_code == 200
    assert stream.name in response.content.decode()


@pytest.mark.parametrize("name", STREAM_PAGES)
def test_stream_pages_do_not_exist_for_another_team(name, stream, outsider, signed_in):
    response = signed_in(outsider).get(reverse(name, args=[stream.slug]))

    assert response.status_code == 404
    assert stream.name not in response.content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_personal_pages_answer_everyone(name, stream, rosa, outsider, signed_in):
    for person in (rosa, outsider):
        assert signed_in(person).get(reverse(name)).status_code == 200


@pytest.mark.parametrize("name", TEAM_PAGES)
def test_team_pages_are_for_those_who_run_the_integration(name, stream, lead, integrator, auditor, rosa, signed_in):
    webhooks.create_endpoint(team=stream.team, url="http://127.0.0.1:9/hooks", by=SYSTEM)

    for person in (lead, integrator, auditor):
        assert signed_in(person).get(reverse(name)).status_code == 200
    assert signed_in(rosa).get(reverse(name)).status_code == 403


def test_case_and_review_do_not_exist_for_another_team(stream, outsider, signed_in):
    review = reviews.waiting(stream)
    client = signed_in(outsider)

    for url in (reverse("case", args=[review.case_id]), reverse("review", args=[review.pk])):
        response = client.get(url)
        assert response.status_code == 404
        assert review.case.external_id not in response.content.decode()
