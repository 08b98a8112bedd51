"""Why a guardrail sent a case to people: in words for who may know, and nothing of the answer for who may not."""

import pytest
from django.urls import reverse

from tests.factories import bundles, cases, policies, reviews, streams

RULE = {"name": "Sure of intact", "when": "predicted == 'intact'"}


def page(client, name, *args):
    return client.get(reverse(name, args=args)).content.decode()


def test_the_reasons_stand_on_the_desk_and_the_trace(stream, rosa, lead, signed_in):
    policies.active(stream, rules=[RULE], stale_after=60.0)
    case = cases.scored(stream, bundles.CLEARLY_INTACT)
    review = reviews.claimed(stream, rosa, case)

    for shown in (page(signed_in(rosa), "review", review.pk), page(signed_in(lead), "case", case.pk)):
        assert "The rule “Sure of intact” sends it to people." in shown
        assert "It is not known when the case was observed; the policy allows an age of 1 minute." in shown


@pytest.mark.parametrize("mode", ["blind", "commit_then_reveal"])
def test_who_answers_unseen_does_not_learn_of_a_rule_on_the_answer(db, rosa, signed_in, mode):
    stream = streams.ready(review_mode=mode, policy={"rules": [RULE], "stale_after": 60.0})
    case = cases.scored(stream, bundles.CLEARLY_INTACT)
    review = reviews.claimed(stream, rosa, case)

    desk, trace = page(signed_in(rosa), "review", review.pk), page(signed_in(rosa), "case", case.pk)

    assert "It is not known when the case was observed" in desk
    for shown in (desk, trace):
        assert "Sure of intact" not in shown
