"""Certificates, parity, breakers and labelled histories over REST."""

from typing import Any

import msgspec
import pytest
from django.test import Client

from reviewapp.accounts.models import User
from reviewapp.events.models import Event
from reviewapp.gating.actions import breakers
from reviewapp.gating.models import Certificate, LabelledHistory
from reviewapp.registry.models import ModelVersion, Stream
from tests.api.calling import Caller
from tests.api.test_model_versions import BOUNDARY, form
from tests.factories import bundles, cases, evidence, policies, streams
from tests.gating.test_certificates import look, promise

pytestmark = pytest.mark.django_db
CSV = "predicted,confidence,truth\nintact,0.9,intact\ndamaged,0.8,intact\n"


@pytest.fixture
def version(db: None) -> ModelVersion:
    return bundles.external_primary(streams.bare())


def open_breaker(version: ModelVersion) -> None:
    promises = {"intact": {"target_error": 0.05, "confidence": 0.95}}
    policies.active(version.stream, thresholds={"intact": 0.9}, audit_rates={}, promises=promises)
    breakers.watch_all()
    evidence.labels(version, wrong=8, is_automatic=True)
    breakers.watch_all()


def send(api: Caller, version: ModelVersion, body: bytes, number: int = 1, **headers: str) -> Any:
    path = f"streams/{version.stream.slug}/model-versions/{number}/history"
    return api.send("POST", path, body, media_type=f"multipart/form-data; boundary={BOUNDARY}", headers=headers)


def history(**parts: Any) -> bytes:
    given = {"file": ("july.csv", CSV.encode()), "drawn": "random", "declaration": "A tenth of July.", **parts}
    return form(**{name: part for name, part in given.items() if part is not None})


def test_certificates_in_force_are_told_with_their_evidence(api: Caller, version: ModelVersion) -> None:
    policy = promise(version.stream)
    look(version, policy, scores=[])
    evidence.labels(version, right=150, confidences=[0.97])
    look(version, policy)
    path = f"streams/{version.stream.slug}/certificates"

    (one,) = api.get(path).json()["items"]

    assert (one["scope"], one["state"], one["model_version"], one["wrong"]) == ("intact", "certified", 1, 0)
    assert one["promise"] == "At most 5% of the automatic decisions wrong, with 95% confidence."
    assert one["meaning"] == "95% of certificates like this one are right."
    assert len(one["rungs"]) == 32
    assert {row["number"] for row in api.get(f"{path}?all=true").json()["items"]} == {1, 2}
    assert api.get(f"{path}?all=maybe").json()["code"] == "query_invalid"


def test_a_history_is_taken_as_the_first_exam(api: Caller, version: ModelVersion) -> None:
    answer = send(api, version, history(), Idempotency_Key="once")

    assert answer.status_code == 201
    assert (answer.json()["rows"], answer.json()["is_proof"]) == (2, True)
    assert send(api, version, history(), Idempotency_Key="once").json() == answer.json()
    assert LabelledHistory.objects.count() == 1
    assert send(api, version, history()).json()["code"] == "exam_taken"


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ({"file": None}, 422, "file_missing"),
        ({"drawn": None}, 422, "drawn_unknown"),
        ({"declaration": None}, 422, "declaration_missing"),
        ({"file": ("a.csv", b"truth\nintact\n")}, 422, "column_missing"),
        ({"file": ("a.csv", CSV.replace("0.9", "9").encode())}, 422, "rows_invalid"),
        ({"secret": "x"}, 400, "malformed"),
        ({"declaration": "A tenth\x00 of July."}, 400, "nul_character"),
        ({"drawn": "random\x00"}, 400, "nul_character"),
    ],
)
def test_a_faulty_history_is_refused_in_words(
    api: Caller, version: ModelVersion, parts: dict[str, Any], status: int, code: str
) -> None:
    answer = send(api, version, history(**parts))

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not LabelledHistory.objects.exists()


