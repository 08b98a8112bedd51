"""Guardrails on cases' real way: what the policy says of a case's values decides who decides it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from reviewapp.cases.actions import guarding, reopening
from reviewapp.cases.models import Case, Prediction
from reviewapp.cases.reasons import UNSEEN, visible_reasons
from reviewapp.events.models import Event
from reviewapp.gating.models import Breaker
from reviewapp.registry.actions import streams as stream_actions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream, StreamRevision
from tests.factories import bundles, cases, policies, streams

CLEAR = bundles.CLEARLY_INTACT


def guarded(stream: Stream, **policy: Any) -> Stream:
    policies.active(stream, **policy)
    return stream


def codes(case: Case) -> list[str]:
    prediction = Prediction.objects.exclude(role="shadow").filter(case=case, generation=case.generation).get()
    return [reason["code"] for reason in prediction.reasons]


def rule(when: str, name: str = "Deep dents") -> dict[str, str]:
    return {"name": name, "when": when}


def test_a_rule_sends_a_sure_case_to_people(stream: Stream) -> None:
    guarded(stream, rules=[rule("dent < 2.0 && predicted == 'intact'")])

    caught, spared = cases.scored(stream, CLEAR), cases.scored(stream, bundles.CLEARLY_DAMAGED)

    assert (caught.state, spared.state) == ("in_review", "decided")
    assert codes(caught) == ["rule"]
    event = Event.objects.get(case_id=str(caught.pk), type="review.opened")
    assert json.loads(bytes(event.payload))["reasons"] == ["rule"]
    assert caught.reviews.get().reasons == [{"code": "rule", "sentence": "The rule “Deep dents” sends it to people."}]


def test_a_rule_that_breaks_on_a_case_sends_it_to_people(stream: Stream) -> None:
    guarded(stream, rules=[rule("context.tier == 'gold'", "Gold")])

    broken, fine = cases.scored(stream, CLEAR), cases.scored(stream, CLEAR, context={"tier": "silver"})

    assert (broken.state, fine.state) == ("in_review", "decided")
    assert codes(broken) == ["rule_failed"]


def test_values_outside_the_models_training_rows_go_to_people(stream: Stream) -> None:
    guarded(stream, is_range_checked=True)

    inside, outside = cases.scored(stream, CLEAR), cases.scored(stream, {"dent": 0.0, "tear": 1.0})

    assert (inside.state, outside.state) == ("decided", "in_review")
    assert codes(outside) == ["out_of_range"]


def test_an_old_case_or_one_of_unknown_age_goes_to_people(stream: Stream) -> None:
    guarded(stream, stale_after=3600.0)
    now = timezone.now()

    fresh = cases.scored(stream, CLEAR, observed_at=(now - timedelta(minutes=50)).isoformat())
    old = cases.scored(stream, CLEAR, observed_at=(now - timedelta(minutes=70)).isoformat())
    unknown = cases.scored(stream, CLEAR)

    assert [case.state for case in (fresh, old, unknown)] == ["decided", "in_review", "in_review"]
    assert codes(old) == codes(unknown) == ["stale_features"]


def test_an_amended_case_is_as_old_as_its_new_input(stream: Stream) -> None:
    guarded(stream, stale_after=3600.0)
    case = cases.scored(stream, CLEAR)
    now = timezone.now()

    reopening.amend(case_id=case.pk, generation=1, features=CLEAR, observed_at=now, by=SYSTEM)
    cases.score_all()

    case.refresh_from_db()
    assert (case.generation, case.state) == (2, "decided")


def test_a_required_column_that_is_missing_sends_the_case_to_people(bare_stream: Stream) -> None:
    stream = bare_stream
    bundles.external_primary(stream)
    guarded(stream, required_columns=["income"])
    prediction = cases.external_prediction(intact=0.99, damaged=0.01)

    lacking = cases.scored(stream, {"income": None}, prediction=prediction)
    whole = cases.scored(stream, {"income": 5.0}, prediction=prediction)

    assert (lacking.state, whole.state) == ("in_review", "decided")
    assert codes(lacking) == ["missing_feature"]


def test_predictions_from_upstream_pass_the_same_guardrails(bare_stream: Stream) -> None:
    stream = bare_stream
    guarded(
        stream,
        rules=[rule("confidence > 0.98 && features['deep dent']", "Too sure")],
        stale_after=3600.0,
        is_range_checked=True,
    )
    bundles.external_primary(stream)

    case = cases.scored(stream, {"deep dent": True}, prediction=cases.external_prediction(intact=0.99, damaged=0.01))

    # A model that upstream runs brings no record of its training rows.
    assert codes(case) == ["stale_features", "out_of_range", "rule"]


def test_all_guardrails_are_told_beside_a_hold(stream: Stream) -> None:
    from reviewapp.gating.actions import holds

    guarded(stream, rules=[rule("true")])
    holds.place(stream=stream, scope="automation", reason="A test", by=SYSTEM)

    assert codes(cases.scored(stream, CLEAR)) == ["held", "rule"]


@pytest.mark.parametrize(("segment", "state"), [("", "in_review"), ("1", "in_review"), ("2", "decided")])
def test_an_open_breaker_stops_its_segment(stream: Stream, segment: str, state: str) -> None:
    guarded(stream, segment="dent")
    Breaker.objects.create(stream=stream, answer="intact", segment=segment, state="open")

    case = cases.scored(stream, CLEAR)

    assert case.state == state
    assert codes(case) == (["breaker_open"] if state == "in_review" else ["above_threshold"])


def test_rules_that_take_too_long_send_the_rest_to_people(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded(stream, rules=[rule("false")])
    monkeypatch.setattr(guarding, "MAX_SECONDS", -1.0)

    assert codes(cases.scored(stream, CLEAR)) == ["rule_failed"]


def test_a_rule_on_a_column_that_a_new_contract_dropped_goes_to_people(bare_stream: Stream) -> None:
    stream = bare_stream
    bundles.external_primary(stream)
    guarded(stream, rules=[rule("income > 5.0", "Rich")])
    contract = {"type": "object", "properties": {"age": {"type": "integer"}}, "additionalProperties": False}
    stream_actions.revise(stream=stream, kind=StreamRevision.Kind.CONTRACT, body=contract, by=SYSTEM)

    case = cases.scored(stream, {"age": 3}, prediction=cases.external_prediction(intact=0.99, damaged=0.01))

    assert codes(case) == ["rule_failed"]


def test_without_guardrails_no_statement_is_added_and_no_value_read(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise AssertionError("nobody asked for a value")

    monkeypatch.setattr(guarding, "_read", refuse)
    monkeypatch.setattr(guarding, "_envelopes", refuse)

    assert cases.scored(stream, CLEAR).state == "decided"


@pytest.mark.parametrize(
    ("body", "features", "is_told"),
    [
        ({"rules": [rule("predicted == 'intact'")]}, CLEAR, False),
        ({"is_range_checked": True}, {"dent": 0.0, "tear": 1.0}, True),
        ({"stale_after": 60.0}, CLEAR, True),
        ({"cap": {"limit": 1, "seconds": 3600}}, CLEAR, False),
    ],
)
def test_a_blind_reader_learns_of_the_input_and_not_of_the_answer(
    db: None, body: dict[str, Any], features: dict[str, float], is_told: bool
) -> None:
    stream = streams.ready(review_mode="blind", policy=body)
    cases.scored(stream, CLEAR)

    review = cases.scored(stream, features).reviews.get()

    shown = visible_reasons(review, sees_evidence=False)
    assert shown == (review.reasons if is_told else [UNSEEN])
