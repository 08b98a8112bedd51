"""The ladder: a version that fails is rested, and what it would have scored goes on to another or to people."""

from datetime import timedelta

import pytest
from django.utils import timezone

from reviewapp import inference_client
from reviewapp.cases import loading
from reviewapp.cases.actions import fallback, scoring
from reviewapp.cases.models import Case, CaseInput, Prediction, Work
from reviewapp.events.models import Event
from reviewapp.gating.actions import circuits
from reviewapp.gating.models import Circuit
from reviewapp.registry.actions import rollouts, versions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import BundleChunk, Stream
from tests.cases.failing import fail_until_rested
from tests.factories import bundles, cases, policies, remote, streams
from tests.factories.remote import OipServer

CUDA = "CUDAExecutionProvider"


@pytest.fixture
def remote_stream(db: None, server: OipServer) -> Stream:
    """A stream that decides by a model on the server."""
    stream = streams.bare()
    versions.roll_out(primary=remote.version(stream, server), by=SYSTEM)
    stream.refresh_from_db()
    policies.active(stream)
    return stream


def make_probe_due() -> None:
    Circuit.objects.update(probe_at=timezone.now() - timedelta(seconds=1))


def test_a_remote_model_scores_and_decides(remote_stream: Stream) -> None:
    case = cases.decided(remote_stream)

    assert Prediction.objects.get(case=case).provider == "remote"
    assert not Circuit.objects.exists()


def test_a_failure_is_tried_again_and_costs_the_case_no_try(remote_stream: Stream, server: OipServer) -> None:
    case = cases.received(remote_stream, bundles.CLEARLY_INTACT)
    server.mood = "broken"

    scoring.score_batch()

    waiting = Work.objects.get(kind="score")
    assert (waiting.subject, waiting.attempts, waiting.lease_token) == (str(case.pk), 0, None)
    assert "answered 500" in waiting.last_error
    assert waiting.run_after > timezone.now()
    circuit = Circuit.objects.get(kind="model_version")
    assert (circuit.failures, circuit.runs, circuit.opened_at) == (1, 1, None)
    assert "answered 500" in circuit.detail


def test_what_recovers_in_time_is_decided_as_ever(remote_stream: Stream, server: OipServer) -> None:
    case = cases.received(remote_stream, bundles.CLEARLY_INTACT)
    server.mood = "broken"
    scoring.score_batch()
    server.mood = "well"
    Work.objects.update(run_after=timezone.now() - timedelta(seconds=1))

    scoring.score_batch()

    case.refresh_from_db()
    assert case.state == "decided"
    assert Circuit.objects.values_list("failures", "runs").get() == (1, 2)


def test_without_another_version_people_get_the_case(remote_stream: Stream, server: OipServer) -> None:
    server.mood = "broken"

    case = fail_until_rested(remote_stream)

    review = case.reviews.get()
    assert case.state == "in_review"
    assert review.prediction is None
    assert [reason["code"] for reason in review.reasons] == ["model_unavailable"]
    assert Circuit.objects.get().opened_at is not None
    event = Event.objects.get(type="circuit.opened")
    assert event.stream_id == str(remote_stream.pk)


def test_a_resting_version_is_not_asked(remote_stream: Stream, server: OipServer) -> None:
    server.mood = "broken"
    fail_until_rested(remote_stream)
    asked = len(server.requests)

    case = cases.scored(remote_stream)

    assert case.state == "in_review"
    assert len(server.requests) == asked


def test_the_version_before_informs_people_and_never_acts(remote_stream: Stream, server: OipServer) -> None:
    local = bundles.version(remote_stream, "parcels-before")
    rollouts.promote(version=local, by=SYSTEM)
    rollouts.promote(version=remote_stream.model_versions.get(number=1), by=SYSTEM)
    server.mood = "broken"

    case = fail_until_rested(remote_stream)

    review = case.reviews.get()
    prediction = Prediction.objects.get(case=case)
    assert case.state == "in_review"
    assert (prediction.role, prediction.model_version, prediction.route) == ("fallback", local, "review")
    assert (prediction.answer, review.prediction) == ("intact", prediction)
    assert prediction.confidence >= 0.9, "sure enough to act, were it the present version"
    assert [reason["code"] for reason in review.reasons] == ["model_unavailable"]
    assert "another version answered" in review.reasons[0]["sentence"]


def test_a_probe_that_goes_well_closes_the_circuit(remote_stream: Stream, server: OipServer) -> None:
    server.mood = "broken"
    fail_until_rested(remote_stream)
    server.mood = "well"
    make_probe_due()

    case = cases.scored(remote_stream, bundles.CLEARLY_INTACT)

    assert case.state == "decided"
    assert not Circuit.objects.exists()
    assert Event.objects.filter(type="circuit.closed").exists()


