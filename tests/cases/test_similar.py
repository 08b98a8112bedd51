import pytest
from django.utils import timezone

from reviewapp.accounts.models import User
from reviewapp.cases.actions import embedding, labelling, reopening, verdicts, work
from reviewapp.cases.models import Case, CaseInput, Embedding, Prediction, Work
from reviewapp.cases.similar import similar_cases
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import bundles, cases, reviews, streams
from tests.people import acting


def settled(stream: Stream, user: User, dent: float, answer: str = "intact") -> Case:
    return reviews.settled(stream, user, answer, case=cases.scored(stream, {"dent": dent, "tear": 10.0 - dent}))


def found(case: Case) -> list[str]:
    prediction = Prediction.objects.select_related("model_version").filter(case=case).order_by("-generation").first()
    return [one.external_id for one in similar_cases(case, prediction)]


@pytest.fixture
def cautious(db: None) -> Stream:
    """A stream in which people see every case."""
    return streams.ready(policy={"threshold": 1.0})


@pytest.fixture
def case(cautious: Stream) -> Case:
    return cases.scored(cautious, {"dent": 5.0, "tear": 5.0})


def test_the_nearest_settled_cases_come_nearest_first(cautious: Stream, case: Case, rosa: User) -> None:
    dents = [5.5, 6.5, 7.5, 8.5, 9.5, 10.0]
    ids = [settled(cautious, rosa, dent).external_id for dent in dents]

    assert found(case) == ids[:5]


def test_a_similar_case_says_what_people_answered(cautious: Stream, case: Case, rosa: User) -> None:
    other = settled(cautious, rosa, 6.0, "damaged")

    (one,) = similar_cases(case, Prediction.objects.get(case=case))

    assert (one.case_id, one.answer, one.source, one.is_honest) == (other.pk, "damaged", "review", False)
    assert one.features == {"dent": 6.0, "tear": 4.0}
    assert one.distance > 0


def test_fewer_than_five_are_just_fewer(cautious: Stream, case: Case, rosa: User) -> None:
    settled(cautious, rosa, 6.0)

    assert len(found(case)) == 1


def test_a_case_is_not_similar_to_itself(cautious: Stream, rosa: User) -> None:
    assert found(settled(cautious, rosa, 6.0)) == []


def test_open_and_automatic_cases_are_no_precedents(rosa: User) -> None:
    stream = streams.ready()
    case = cases.in_review(stream)
    cases.in_review(stream)
    cases.decided(stream)

    assert found(case) == []


def test_cases_of_other_streams_are_never_shown(cautious: Stream, case: Case, rosa: User) -> None:
    settled(streams.ready(policy={"threshold": 1.0}), rosa, 5.0)

    assert found(case) == []


def test_a_precedent_that_was_taken_back_is_gone(cautious: Stream, case: Case, rosa: User) -> None:
    other = settled(cautious, rosa, 6.0)
    assert found(case) == [other.external_id]

    verdicts.undo(review_id=other.reviews.get().pk, by=acting(rosa))

    assert found(case) == []


def test_a_label_of_an_earlier_input_is_no_precedent_for_the_later_one(
    cautious: Stream, case: Case, rosa: User
) -> None:
    other = settled(cautious, rosa, 6.0)
    reopening.amend(case_id=other.pk, generation=1, features={"dent": 5.0, "tear": 5.0}, by=SYSTEM)
    cases.score_all()
    Case.objects.filter(pk=other.pk).update(state="decided")

    assert found(case) == []


def test_at_like_distance_the_answer_given_unseen_comes_first(rosa: User, ravi: User) -> None:
    stream = streams.ready(policy={"threshold": 1.0})
    case = cases.scored(stream, {"dent": 5.0, "tear": 5.0})
    seen = settled(stream, rosa, 5.02)
    Stream.objects.filter(pk=stream.pk).update(blind_share=1.0)
    unseen = settled(stream, ravi, 5.04)

    assert found(case) == [unseen.external_id, seen.external_id]


def test_a_case_scored_upstream_has_no_similar_cases(db: None) -> None:
    stream = streams.upstream_scored()
    case = cases.received(stream, {}, prediction=cases.external_prediction(intact=0.5, damaged=0.5))

    assert found(case) == []
    assert similar_cases(case, None) == []


class TestVectorsOfSettledCases:
    """An outcome makes a precedent of a case that nobody looked at."""

    def test_an_outcome_asks_for_the_vector_and_the_batch_writes_it(self, stream: Stream) -> None:
        case, other = cases.in_review(stream), cases.decided(stream)
        labelling.record_outcome(case_id=other.pk, answer="damaged", by=SYSTEM)
        assert found(case) == []

        assert embedding.embed_batch() == 1

        assert found(case) == [other.external_id]
        assert not Work.objects.filter(kind="embed").exists()

    def test_a_case_without_a_serving_bundle_gets_none(self, bare_stream: Stream) -> None:
        case = cases.received(bare_stream)
        work.add(kind="embed", subjects=[str(case.pk)])

        assert embedding.embed_batch() == 1

        assert not Embedding.objects.exists()
        assert not Work.objects.filter(kind="embed").exists()

    def test_an_unreadable_case_does_not_keep_others_from_their_vectors(self, stream: Stream) -> None:
        good, bad = cases.decided(stream), cases.decided(stream)
        CaseInput.objects.filter(case=bad).update(features={"dent": "deep"})
        work.add(kind="embed", subjects=[str(bad.pk), str(good.pk)])

        for _ in range(work.MAX_ATTEMPTS):
            Work.objects.update(run_after=timezone.now())
            embedding.embed_batch()

        assert [one.case for one in Embedding.objects.all()] == [good]
        assert not Work.objects.filter(kind="embed").exists()

    def test_the_same_vector_twice_is_one(self, stream: Stream) -> None:
        case = cases.in_review(stream)
        work.add(kind="embed", subjects=[str(case.pk)])

        embedding.embed_batch()

        assert Embedding.objects.filter(case=case).count() == 1
        assert Embedding.objects.get().space == bundles.primary(stream).bundle_id
