"""Model versions: listed, read, uploaded as a zip or as a form."""

import json
from typing import Any

import pytest

from reviewapp import inference_client
from reviewapp.api import uploads
from reviewapp.cases.actions import checking
from reviewapp.registry.models import Bundle, ModelVersion, Stream
from tests.api.calling import Caller
from tests.factories import bundles, streams
from tests.inference import exports

pytestmark = pytest.mark.django_db
BOUNDARY = "b0undary"


@pytest.fixture(autouse=True)
def _wake_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reviewapp.celery.waker.wake", lambda name: None)


def zipped(name: str = "newer", **changes: bytes) -> bytes:
    from inference import archive

    return archive.pack({**bundles.files(name), **changes})


def form(**parts: tuple[str, bytes] | str) -> bytes:
    """A multipart body; a file is its name and content."""
    whole = b""
    for name, part in parts.items():
        text = isinstance(part, str)
        more = "" if text else f'; filename="{part[0]}"'
        whole += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode()
        whole += (part.encode() if text else part[1]) + b"\r\n"
    return whole + f"--{BOUNDARY}--\r\n".encode()


def send_form(api: Caller, stream: Stream, body: bytes, **headers: str) -> Any:
    media_type = f"multipart/form-data; boundary={BOUNDARY}"
    path = f"streams/{stream.slug}/model-versions"
    return api.send("POST", path, body, media_type=media_type, headers=headers)


def send_zip(api: Caller, stream: Stream, body: bytes, query: str = "", **headers: str) -> Any:
    path = f"streams/{stream.slug}/model-versions{query}"
    return api.send("POST", path, body, media_type="application/zip", headers=headers)


def test_a_bundle_is_taken_in_and_its_check_followed(api: Caller, stream: Stream) -> None:
    taken = send_zip(api, stream, zipped(), "?name=spring")

    assert taken.status_code == 202
    assert (taken.json()["number"], taken.json()["state"], taken.json()["name"]) == (2, "checking", "spring")
    assert api.get(taken["Location"]).json()["state"] == "checking"
    checking.check_batch()
    shown = api.get(taken["Location"]).json()
    assert (shown["state"], shown["refusal"]) == ("ready", "")
    assert shown["bundle"] == inference_client.digest(bundles.files("newer"))
    assert shown["run_budget"]["batch_rows"] == 256
    assert shown["run_budget"]["peak_rss"] > 0


def test_the_same_bundle_again_is_answered_as_it_is_by_now(api: Caller, stream: Stream) -> None:
    send_zip(api, stream, zipped())
    checking.check_batch()

    again = send_zip(api, stream, zipped())

    assert (again.status_code, again.json()["state"], again.json()["number"]) == (200, "ready", 2)


def test_a_bare_model_comes_as_a_form_with_its_manifest(api: Caller) -> None:
    stream = streams.bare(classes=("setosa", "versicolor", "virginica"))
    given = exports.export("xgboost_multiclass")

    taken = send_form(
        api,
        stream,
        form(
            file=("flowers.onnx", given.graph),
            manifest=("flowers.json", json.dumps(given.manifest).encode()),
            sample=("rows.json", json.dumps(given.rows).encode()),
            name="flowers",
        ),
    )

    assert taken.status_code == 202
    checking.check_batch()
    shown = api.get(taken["Location"]).json()
    assert (shown["name"], shown["state"]) == ("flowers", "ready"), shown
    assert Bundle.objects.get().manifest["lineage"]["upload"]["producer"].startswith("OnnxMLTools")


def test_the_manifest_may_be_a_plain_field(api: Caller) -> None:
    stream = streams.bare(classes=("setosa", "versicolor", "virginica"))
    given = exports.export("xgboost_multiclass")

    taken = send_form(api, stream, form(file=("f.onnx", given.graph), manifest=json.dumps(given.manifest)))

    assert taken.status_code == 202


def test_a_refused_upload_says_why(api: Caller, stream: Stream) -> None:
    taken = send_zip(api, stream, zipped(**{"golden.parquet": b"PAR1"}))
    checking.check_batch()

    shown = api.get(taken["Location"]).json()

    assert shown["state"] == "refused"
    assert "golden.parquet" in shown["refusal"]


def test_a_model_that_does_not_fit_is_refused_with_the_difference(api: Caller) -> None:
    stream = streams.bare(classes=("intact", "lost"))

    refused = send_zip(api, stream, zipped())

    assert (refused.status_code, refused.json()["code"]) == (422, "classes_differ")
    assert [fault["code"] for fault in refused.json()["errors"]] == ["class_missing", "class_extra"]
    assert not ModelVersion.objects.exists()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (form(name="x"), "file_missing"),
        (form(file=("m.onnx", b"x")), "manifest_missing"),
        (form(file=("m.onnx", b"x"), manifest="{"), "json_unreadable"),
        (form(file=("m.onnx", b"x"), manifest='{"name": "x"}'), "manifest_invalid"),
        (form(file=("m.onnx", b"x"), manifest="{}", sample=("rows.xlsx", b"x")), "sample_unknown"),
        (form(file=("m.zip", b"x")), "zip_unreadable"),
        (form(file=("m.zip", b"x"), manifest="{}"), "parts_unclear"),
        (form(file=("m.zip", b"x"), files="x"), "malformed"),
        (b"--other", "file_missing"),
    ],
)
def test_a_form_that_makes_no_upload_is_refused(api: Caller, bare_stream: Stream, body: bytes, code: str) -> None:
    refused = send_form(api, bare_stream, body)

    assert refused.status_code in {400, 422}
    assert refused.json()["code"] == code
    assert not Bundle.objects.exists()


