from uuid import uuid4

import pytest

from reviewapp.accounts.models import User
from reviewapp.cases.actions import labelling
from reviewapp.cases.models import Case, Label, Work
from reviewapp.domain.errors import Conflict, Invalid, NotFound
from reviewapp.events.models import Event
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import cases, reviews, streams


def label_of(rosa: User, *answers: str, **fields: object) -> Label:
    """The label after one person's answers in a fresh stream."""
    stream = streams.ready(**fields)
    review = reviews.claimed(stream, rosa, cases.in_review(stream))
    for answer in answers:
        reviews.answer(review, rosa, answer)
    return Label.objects.live().get(case=review.case)


@pytest.mark.parametrize(
    ("fields", "answers", "is_honest", "probability"),
    [
        ({"blind_share": 0.0}, ["intact"], False, 0.0),
        ({"blind_share": 1.0}, ["intact"], True, 1.0),
        ({"review_mode": "blind"}, ["intact"], True, 1.0),
        ({"review_mode": "commit_then_reveal"}, ["intact", "intact"], True, 1.0),
        ({"review_mode": "commit_then_reveal"}, ["intact", "damaged"], False, 1.0),
    ],
    ids=["assisted", "blind by the coin", "blind", "kept after the reveal", "revised after the reveal"],
)
def test_honest_is_what_was_answered_before_the_model_was_shown(
    rosa: User, fields: dict[str, object], answers: list[str], is_honest: bool, probability: float
) -> None:
    label = label_of(rosa, *answers, **fields)

    assert (label.answer, label.is_honest, label.inclusion_probability) == (answers[-1], is_honest, probability)


def test_the_blind_share_is_the_probability_of_a_blind_label(rosa: User) -> None:
    stream = streams.ready(blind_share=0.999999)
    review = reviews.claimed(stream, rosa)
    reviews.answer(review, rosa)

    label = Label.objects.get()
    assert (review.mode, label.is_honest, label.inclusion_probability) == ("blind", True, 0.999999)


def test_a_label_knows_the_model_and_policy_of_its_time(rosa: User) -> None:
    label = label_of(rosa, "intact")

    assert label.model_version == label.stream.model_versions.get()
    assert label.policy_version == label.stream.policy_versions.get()
    assert label.prediction.answer in {"intact", "damaged"}
    assert label.half == ("train" if label.case.half_coin < 0.5 else "certify")
    assert Event.objects.get(pk=label.event_id).type == "label.recorded"


class TestOutcomes:
    """The truth learnt later."""

    def test_an_outcome_labels_an_automatic_decision(self, stream: Stream) -> None:
        case = cases.decided(stream)

        label = labelling.record_outcome(case_id=case.pk, answer="damaged", by=SYSTEM)

        assert (label.source, label.answer, label.is_honest, label.inclusion_probability) == (
            "outcome",
            "damaged",
            False,
            None,
        )
        assert label.prediction.case_id == case.pk
        assert Work.objects.get(kind="embed").subject == str(case.pk)
        case.refresh_from_db()
        assert case.state == "decided"

    def test_the_same_outcome_again_changes_nothing(self, stream: Stream) -> None:
        case = cases.decided(stream)

        first, again = (labelling.record_outcome(case_id=case.pk, answer="damaged", by=SYSTEM) for _ in range(2))

        assert first == again
        assert Label.objects.count() == 1

    def test_another_truth_supersedes(self, stream: Stream, rosa: User) -> None:
        case = reviews.settled(stream, rosa, "intact")

        labelling.record_outcome(case_id=case.pk, answer="damaged", by=SYSTEM)
        labelling.record_outcome(case_id=case.pk, answer="intact", by=SYSTEM)

        chain = Label.objects.filter(case=case).order_by("sequence")
        assert [(label.source, label.answer) for label in chain] == [
            ("review", "intact"),
            ("outcome", "damaged"),
            ("outcome", "intact"),
        ]
        assert chain[2].supersedes == chain[1]
        assert Label.objects.live().get() == chain[2]

    def test_a_case_without_a_prediction_takes_an_outcome(self, bare_stream: Stream) -> None:
        case = cases.received(bare_stream)

        label = labelling.record_outcome(case_id=case.pk, answer="intact", by=SYSTEM)

        assert (label.prediction, label.model_version) == (None, None)

    def test_an_unknown_class_is_refused(self, stream: Stream) -> None:
        case = cases.decided(stream)

        with pytest.raises(Invalid, match="use intact, damaged"):
            labelling.record_outcome(case_id=case.pk, answer="lost", by=SYSTEM)

    def test_an_unknown_case_is_not_found(self, db: None) -> None:
        with pytest.raises(NotFound):
            labelling.record_outcome(case_id=uuid4(), answer="intact", by=SYSTEM)

    def test_an_erased_case_takes_no_truth(self, stream: Stream) -> None:
        case = cases.decided(stream)
        Case.objects.filter(pk=case.pk).update(state="erased")

        with pytest.raises(Conflict, match="erased"):
            labelling.record_outcome(case_id=case.pk, answer="intact", by=SYSTEM)
