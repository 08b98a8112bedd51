from pathlib import Path

import pytest
from django.conf import settings

from inference.bundle import BundleRefused
from reviewapp.accounts.models import User
from reviewapp.cases import loading
from reviewapp.domain.errors import Conflict, Forbidden, Invalid
from reviewapp.events.models import Event
from reviewapp.registry.actions import versions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Bundle, BundleChunk, ModelVersion, Rollout, Stream
from tests.factories import bundles, streams
from tests.people import acting


def test_a_bundle_becomes_a_version_with_its_files_and_contract(bare_stream: Stream, model_owner: User) -> None:
    version = versions.register_bundle(stream=bare_stream, files=bundles.files(), by=acting(model_owner))

    assert (version.number, version.kind, version.name) == (1, "bundle", "parcels")
    assert version.bundle.state == "ready"
    assert versions.files_of(version.bundle) == bundles.files()
    assert bare_stream.revisions.get().kind == "contract"
    assert Event.objects.filter(type="model_version.registered", actor=f"user:{model_owner.pk}").exists()


def test_the_same_bundle_again_is_the_same_version(bare_stream: Stream) -> None:
    assert bundles.version(bare_stream) == bundles.version(bare_stream)
    assert bundles.version(bare_stream, "parcels-2").number == 2
    assert ModelVersion.objects.count() == 2


def test_two_streams_share_a_bundle(bare_stream: Stream) -> None:
    bundles.version(bare_stream)
    bundles.version(streams.bare())

    assert Bundle.objects.count() == 1
    assert ModelVersion.objects.count() == 2


def test_large_files_are_kept_in_numbered_pieces(bare_stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "CHUNK_BYTES", 1000)

    version = bundles.version(bare_stream, "parcels-in-pieces")

    assert BundleChunk.objects.filter(file="model.onnx").count() > 1
    assert versions.files_of(version.bundle) == bundles.files("parcels-in-pieces")


def test_a_model_of_other_classes_is_refused(db: None) -> None:
    stream = streams.bare(classes=("damaged", "intact"))

    with pytest.raises(
        Invalid, match="The model's classes are intact, damaged, the stream's stand in the order damaged, intact"
    ):
        bundles.version(stream)


@pytest.mark.parametrize(
    "change",
    [{"model.onnx": b"not a graph"}, {"bundle.json": b"{}"}, {"golden.parquet": b""}],
    ids=lambda change: next(iter(change)),
)
def test_a_corrupt_bundle_is_refused_and_nothing_is_kept(stream: Stream, change: dict[str, bytes]) -> None:
    serving = versions.primary_of(stream)

    with pytest.raises(BundleRefused):
        versions.register_bundle(stream=stream, files={**bundles.files("other"), **change}, by=SYSTEM)

    assert Bundle.objects.count() == 1
    assert versions.primary_of(stream) == serving


def test_only_the_model_owner_registers_and_rolls_out(bare_stream: Stream, rosa: User, policy_owner: User) -> None:
    version = bundles.version(bare_stream)

    for person in (rosa, policy_owner):
        with pytest.raises(Forbidden):
            versions.register_bundle(stream=bare_stream, files=bundles.files(), by=acting(person))
        with pytest.raises(Forbidden):
            versions.register_external(stream=bare_stream, name="m", by=acting(person))
        with pytest.raises(Forbidden):
            versions.roll_out(primary=version, by=acting(person))


def test_a_rollout_makes_a_version_primary_and_rolling_back_is_another_one(bare_stream: Stream) -> None:
    first, second = bundles.primary(bare_stream), bundles.primary(bare_stream, "parcels-2")
    assert versions.primary_of(bare_stream) == second

    versions.roll_out(primary=first, by=SYSTEM, reason="The new one misreads tears.")

    bare_stream.refresh_from_db()
    assert versions.primary_of(bare_stream) == first
    assert list(Rollout.objects.order_by("generation").values_list("generation", flat=True)) == [1, 2, 3]
    assert bare_stream.live_rollout.reason == "The new one misreads tears."


@pytest.mark.parametrize(("state", "refusal"), [("checking", ""), ("refused", "Golden rows differ.")])
def test_a_bundle_that_is_not_ready_cannot_serve(bare_stream: Stream, state: str, refusal: str) -> None:
    version = bundles.version(bare_stream)
    Bundle.objects.update(state=state, refusal=refusal)

    with pytest.raises(Conflict, match="cannot serve"):
        versions.roll_out(primary=ModelVersion.objects.get(pk=version.pk), by=SYSTEM)


def test_a_stream_without_a_rollout_has_no_primary(bare_stream: Stream) -> None:
    bundles.version(bare_stream)

    assert versions.primary_of(bare_stream) is None


def test_a_worker_keeps_a_copy_of_the_files_on_its_disk(bare_stream: Stream) -> None:
    bundle = bundles.version(bare_stream, "parcels-on-disk").bundle

    folder = versions.local_copy(bundle)

    assert folder == Path(settings.DATA_DIR) / "bundles" / bundle.digest
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == bundles.files("parcels-on-disk")
    BundleChunk.objects.all().delete()
    assert versions.local_copy(bundle) == folder


def test_a_copy_that_was_damaged_here_is_fetched_anew(bare_stream: Stream) -> None:
    bundle = bundles.version(bare_stream, "parcels-half-written").bundle
    folder = versions.local_copy(bundle)
    assert not versions.drop_damaged_copy(bundle)
    (folder / "model.onnx").write_bytes(b"half of it")

    model = loading.loaded(bundle)

    assert model.manifest.name == "parcels-half-written"
    assert not versions.drop_damaged_copy(bundle)