def test_other_media_types_are_not_read(api: Caller, bare_stream: Stream) -> None:
    refused = api.send("POST", f"streams/{bare_stream.slug}/model-versions", b"name=m", media_type="text/plain")

    assert refused.status_code == 415


def test_a_body_over_the_limit_is_refused_before_it_is_read(
    api: Caller, bare_stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", 1000)
    monkeypatch.setattr(uploads.UploadFormParser, "max_bytes", 1000)
    monkeypatch.setattr(uploads, "FORM_OVERHEAD", 0)

    assert send_zip(api, bare_stream, bytes(2000)).status_code == 413
    assert send_form(api, bare_stream, form(file=("m.zip", bytes(2000)))).status_code == 413


def test_a_name_that_cannot_be_stored_is_refused(api: Caller, bare_stream: Stream) -> None:
    answers = [
        send_form(api, bare_stream, form(file=("m.zip", b"x"), name="a\x00b")),
        api.send("POST", f"streams/{bare_stream.slug}/model-versions?name=a%00b", b"x", media_type="application/zip"),
    ]

    assert [(one.status_code, one.json()["code"]) for one in answers] == [(400, "nul_character")] * 2


def test_an_upload_sent_twice_under_one_key_is_one(api: Caller, stream: Stream) -> None:
    first = send_zip(api, stream, zipped(), Idempotency_Key="a")
    checking.check_batch()

    again = send_zip(api, stream, zipped(), Idempotency_Key="a")

    assert (again.status_code, again.json()) == (202, first.json())
    assert again["Location"] == first["Location"]
    assert send_zip(api, stream, zipped("other"), Idempotency_Key="a").json()["code"] == "idempotency_key_reused"


def test_versions_are_listed_newest_first(api: Caller, stream: Stream) -> None:
    bundles.version(stream, "second")

    listed = api.get(f"streams/{stream.slug}/model-versions?limit=1").json()

    assert [one["number"] for one in listed["items"]] == [2]
    more = api.get(f"streams/{stream.slug}/model-versions?limit=1&cursor={listed['next']}").json()
    assert [one["number"] for one in more["items"]] == [1]


def test_what_is_not_there_or_not_ours_is_not_found(api: Caller, foreign_api: Caller, stream: Stream) -> None:
    path = f"streams/{stream.slug}/model-versions"

    assert api.get(f"{path}/99").json()["code"] == "model_version_unknown"
    assert api.get(f"{path}/{10**20}").status_code == 404
    assert foreign_api.get(path).status_code == 404
    assert send_zip(foreign_api, stream, zipped()).status_code == 404


def test_a_key_needs_the_scope(new_key: Any, stream: Stream) -> None:
    reader = Caller(key=new_key("streams:read"))

    assert reader.get(f"streams/{stream.slug}/model-versions").status_code == 200
    assert send_zip(reader, stream, zipped()).status_code == 403


def test_a_model_that_upstream_runs_is_named_and_its_scores_are_gated(api: Caller, bare_stream: Stream) -> None:
    stream = bare_stream
    path = f"streams/{stream.slug}/model-versions"
    named = api.post(path, {"name": "upstream-7"})

    assert named.status_code == 200
    assert (named.json()["kind"], named.json()["state"], named.json()["bundle"]) == ("external", "ready", None)
    assert api.post(path, {"name": "upstream-7"}).json() == named.json()
    step = {"step": "promote", "model_version": named.json()["number"], "reason": "Upstream scores."}
    assert api.post(f"streams/{stream.slug}/rollouts", step).status_code == 201
    scores = dict(
        zip(stream.classes, (0.9, *[0.1 / (len(stream.classes) - 1)] * (len(stream.classes) - 1)), strict=True)
    )
    case = {"external_id": "e-1", "features": {}, "prediction": {"model": "upstream-7", "probabilities": scores}}
    sent = api.post(f"streams/{stream.slug}/cases", case)
    assert sent.status_code == 202, sent.json()
    prediction = api.get(sent["Location"]).json()["prediction"]
    assert prediction["confidence"] == pytest.approx(0.9)


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "a\tb"}, {"name": "m" * 121}, {"name": "m", "kind": "x"}])
def test_a_nameless_model_is_refused(api: Caller, stream: Stream, body: dict[str, str]) -> None:
    before = stream.model_versions.count()

    refused = api.post(f"streams/{stream.slug}/model-versions", body)

    assert refused.status_code == 422
    assert stream.model_versions.count() == before
