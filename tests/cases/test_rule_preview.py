import pytest

from reviewapp.cases import rule_preview
from reviewapp.domain.errors import Forbidden, Invalid
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import bundles, cases, reviews, streams
from tests.people import acting


def preview(stream, when, actor=SYSTEM, days=30):
    return rule_preview.preview(stream=stream, when=when, days=days, actor=actor)


@pytest.fixture
def past(stream: Stream):
    """A case that acted alone, one that waits for a person and one whose context says more."""
    return [
        cases.decided(stream),
        cases.in_review(stream),
        cases.scored(stream, bundles.CLEARLY_DAMAGED, context={"tier": "gold"}),
    ]


def test_a_rule_is_worked_out_on_what_is_stored(stream, past):
    found = preview(stream, "dent < 6.0")

    assert (found.cases, found.matched, found.matched_automatic, found.failed) == (3, 2, 1, 0)
    assert found.share == pytest.approx(2 / 3)
    assert [case.pk for case in found.examples] == [past[1].pk, past[0].pk]
    assert not found.is_sample


def test_a_rule_may_look_at_the_answer_and_the_context(stream, past):
    answered = preview(stream, "predicted == 'intact' && confidence > 0.9")
    in_context = preview(stream, "context.tier == 'gold'")

    assert [case.pk for case in answered.examples] == [past[0].pk]
    assert (in_context.matched, in_context.failed) == (1, 2)
    assert in_context.errors == [("there is no tier", 2)]


def test_a_sample_of_many_cases_is_the_newest(stream, past, monkeypatch):
    monkeypatch.setattr(rule_preview, "MAX_CASES", 2)

    found = preview(stream, "true")

    assert (found.cases, found.is_sample) == (2, True)
    assert [case.pk for case in found.examples] == [past[2].pk, past[1].pk]


def test_a_stream_without_cases_has_nothing_to_try_on(stream):
    found = preview(stream, "dent > 1.0")

    assert (found.cases, found.share) == (0, None)


@pytest.mark.parametrize(
    ("when", "days", "field"),
    [("dent >", 30, "when"), ("dont > 1.0", 30, "when"), ("true", 0, "days"), ("true", 366, "days")],
)
def test_what_no_policy_may_hold_is_refused(stream, when, days, field):
    with pytest.raises(Invalid) as refused:
        preview(stream, when, days=days)

    assert refused.value.details["errors"][0]["field"] == field


def test_only_who_oversees_the_stream_may_ask(stream, rosa):
    with pytest.raises(Forbidden):
        preview(stream, "predicted == 'intact'", actor=acting(rosa))


def test_a_case_that_the_asker_is_answering_unseen_is_no_example_of_an_answer(db, lead):
    stream = streams.ready(review_mode="blind")
    case = cases.in_review(stream)
    reviews.claimed(stream, lead, case)

    of_answer = preview(stream, "confidence < 0.9", actor=acting(lead))
    of_input = preview(stream, "dent > 4.0", actor=acting(lead))

    assert (of_answer.matched, of_answer.examples) == (1, [])
    assert [one.pk for one in of_input.examples] == [case.pk]
