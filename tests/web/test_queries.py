"""Lists cost the same number of queries however long they are, rendering included."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Role
from reviewapp.webhooks import actions as webhooks
from tests.factories import cases, policies, reviews, streams, teams

pytestmark = pytest.mark.django_db


def cost(client, url):
    client.get(url)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        response = client.get(url)
    assert response.status_code == 200
    return len(captured)


@pytest.fixture
def grow(stream, rosa, ravi):
    """Adds one more of everything that the pages list."""

    def more(number):
        reviews.settled(stream, rosa)
        cases.decided(stream)
        reviews.waiting(stream)
        reviews.claimed(stream, rosa)
        reviews.claimed(stream, ravi)
        policies.active(stream)
        streams.bare()
        teams.member(role=Role.REVIEWER)
        webhooks.create_endpoint(team=stream.team, url=f"http://127.0.0.1:9/hooks/{number}", by=SYSTEM)

    return more


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("home", 5),
        ("queue", 9),
        ("policy", 10),
        ("policy_versions", 10),
        ("certificates", 12),
        ("breakers", 8),
        ("models", 20),
        ("people", 6),
        ("find", 9),
        ("inbox", 6),
        ("endpoints", 8),
        ("deliveries", 8),
        ("keys", 8),
    ],
)
def test_lists_cost_the_same_however_long(name, budget, grow, stream, administrator, rosa, signed_in):
    in_stream = {"queue", "policy", "policy_versions", "certificates", "breakers", "models", "people"}
    url = reverse(name, args=[stream.slug] if name in in_stream else [])
    client = signed_in(rosa if name == "inbox" else administrator)
    grow(1)
    first = cost(client, url)
    for number in (2, 3):
        grow(number)

    assert cost(client, url) == first
    assert first <= budget


def test_the_desk_with_all_its_evidence_costs_a_fixed_number(stream, rosa, ravi, signed_in):
    counts = []
    for _ in range(2):
        reviews.settled(stream, ravi)
        review = reviews.claimed(stream, rosa)
        cases.explain_all()
        counts.append(cost(signed_in(rosa), reverse("review", args=[review.pk])))

    assert counts[0] == counts[1]
    assert counts[0] <= 18


def test_a_trace_costs_the_same_with_many_reviews(stream, rosa, lead, signed_in):
    case = reviews.settled(stream, rosa)
    client, url = signed_in(lead), reverse("case", args=[case.pk])
    first = cost(client, url)
    for _ in range(2):
        client.post(reverse("case_reopen", args=[case.pk]), {"reason": "look again"})
        reviews.answer(reviews.claimed(stream, rosa, case), rosa)

    assert cost(client, url) <= first + 1
    assert first <= 28
