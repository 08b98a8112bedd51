"""The one first exam on labelled history."""

import pytest

from reviewapp.accounts.models import User
from reviewapp.domain.errors import Conflict, Forbidden, Invalid
from reviewapp.events.models import Event
from reviewapp.gating import recomputing
from reviewapp.gating.actions import certificates, exams
from reviewapp.gating.actions.certificates import Situation
from reviewapp.gating.actions.exams import Upload
from reviewapp.gating.actions.ladders import Served
from reviewapp.gating.models import Certificate, LabelledHistory
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion
from reviewapp.registry.policies import read_body
from tests.factories import bundles, evidence, policies, streams
from tests.gating.test_certificates import HIGH, events, look, promise
from tests.people import acting


@pytest.fixture
def version(db: None) -> ModelVersion:
    return bundles.external_primary(streams.bare())


def file(right: int = 400, wrong: int = 40) -> bytes:
    clean = [f"intact,{HIGH[number % len(HIGH)]},intact" for number in range(right)]
    return "\n".join(["predicted,confidence,truth", *clean, *["intact,0.6,damaged"] * wrong]).encode()


def upload(version: ModelVersion, content: bytes | None = None, drawn: str = "random", **more: bool) -> LabelledHistory:
    given = Upload(file() if content is None else content, "july.csv", drawn, "A random tenth of July.")
    return exams.history_import(version=version, upload=given, by=SYSTEM, **more)


def test_a_history_certifies_at_the_first_look_with_half_of_the_allowed_error(version: ModelVersion) -> None:
    policy = promise(version.stream)
    history = upload(version)

    certificate = look(version, policy, scores=[])

    exam = certificate.evidence["exam"]
    assert (certificate.state, exam["threshold"]) == ("certified", certificate.threshold)
    assert 0.6 < certificate.threshold <= 0.95
    assert (exam["history"], exam["delta"]) == (str(history.pk), pytest.approx(0.025))
    assert certificate.evidence["live_delta"] == pytest.approx(0.025)
    (issued,) = events("certificate.issued")
    assert recomputing.agrees(issued, recomputing.recompute(issued, []))


def test_an_exam_of_as_many_rows_as_could_pass_without_an_error_needs_no_further_case(version: ModelVersion) -> None:
    policy = promise(version.stream, 0.08)
    assert "intact" not in exams.told(upload(version, file(right=45, wrong=0)))

    certificate = look(version, policy, scores=[])

    assert (certificate.state, certificate.evidence["exam"]["rows"]) == ("certified", 45)


def test_an_exam_of_fewer_rows_waits_for_cases(version: ModelVersion) -> None:
    policy = promise(version.stream, 0.08)
    assert "“intact” has 44 of 45 rows" in exams.told(upload(version, file(right=44, wrong=0)))

    certificate = look(version, policy, scores=[])

    assert (certificate.state, certificate.evidence["ladder"]) == ("unproven", None)


def test_how_fast_labels_come_is_told_also_where_the_exam_came_before_the_first_case(version: ModelVersion) -> None:
    policy = promise(version.stream, 0.01)
    upload(version)
    situation = Situation(read_body(policy.body), policy.number, lambda _: Served([], 0.0))
    certificates.look(version=version, situation=situation)

    assert look(version, policy).evidence["labels_per_day"] == 20.0


def test_a_history_from_before_the_guardrails_is_the_first_exam_too(version: ModelVersion) -> None:
    policies.active(version.stream, thresholds={})
    history = upload(version)
    policy = promise(version.stream, novelty_floor=0.02)

    certificate = look(version, policy, scores=[])

    assert certificate.state == "certified"
    assert certificate.evidence["exam"]["history"] == str(history.pk)


def test_a_history_picked_in_another_way_proves_nothing(version: ModelVersion) -> None:
    policy = promise(version.stream)
    history = upload(version, drawn="otherwise")

    certificate = look(version, policy)

    assert (certificate.state, certificate.evidence["exam"]) == ("unproven", None)
    assert certificate.evidence["live_delta"] == pytest.approx(0.05)
    assert exams.told(history).endswith("no proof.")


def test_an_exam_is_taken_once(version: ModelVersion) -> None:
    upload(version)

    with pytest.raises(Conflict, match="has had its exam") as refusal:
        upload(version, content=file(right=300))

    assert refusal.value.code == "exam_taken"
    assert upload(version, content=file(right=300), drawn="otherwise").num_rows == 340


def test_the_same_file_twice_is_a_conflict(version: ModelVersion) -> None:
    upload(version, drawn="otherwise")

    with pytest.raises(Conflict, match="imported for this model already"):
        upload(version, drawn="otherwise")


def test_an_exam_beside_live_labels_must_be_agreed_to_and_sets_them_aside(version: ModelVersion) -> None:
    policy = promise(version.stream)
    evidence.labels(version, right=40)
    look(version, policy)

    with pytest.raises(Conflict, match="has gathered 40 honest labels"):
        upload(version)
    assert not LabelledHistory.objects.exists()

    upload(version, begin_anew=True)
    certificate = look(version, policy, scores=[])
    assert (certificate.state, certificate.evidence["labels"]) == ("certified", 0)
    assert Certificate.objects.get(number=1).void_reason == exams.BEGUN_ANEW


def test_a_certified_class_keeps_its_certificate(version: ModelVersion) -> None:
    policy = promise(version.stream)
    evidence.labels(version, right=150, confidences=HIGH)
    before = look(version, policy)

    upload(version)

    assert look(version, policy).pk == before.pk


def test_a_class_with_few_rows_is_told_of(version: ModelVersion) -> None:
    assert "“damaged” has 0" in exams.told(upload(version))


@pytest.mark.parametrize(
    ("drawn", "declaration", "code"), [("by feel", "x", "drawn_unknown"), ("random", " ", "declaration_missing")]
)
def test_a_declaration_is_needed(version: ModelVersion, drawn: str, declaration: str, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        exams.history_import(version=version, upload=Upload(file(), "a.csv", drawn, declaration), by=SYSTEM)

    assert refusal.value.code == code


def test_a_reviewer_may_not_and_an_import_is_an_event(version: ModelVersion, rosa: User) -> None:
    with pytest.raises(Forbidden):
        exams.history_import(version=version, upload=Upload(file(), "a.csv", "random", "x"), by=acting(rosa))
    upload(version)

    assert Event.objects.filter(type="history.imported").count() == 1
