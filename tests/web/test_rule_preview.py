"""The fragment that tells, while a rule is being written, what it would have done."""

import pytest
from django.urls import reverse

from tests.factories import cases


@pytest.fixture
def asked(stream, policy_owner, signed_in):
    def ask(**body):
        response = signed_in(policy_owner).post(reverse("policy_rule_preview", args=[stream.slug]), body)
        assert response.status_code == 200
        return " ".join(response.content.decode().split())

    return ask


def test_a_rule_is_told_in_numbers_with_cases_to_look_at(stream, asked):
    case = cases.decided(stream)
    cases.in_review(stream)

    shown = asked(number="1", rule_when_0="dent >", rule_when_1="dent < 3.0")

    assert "Sends 1 of 2 cases of the last 30 days to people (50.0%); 1 of them acted alone." in shown
    assert f'<a href="{reverse("case", args=[case.pk])}">{case.external_id}</a>' in shown


def test_a_rule_without_an_answer_says_where(stream, asked):
    cases.decided(stream)

    assert "No answer on 1 case, which would go to people too: there is no tier (1)." in asked(
        when="context.tier == 'gold'"
    )


def test_a_rule_that_cannot_be_read_is_refused_in_place(asked):
    assert "there is no column “dend”; did you mean “dent”?" in asked(when="dend > 3.0")


def test_nothing_written_is_nothing_told(asked):
    assert asked(number="0", rule_when_0=" ") == ""


def test_a_stream_without_cases_says_so(asked):
    assert "No case of the last 30 days to try it on." in asked(when="dent > 3.0")


def test_reviewers_may_not_ask(stream, rosa, signed_in):
    response = signed_in(rosa).post(reverse("policy_rule_preview", args=[stream.slug]), {"when": "true"})

    assert response.status_code == 403
