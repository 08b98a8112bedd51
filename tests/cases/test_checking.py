"""Uploads on their way through the upload gate: received, checked in a child process, ready or refused."""

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db.models import F

from reviewapp import inference_client
from reviewapp.cases.actions import checking, work
from reviewapp.cases.models import Work
from reviewapp.domain.errors import Conflict, Forbidden, Invalid
from reviewapp.events.models import Event
from reviewapp.registry.actions import bundles as actions
from reviewapp.registry.actions import streams as stream_actions
from reviewapp.registry.actions import versions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Bundle, BundleChunk, ModelVersion, Stream
from tests.factories import bundles, streams
from tests.inference import exports
from tests.people import acting

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _wake_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reviewapp.celery.waker.wake", lambda name: None)


def flower_stream(**changes: Any) -> Stream:
    return streams.bare(classes=("setosa", "versicolor", "virginica"), **changes)


def settled(version: ModelVersion) -> ModelVersion:
    while checking.check_batch():
        pass
    return ModelVersion.objects.select_related("bundle").get(pk=version.pk)


def upload(stream: Stream, files: dict[str, bytes], **options: Any) -> ModelVersion:
    return checking.upload(stream=stream, files=files, by=SYSTEM, **options)


def test_an_uploaded_bundle_is_checked_and_then_ready(bare_stream: Stream) -> None:
    version = upload(bare_stream, bundles.files("newer"))

    assert (version.number, version.bundle.state) == (1, "checking")
    assert Work.objects.get().subject == version.bundle_id
    assert not bare_stream.revisions.exists()

    version = settled(version)

    assert (version.bundle.state, version.bundle.refusal) == ("ready", "")
    assert version.bundle.digest == inference_client.digest(bundles.files("newer"))
    assert version.bundle.run_budget["peak_rss"] > 20_000_000
    assert version.bundle.run_budget["isolation"]
    assert versions.files_of(version.bundle) == bundles.files("newer")
    assert bare_stream.revisions.get().kind == "contract"
    assert not Work.objects.exists()
    types = Event.objects.filter(stream_id=str(bare_stream.pk)).order_by("id").values_list("type", flat=True)
    assert [one for one in types if one.startswith("model_version")] == [
        "model_version.uploaded",
        "model_version.registered",
    ]


def test_what_is_being_checked_cannot_serve_and_the_running_model_goes_on(stream: Stream) -> None:
    serving = versions.primary_of(stream)
    version = upload(stream, bundles.files("newer"))

    with pytest.raises(Conflict, match="cannot serve"):
        versions.roll_out(primary=version, by=SYSTEM)

    assert versions.primary_of(stream) == serving