def test_columns_of_a_history_can_be_named_and_its_version_must_be_known(api: Caller, version: ModelVersion) -> None:
    named = ("a.csv", CSV.replace("truth", "label").encode())

    assert send(api, version, history(file=named, truth="label")).status_code == 201
    assert send(api, version, history(), number=7).json()["code"] == "model_version_unknown"


def test_breakers_are_told_and_armed_again_by_a_second_person(
    api: Caller, version: ModelVersion, policy_owner: User
) -> None:
    open_breaker(version)
    path = f"streams/{version.stream.slug}/breakers"
    (told,) = api.get(path).json()["items"]
    assert (told["state"], told["segment"], told["wrong"] <= 8) == ("open", "", True)

    refused = api.post(f"{path}/intact/rearm", {"step": "ask", "reason": "Repaired."})
    evidence.labels(version, right=200)
    asked = api.post(f"{path}/intact/rearm", {"step": "ask", "reason": "Repaired."})
    by_key = api.post(f"{path}/intact/rearm", {"step": "confirm"})
    browser = Client()
    browser.force_login(policy_owner)
    confirmed = Caller(client=browser).post(f"{path}/intact/rearm", {"step": "confirm"})

    assert (refused.status_code, refused.json()["code"]) == (409, "evidence_missing")
    assert asked.json()["rearm_reason"] == "Repaired."
    assert (by_key.status_code, by_key.json()["code"]) == (403, "person_required")
    assert (confirmed.status_code, confirmed.json()["state"]) == (200, "closed")
    assert api.post(f"{path}/damaged/rearm", {"step": "ask"}).json()["code"] == "breaker_unknown"


def test_an_open_breakers_class_is_sent_to_review(api: Caller, stream: Stream) -> None:
    cases.decided(stream)
    open_breaker(stream.model_versions.get())
    path = f"streams/{stream.slug}/breakers/intact/recall"

    begun = api.post(path, {"reason": "It misses tears."})

    assert (begun.status_code, len(begun.json()["items"])) == (202, 1)
    assert api.post(path, {"reason": "Again."}).json()["code"] == "recall_under_way"


def test_parity_is_told_by_class_and_segment(api: Caller, version: ModelVersion) -> None:
    assert api.get(f"streams/{version.stream.slug}/parity").json()["code"] == "policy_missing"
    policies.active(version.stream, thresholds={"intact": 0.9}, wrong_per_thousand=5.0, segment=None)
    evidence.labels(version, right=90, wrong=10, is_automatic=True)

    found = api.get(f"streams/{version.stream.slug}/parity").json()

    assert [(row["class"], row["audits"], row["wrong"]) for row in found["groups"]] == [("intact", 100, 10)]
    assert (found["per_thousand"]["promised"], found["per_thousand"]["keeping"]) == (5.0, "broken")


def test_a_decision_says_upstream_what_stands_behind_its_threshold(stream: Stream, api: Caller) -> None:
    version = stream.model_versions.get()
    cases.decided(stream)
    policies.active(
        stream,
        thresholds={},
        audit_rates={},
        promises={"intact": {"target_error": 0.05, "confidence": 0.95}},
    )
    certificate = Certificate.objects.create(
        stream=stream,
        model_version=version,
        scope="intact",
        number=1,
        state="certified",
        target_error=0.05,
        confidence=0.95,
        threshold=0.9,
    )
    case = cases.decided(stream)

    first, second = (
        msgspec.json.decode(bytes(event.payload))["decision"]
        for event in Event.objects.filter(type="decision.made").order_by("created_at", "id")
    )

    assert first["certificate"] == {"state": "uncertified", "id": None}
    assert second["certificate"] == {"state": "certified", "id": str(certificate.pk)}
    told = api.get(f"cases/{case.pk}").json()["prediction"]
    assert (told["certificate_state"], told["certificate"]) == ("certified", str(certificate.pk))
