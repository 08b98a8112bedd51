"""The breaker's pages: what it saw, what acted, how people stop it and arm it again."""

import pytest
from django.urls import reverse

from reviewapp.cases.models import Recall
from reviewapp.gating.actions import breakers
from reviewapp.gating.models import Breaker
from reviewapp.registry.models import Role
from tests.factories import bundles, cases, evidence, policies, streams, teams

pytestmark = pytest.mark.django_db
PROMISES = {"intact": {"target_error": 0.05, "confidence": 0.95}}


def content(response):
    return " ".join(response.content.decode().split())


@pytest.fixture
def opened(db):
    """The breaker of a class that acted by hand, and whose audits found it wrong."""
    version = bundles.external_primary(streams.bare())
    stream = version.stream
    # So rarely audited that the case below is not: its open audit would keep later labels waiting.
    policies.active(stream, thresholds={"intact": 0.9}, audit_rates={"intact": 1e-12}, promises=PROMISES)
    case = cases.scored(stream, prediction=cases.external_prediction(intact=0.95, damaged=0.05))
    breakers.watch_all()
    evidence.labels(version, wrong=8, is_automatic=True)
    breakers.watch_all()
    found = Breaker.objects.select_related("stream").get(stream=stream)
    assert found.state == "open"
    found.case = case
    return found


def url(name, breaker):
    return reverse(name, args=[breaker.stream.slug, breaker.pk])


def test_an_open_breaker_says_what_it_saw_and_what_acted(opened, lead, signed_in):
    client = signed_in(lead)

    listed = content(client.get(reverse("breakers", args=[opened.stream.slug])))
    shown = content(client.get(url("breaker", opened)))
    now = content(client.get(reverse("policy", args=[opened.stream.slug])))

    for page in (listed, shown):
        assert "wrong, 5% promised" in page
    assert opened.case.external_id in shown
    assert "more clean ones needed before it can be armed again" in shown
    assert "stopped" in now


def test_reviewers_see_the_breaker_and_no_single_decision(opened, rosa, signed_in):
    shown = content(signed_in(rosa).get(url("breaker", opened)))

    assert opened.case.external_id not in shown
    assert "For those who oversee the stream" in shown
    assert "Send to review" not in shown
    assert signed_in(rosa).post(url("breaker_review", opened), {"reason": "x"}).status_code == 403


def test_the_recent_decisions_are_sent_to_review(opened, lead, signed_in):
    client = signed_in(lead)

    unexplained = client.post(url("breaker_review", opened), {"reason": ""})
    client.post(url("breaker_review", opened), {"reason": "the scanner was dirty"})
    again = client.post(url("breaker_review", opened), {"reason": "once more"})

    assert unexplained.status_code == 422
    assert Recall.objects.get(stream=opened.stream).reason == "the scanner was dirty"
    assert again.status_code == 422
    assert "are going back to people" in content(client.get(url("breaker", opened)))


def test_it_is_armed_again_by_two_people_on_fresh_evidence(opened, policy_owner, signed_in):
    version = opened.stream.live_rollout.members.get().model_version
    colleague = teams.member("Pia Policy", role=Role.POLICY_OWNER)
    asking, agreeing = signed_in(policy_owner), signed_in(colleague)

    early = asking.post(url("breaker_ask", opened), {"reason": "the scanner was cleaned"})
    evidence.labels(version, right=200)
    asking.post(url("breaker_ask", opened), {"reason": "the scanner was cleaned"})
    waiting = content(agreeing.get(url("breaker", opened)))
    own = asking.post(url("breaker_confirm", opened))
    agreeing.post(url("breaker_confirm", opened))

    assert early.status_code == 422
    assert "needed before it can be armed again" in content(early)
    assert "Petra Policy asked for it" in waiting
    assert own.status_code == 403
    opened.refresh_from_db(fields=["state"])
    assert opened.state == "closed"


def test_what_was_asked_is_turned_down(opened, policy_owner, lead, signed_in):
    evidence.labels(opened.stream.live_rollout.members.get().model_version, right=200)
    signed_in(policy_owner).post(url("breaker_ask", opened), {"reason": "it was cleaned"})

    signed_in(lead).post(url("breaker_refuse", opened), {"reason": "not by us"})

    opened.refresh_from_db(fields=["state", "rearm_asked_by"])
    assert (opened.state, opened.rearm_asked_by) == ("open", None)


def test_who_asked_takes_it_back(opened, policy_owner, lead, signed_in):
    evidence.labels(opened.stream.live_rollout.members.get().model_version, right=200)
    client = signed_in(policy_owner)
    client.post(url("breaker_ask", opened), {"reason": "it was cleaned"})

    offered = [content(signed_in(person).get(url("breaker", opened))) for person in (policy_owner, lead)]
    client.post(url("breaker_refuse", opened))

    assert ["Take it back" in page for page in offered] == [True, False]
    opened.refresh_from_db(fields=["state", "rearm_asked_by"])
    assert (opened.state, opened.rearm_asked_by) == ("open", None)


def test_a_breaker_of_another_stream_is_not_there(opened, stream, lead, signed_in):
    assert signed_in(lead).get(reverse("breaker", args=[stream.slug, opened.pk])).status_code == 404


def test_harm_is_told_by_segment_beside_the_promise(lead, signed_in):
    version = bundles.external_primary(streams.bare())
    policies.active(
        version.stream,
        thresholds={"intact": 0.9},
        audit_rates={},
        promises=PROMISES,
        segment="region",
        wrong_per_thousand=2.0,
    )
    cases.scored(version.stream, prediction=cases.external_prediction(intact=0.95, damaged=0.05))
    evidence.labels(version, right=40, wrong=1, is_automatic=True, segment="north")
    evidence.labels(version, right=20, is_automatic=True, segment="south")

    shown = content(signed_in(lead).get(reverse("policy_harm", args=[version.stream.slug])))

    assert "The same for every value of region" in shown
    assert "north" in shown
    assert "2.44%" in shown
    assert "5.00%" in shown
    assert "At most 2 are promised." in shown