def test_a_bundle_that_the_gate_refuses_says_why_and_its_files_go(stream: Stream) -> None:
    serving = versions.primary_of(stream)
    files = bundles.files("newer")
    golden = bundles.files("other")["golden.parquet"]
    version = upload(stream, {**files, "golden.parquet": golden[: len(golden) // 2]})

    version = settled(version)

    assert version.bundle.state == "refused"
    assert "golden.parquet" in version.bundle.refusal
    assert not version.bundle.chunks.exists()
    refused = Event.objects.get(type="model_version.refused")
    assert json.loads(bytes(refused.payload))["code"] == "parquet_unreadable"
    assert versions.primary_of(stream) == serving


def test_what_was_refused_can_be_uploaded_again_and_is_checked_anew(stream: Stream) -> None:
    files = {**bundles.files("newer"), "golden.parquet": b""}
    first = settled(upload(stream, files))

    again = upload(stream, files)

    assert (again.pk, again.bundle.state) == (first.pk, "checking")
    assert versions.files_of(again.bundle) == files
    assert settled(again).bundle.state == "refused"


def test_the_same_upload_again_is_the_version_it_already_is(stream: Stream) -> None:
    first = settled(upload(stream, bundles.files("newer")))

    again = upload(stream, bundles.files("newer"))

    assert (again.pk, again.bundle.state) == (first.pk, "ready")
    assert not Work.objects.filter(kind="check_bundle").exists()


def test_a_bundle_that_is_ready_elsewhere_is_ready_here_at_once(stream: Stream, bare_stream: Stream) -> None:
    version = upload(bare_stream, bundles.files())

    assert version.bundle.state == "ready"
    assert bare_stream.revisions.get().kind == "contract"


def test_a_bare_model_becomes_a_bundle_with_the_classes_in_the_streams_order() -> None:
    stream, given = flower_stream(), exports.export("sklearn_boosting_zipmap")
    version = upload(stream, given.files())
    received = version.bundle_id

    version = settled(version)

    assert version.bundle.state == "ready", version.bundle.refusal
    assert version.bundle.manifest["classes"] == ["setosa", "versicolor", "virginica"]
    assert not Bundle.objects.filter(pk=received).exists()
    assert set(BundleChunk.objects.values_list("file", flat=True)) == set(versions.files_of(version.bundle))
    model = inference_client.load(versions.files_of(version.bundle), expected_digest=version.bundle.digest)
    assert model.manifest.column_names == ("sepal_length", "sepal_width", "petal_length", "petal_width")


def test_one_bare_model_in_two_streams_follows_the_order_of_each() -> None:
    there, given = flower_stream(), exports.export("sklearn_boosting_zipmap")
    here = streams.bare(classes=("virginica", "versicolor", "setosa"))
    made = [upload(stream, given.files()) for stream in (there, here)]

    found = [settled(one).bundle.manifest["classes"] for one in made]

    assert found == [there.classes, here.classes]


def test_a_bundle_that_serves_elsewhere_comes_in_the_order_of_the_stream(stream: Stream) -> None:
    here = streams.bare(classes=("damaged", "intact"))

    version = settled(upload(here, bundles.files()))

    assert version.bundle.state == "ready", version.bundle.refusal
    assert version.bundle.manifest["classes"] == ["damaged", "intact"]
    elsewhere = versions.primary_of(stream)
    assert elsewhere is not None
    assert version.bundle.manifest["lineage"]["reordered"]["bundle"] == elsewhere.bundle_id
    model = inference_client.load(versions.files_of(version.bundle), expected_digest=version.bundle.digest)
    found = inference_client.predict(model, [bundles.CLEARLY_DAMAGED])
    assert found.probabilities[0, 0] > 0.9


@pytest.mark.parametrize("name", ["torch_logits", "xgboost_binary"])
def test_a_bare_model_declares_its_classes_in_whatever_order(name: str) -> None:
    given = exports.export(name)
    stream = streams.bare(classes=tuple(reversed(given.manifest["classes"])))

    version = actions.register(stream=stream, files=given.files(), by=SYSTEM)

    assert version.bundle is not None
    assert version.bundle.manifest["classes"] == stream.classes
    model = inference_client.load(versions.files_of(version.bundle))
    found = inference_client.predict(model, given.rows).probabilities
    assert abs(found[:, ::-1] - np.array(given.probabilities)).max() < 1e-6


def test_a_bare_model_that_is_here_already_is_refused_as_that() -> None:
    stream, given = flower_stream(), exports.export("lightgbm_multiclass")
    first = settled(upload(stream, given.files()))

    again = settled(upload(stream, given.files()))

    assert first.bundle.state == "ready"
    assert again.bundle.refusal == f"This is model {first.number} already."


def test_an_mlflow_folder_takes_its_classes_from_the_stream() -> None:
    stream = flower_stream()
    files = inference_client.read_upload(exports.MLFLOW)

    version = settled(upload(stream, files, name="flowers of the risk team"))

    assert version.bundle.state == "ready", version.bundle.refusal
    assert (version.name, version.bundle.manifest["classes"]) == ("flowers of the risk team", stream.classes)


def test_what_does_not_fit_is_refused_at_once_with_every_difference(stream: Stream) -> None:
    contract = stream_actions.revision_in_force(stream, "contract").body
    properties = {**contract["properties"], "tear": {"type": "string"}, "weight": {"type": "number"}}
    del properties["dent"]
    body = {**contract, "properties": properties, "required": ["tear", "weight"]}
    stream_actions.revise(stream=stream, kind="contract", body=body, by=SYSTEM)
    files = bundles.files("newer")
    manifest = {**json.loads(files["bundle.json"]), "classes": ["intact", "lost"]}

    with pytest.raises(Invalid) as refusal:
        upload(stream, {**files, "bundle.json": json.dumps(manifest).encode()})

    codes = {(fault.get("column", ""), fault["code"]) for fault in refusal.value.details["errors"]}
    assert codes == {
        ("", "class_missing"),
        ("", "class_extra"),
        ("dent", "column_extra"),
        ("tear", "column_type"),
        ("weight", "column_missing"),
    }
    assert "“tear” is number in the model and string in the contract" in str(refusal.value)
    assert ModelVersion.objects.filter(stream=stream).count() == 1
    assert Bundle.objects.count() == 1


def test_a_contract_put_in_force_meanwhile_is_held_to(bare_stream: Stream) -> None:
    version = upload(bare_stream, bundles.files("newer"))
    body = {"type": "object", "properties": {"dent": {"type": "number"}}, "required": ["dent"]}
    stream_actions.revise(stream=bare_stream, kind="contract", body=body, by=SYSTEM)

    version = settled(version)

    assert version.bundle.state == "refused"
    assert "The contract does not have the model's column “tear”" in version.bundle.refusal


@pytest.mark.parametrize(
    ("promised", "fits"),
    [
        ({"type": "number"}, True),
        ({"type": "integer"}, True),
        ({"minimum": 3}, True),
        (True, True),
        ({"type": ["number", "null"]}, False),
        ({"type": "boolean"}, False),
    ],
)
def test_a_columns_type_fits_where_every_value_of_the_contract_can_be_fed(
    bare_stream: Stream, promised: Any, fits: bool
) -> None:
    body = {
        "type": "object",
        "properties": {"dent": promised, "tear": {"type": "number"}},
        "required": ["dent", "tear"],
    }
    stream_actions.revise(stream=bare_stream, kind="contract", body=body, by=SYSTEM)

    if fits:
        assert upload(bare_stream, bundles.files("newer")).bundle.state == "checking"
    else:
        with pytest.raises(Invalid):
            upload(bare_stream, bundles.files("newer"))


def test_a_worker_that_died_leaves_the_check_to_the_next_and_at_last_it_is_given_up(bare_stream: Stream) -> None:
    version = upload(bare_stream, bundles.files("newer"))
    for _ in range(work.MAX_ATTEMPTS):
        assert work.claim(kind="check_bundle", limit=1).rows
        Work.objects.update(lease_until=F("lease_until") - timedelta(hours=1))
        work.free_expired()

    version = settled(version)

    assert version.bundle.state == "refused"
    assert "could not be brought to an end" in version.bundle.refusal


def test_a_check_that_lost_its_lease_writes_nothing(bare_stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    version = upload(bare_stream, bundles.files("newer"))
    examine = inference_client.examine

    def examine_too_long(*args: Any, **options: Any) -> Any:
        found = examine(*args, **options)
        Work.objects.update(lease_token=None, lease_until=None)
        return found

    monkeypatch.setattr(inference_client, "examine", examine_too_long)
    assert checking.check_batch() == 1

    version.bundle.refresh_from_db()
    assert version.bundle.state == "checking"
    assert Work.objects.count() == 1


def test_work_for_a_bundle_that_is_gone_is_dropped(db: None) -> None:
    work.add(kind=Work.Kind.CHECK_BUNDLE, subjects=["0" * 64])

    assert checking.check_batch() == 1
    assert not Work.objects.exists()


def test_only_the_model_owner_uploads(bare_stream: Stream, rosa: Any, policy_owner: Any) -> None:
    for person in (rosa, policy_owner):
        with pytest.raises(Forbidden):
            checking.upload(stream=bare_stream, files=bundles.files(), by=acting(person))
    assert not Bundle.objects.exists()


def test_a_name_longer_than_a_name_may_be_is_cut(bare_stream: Stream) -> None:
    assert len(upload(bare_stream, bundles.files("newer"), name="n" * 500).name) == actions.MAX_NAME
