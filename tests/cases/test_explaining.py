import pytest
from django.db import ProgrammingError, transaction
from django.utils import timezone

from reviewapp.accounts.models import User
from reviewapp.cases.actions import claims, explaining, reopening, work
from reviewapp.cases.models import CaseInput, Explanation, Prediction, Work
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import bundles, cases, reviews
from tests.people import acting


def test_an_explanation_adds_up_to_what_the_model_said(stream: Stream) -> None:
    prediction = Prediction.objects.get(case=cases.scored(stream, {"dent": 4.0, "tear": 6.0}))

    assert explaining.explain_batch() == 1

    explanation = Explanation.objects.get(prediction=prediction)
    total = explanation.base_value + sum(entry["attribution"] for entry in explanation.attributions)
    assert (explanation.state, explanation.method) == ("ready", "tree_shap_interventional")
    assert explanation.answer == prediction.answer
    assert explanation.is_additive
    assert total == pytest.approx(explanation.output_value, abs=1e-4)
    assert {entry["column"]: entry["value"] for entry in explanation.attributions} == {"dent": 4.0, "tear": 6.0}
    assert abs(explanation.attributions[0]["attribution"]) >= abs(explanation.attributions[1]["attribution"])
    assert len(explanation.background) == 64
    assert not Work.objects.exists()


def test_nothing_to_explain_takes_nothing(db: None) -> None:
    assert explaining.explain_batch() == 0


def test_a_prediction_is_explained_with_the_input_it_was_made_from(stream: Stream) -> None:
    case = cases.in_review(stream)
    reopening.amend(case_id=case.pk, generation=1, features={"dent": 5.5, "tear": 4.5}, by=SYSTEM)
    cases.score_all()

    cases.explain_all()

    explained = Explanation.objects.order_by("prediction__generation")
    assert [{e["column"]: e["value"] for e in one.attributions}["dent"] for one in explained] == [5.0, 5.5]


def test_one_that_cannot_be_explained_fails_alone_and_says_so_after_its_last_try(stream: Stream) -> None:
    good, bad = cases.in_review(stream), cases.in_review(stream)
    CaseInput.objects.filter(case=bad).update(features={"dent": "deep"})

    for _ in range(work.MAX_ATTEMPTS):
        Work.objects.update(run_after=timezone.now())
        explaining.explain_batch()

    assert Explanation.objects.get(prediction__case=good).state == "ready"
    failed = Explanation.objects.get(prediction__case=bad)
    assert (failed.state, failed.method) == ("failed", explaining.UNAVAILABLE)
    assert failed.failure
    assert not Work.objects.filter(kind="explain").exists()


def test_work_of_a_prediction_that_is_gone_is_dropped(stream: Stream) -> None:
    work.add(kind="explain", subjects=["01890000-0000-7000-8000-000000000000"])

    assert explaining.explain_batch() == 1
    assert not Work.objects.exists()


def test_a_claimed_review_is_explained_first(stream: Stream, rosa: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "BATCH", 1)
    cases.in_review(stream)
    looked_at = reviews.claimed(stream, rosa)

    explaining.explain_batch()

    assert Explanation.objects.get().prediction == looked_at.prediction


def test_prefetching_hurries_the_next_review_and_claims_nothing(stream: Stream, rosa: User) -> None:
    review = reviews.waiting(stream)

    assert claims.prefetch(stream=stream, by=acting(rosa))

    review.refresh_from_db()
    assert review.claimed_by is None
    assert Work.objects.get(kind="explain").priority == work.URGENT


def test_an_empty_queue_has_nothing_to_prefetch(stream: Stream, rosa: User) -> None:
    cases.scored(stream, bundles.CLEARLY_INTACT)

    assert not claims.prefetch(stream=stream, by=acting(rosa))


def test_an_explanation_that_was_made_is_never_changed(stream: Stream) -> None:
    cases.scored(stream, {"dent": 4.0, "tear": 6.0})
    explaining.explain_batch()

    with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
        Explanation.objects.update(output_value=0.0)
    with pytest.raises(ProgrammingError, match="Cannot update or delete"), transaction.atomic():
        Explanation.objects.get().delete()


def test_the_prefetched_review_is_explained_before_older_ones(
    stream: Stream, rosa: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "BATCH", 1)
    older = [cases.in_review(stream) for _ in range(3)]
    last = Prediction.objects.get(case=older[-1])
    assert work.hurry(kind="explain", subject=str(last.pk))

    explaining.explain_batch()
    explaining.explain_batch()

    first = Prediction.objects.get(case=older[0])
    assert set(Explanation.objects.values_list("prediction", flat=True)) == {last.pk, first.pk}


def test_costly_models_are_explained_a_few_at_a_time(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a case somebody opens meanwhile is never behind a whole batch."""
    for _ in range(4):
        cases.in_review(stream)
    monkeypatch.setattr(explaining, "_pace", explaining._Pace())
    monkeypatch.setattr(explaining, "PATIENCE", 0.0)

    assert [explaining.explain_batch() for _ in range(2)] == [4, 0]

    for _ in range(2):
        cases.in_review(stream)
    assert [explaining.explain_batch() for _ in range(3)] == [1, 1, 0]
    assert Explanation.objects.count() == 6