def test_a_probe_asks_one_row_and_leaves_none_for_half_a_minute(remote_stream: Stream, server: OipServer) -> None:
    server.mood = "broken"
    fail_until_rested(remote_stream)
    # A version that failed is loaded anew, golden rows first; let it get past them.
    server.mood = "well"
    loading.loaded(remote_stream.model_versions.get().bundle)
    server.mood, asked = "broken", len(server.requests)
    make_probe_due()
    for _ in range(3):
        cases.received(remote_stream)

    cases.score_all()

    shapes = [request["inputs"][0]["shape"] for request in server.requests[asked:]]
    assert shapes == [[1, 2], [1, 2]], "one row of the three, then a golden one to see whose fault it was"
    assert Circuit.objects.get().probe_at > timezone.now() + timedelta(seconds=20)
    assert Event.objects.filter(type="circuit.opened").count() == 1


def test_a_failing_canary_leaves_its_cases_to_the_primary(stream: Stream, server: OipServer) -> None:
    canary = remote.version(stream, server, "parcels-canary")
    rollouts.start_canary(version=canary, share=1.0, by=SYSTEM)
    server.mood = "broken"

    case = cases.scored(stream, bundles.CLEARLY_INTACT)

    prediction = Prediction.objects.get(case=case)
    assert case.state == "decided"
    assert (prediction.role, prediction.model_version.number) == ("primary", 1)
    assert Circuit.objects.get().subject == canary.pk


def test_a_poisoned_row_is_not_held_against_the_model(stream: Stream) -> None:
    good = [cases.received(stream, bundles.CLEARLY_INTACT) for _ in range(3)]
    poisoned = cases.received(stream)
    CaseInput.objects.filter(case=poisoned).update(features={"dent": {"not": "a number"}, "tear": 1.0})

    scoring.score_batch()

    assert Case.objects.filter(pk__in=[case.pk for case in good], state="decided").count() == 3
    assert not Circuit.objects.exists()


def test_rows_that_the_server_refuses_are_not_held_against_it(
    remote_stream: Stream, server: OipServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases.decided(remote_stream)
    case = cases.received(remote_stream, bundles.CLEARLY_INTACT)
    answer, golden = server.answer, iter([False])

    def refuse_the_first(request: dict[str, object]) -> dict[str, object]:
        if next(golden, True):
            return answer(request)
        said = answer(request)
        said["outputs"][0]["shape"] = [99, 2]
        return said

    monkeypatch.setattr(server, "answer", refuse_the_first)

    scoring.score_batch()

    assert not Circuit.objects.exists()
    assert Work.objects.get(kind="score", subject=str(case.pk)).attempts == 1


def test_a_batch_that_ran_out_of_time_is_tried_row_by_row(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        cases.received(stream, bundles.CLEARLY_INTACT)
    monkeypatch.setattr(fallback.Deadline.__init__, "__defaults__", (0.0,))

    scoring.score_batch()

    assert list(Work.objects.filter(kind="score").values_list("attempts", flat=True)) == [1, 1]
    assert not Circuit.objects.exists()


def test_a_gpu_that_does_not_take_the_model_leaves_it_to_the_cpu(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference_client, "accelerator", lambda: CUDA)

    case = cases.scored(stream, bundles.CLEARLY_INTACT)

    version = stream.model_versions.get()
    assert case.state == "decided"
    assert Prediction.objects.get(case=case).provider == "CPUExecutionProvider"
    assert Circuit.objects.values_list("kind", "subject", "failures").get() == ("accelerator", version.pk, 1)


def test_a_gpu_that_keeps_failing_rests_and_is_not_asked(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_client, "accelerator", lambda: CUDA)
    for _ in range(circuits.FAILURES):
        cases.scored(stream, bundles.CLEARLY_INTACT)
    assert Circuit.objects.get(kind="accelerator").opened_at is not None

    case = cases.scored(stream, bundles.CLEARLY_INTACT)

    assert case.state == "decided"
    assert Circuit.objects.get(kind="accelerator").failures == circuits.FAILURES
    assert not Circuit.objects.filter(kind="model_version").exists()


def test_a_damaged_copy_rests_after_a_few_tries(db: None) -> None:
    stream = streams.bare()
    version = bundles.primary(stream, "parcels-damaged-for-good")
    policies.active(stream)
    chunk = BundleChunk.objects.get(bundle=version.bundle, file="model.onnx")
    BundleChunk.objects.filter(pk=chunk.pk).update(data=bytes(chunk.data)[:-1] + b"\x00")

    case = fail_until_rested(stream)

    assert case.state == "in_review"
    assert "BundleRefused" in Circuit.objects.get(subject=version.pk).detail
