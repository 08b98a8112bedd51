import json

import pytest
from django.db.models.functions import Now, TruncDate

from reviewapp.cases.actions import reopening, routing
from reviewapp.cases.models import Decision, Embedding, Prediction, Review, Work
from reviewapp.events.models import Event, OutboxEntry
from reviewapp.gating.models import AuditRate
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import bundles, cases, streams


def test_an_automatic_decision_is_written_with_its_event_and_outbox_entry(stream: Stream) -> None:
    case = cases.decided(stream)

    decision = Decision.objects.get(case=case)
    event = Event.objects.get(pk=decision.event_id)
    payload = json.loads(bytes(event.payload))
    assert (decision.source, decision.answer, decision.sequence) == ("auto", "intact", 1)
    assert (decision.prediction.route, decision.prediction_route) == ("auto", "auto")
    assert (event.type, event.sequence, event.actor) == ("decision.made", 2, "policy")
    assert payload["external_id"] == case.external_id
    assert payload["decision"]["class"] == "intact"
    assert payload["decision"]["id"] == str(decision.pk)
    assert payload["reasons"] == ["above_threshold"]
    assert OutboxEntry.objects.filter(event=event).exists()


def test_an_automatic_decision_that_nobody_looks_at_leaves_no_evidence(stream: Stream) -> None:
    case = cases.decided(stream)

    assert not case.reviews.exists()
    assert not Embedding.objects.exists()
    assert not Work.objects.exists()


def test_a_review_comes_with_its_reason_vector_and_explanation_work(stream: Stream) -> None:
    case = cases.in_review(stream)

    prediction = Prediction.objects.get(case=case)
    review = Review.objects.get(case=case)
    assert (review.kind, review.mode, review.prediction) == ("routine", "assisted", prediction)
    assert review.reasons[0]["code"] == "below_threshold"
    assert review.due_at == case.due_at
    assert not case.decisions.exists()
    assert Embedding.objects.get(case=case).space == stream.model_versions.get().bundle_id
    assert Work.objects.get(kind="explain").subject == str(prediction.pk)
    assert not OutboxEntry.objects.filter(event__type="review.opened").exists()


def test_an_audited_decision_stands_and_is_read_blind(db: None) -> None:
    stream = streams.ready(policy={"audit_rate": 1.0}, review_mode="commit_then_reveal")

    case = cases.decided(stream)

    review = case.reviews.get()
    assert (review.kind, review.mode, review.state) == ("audit", "blind", "open")
    assert review.inclusion_probability == 1.0
    assert review.priority == routing.AUDIT_PRIORITY
    assert [reason["code"] for reason in review.reasons] == ["audit"]
    assert "intact" not in json.dumps(review.reasons)
    assert case.decisions.get().source == "auto"


def test_the_head_of_the_queue_does_not_tell_which_cases_are_audited(db: None) -> None:
    stream = streams.ready(policy={"audit_rate": 0.5}, review_mode="commit_then_reveal")

    for _ in range(12):
        cases.decided(stream)
        cases.in_review(stream)

    for review in Review.objects.filter(case__stream=stream):
        assert review.priority == (routing.AUDIT_PRIORITY if review.case.coin < 0.5 else 0)
    assert Review.objects.filter(kind="routine", priority=routing.AUDIT_PRIORITY).exists()


@pytest.mark.parametrize(
    ("fields", "mode", "probability"),
    [
        ({"review_mode": "assisted", "blind_share": 1.0}, "blind", 1.0),
        ({"review_mode": "assisted", "blind_share": 0.0}, "assisted", 0.0),
        ({"review_mode": "commit_then_reveal"}, "commit_then_reveal", 1.0),
        ({"review_mode": "blind"}, "blind", 1.0),
    ],
)
def test_a_review_has_the_mode_of_its_stream_or_of_the_coin(
    db: None, fields: dict[str, object], mode: str, probability: float
) -> None:
    case = cases.in_review(streams.ready(**fields))

    review = case.reviews.get()
    assert (review.mode, review.inclusion_probability) == (mode, probability)


def test_the_audit_rate_of_the_day_holds_where_the_policy_names_none(db: None) -> None:
    stream = streams.ready(policy={"audit_rates": {}, "audit": {"ceiling": 0.0001, "floor": 0.0001}})
    AuditRate.objects.create(
        stream=stream,
        model_version=stream.model_versions.get(),
        answer="intact",
        day=TruncDate(Now()),
        rate=1.0,
        cause="planned",
    )

    case = cases.decided(stream)

    assert case.reviews.get().kind == "audit"


def test_a_second_automatic_decision_supersedes_the_first(stream: Stream) -> None:
    case = cases.decided(stream)
    reopening.amend(case_id=case.pk, generation=1, features=bundles.CLEARLY_DAMAGED, by=SYSTEM)

    cases.score_all()

    first, second = Decision.objects.filter(case=case).order_by("sequence")
    assert (first.answer, second.answer, second.sequence) == ("intact", "damaged", 2)
    assert second.supersedes == first
    assert Decision.objects.live().get(case=case) == second


def test_the_events_of_a_case_are_numbered_without_gaps(stream: Stream) -> None:
    case = cases.decided(stream)
    reopening.reopen(case_id=case.pk, reason="Upstream doubts it.", by=SYSTEM)

    numbers = list(Event.objects.filter(case_id=str(case.pk)).order_by("sequence").values_list("sequence", flat=True))

    case.refresh_from_db()
    assert numbers == [1, 2, 3]
    assert case.num_events == 3
