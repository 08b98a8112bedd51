"""Bundles, model versions and rollouts."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction

from reviewapp import inference_client
from reviewapp.domain.errors import Conflict, Invalid
from reviewapp.registry.actions.streams import next_number, revise
from reviewapp.registry.actors import Actor, check_role
from reviewapp.registry.contracts import derive
from reviewapp.registry.models import (
    Bundle,
    BundleChunk,
    ModelVersion,
    Role,
    Rollout,
    RolloutMember,
    Stream,
    StreamRevision,
)
from reviewapp.registry.trail import happened, lock

if TYPE_CHECKING:
    from inference.bundle import Manifest

CHUNK_BYTES = 4_000_000


def register_bundle(*, stream: Stream, files: Mapping[str, bytes], by: Actor, name: str = "") -> ModelVersion:
    """Store a bundle that passed its checks and make it a model version of the stream.

    The first registration also derives the stream's input contract. The same bundle again answers the version it
    already is. Raises BundleRefused for a bundle that does not hold together.
    """
    check_role(by, stream, Role.MODEL_OWNER)
    manifest = inference_client.check_bundle(files)
    if list(manifest.classes) != list(stream.classes):
        raise Invalid(
            f"The model's classes are {', '.join(manifest.classes)}; “{stream.name}” has {', '.join(stream.classes)}.",
            code="classes_differ",
        )
    # Loading runs the golden batch: a bundle that does not reproduce its own outputs never gets a version. It can
    # take seconds, so no transaction waits for it.
    inference_client.load(files)
    with transaction.atomic():
        return _register(stream, files, manifest, by=by, name=name or manifest.name)


def _register(
    stream: Stream, files: Mapping[str, bytes], manifest: "Manifest", *, by: Actor, name: str
) -> ModelVersion:
    bundle = _store(files, manifest.to_json())
    lock(stream)
    existing = ModelVersion.objects.filter(stream=stream, bundle=bundle).first()
    if existing is not None:
        return existing
    version = ModelVersion.objects.create(
        stream=stream,
        number=next_number(stream.model_versions),
        kind=ModelVersion.Kind.BUNDLE,
        bundle=bundle,
        name=name,
        created_by=str(by),
    )
    if not stream.revisions.filter(kind=StreamRevision.Kind.CONTRACT).exists():
        revise(stream=stream, kind=StreamRevision.Kind.CONTRACT, body=derive(manifest.columns), by=by)
    happened(stream, "model_version.registered", by=by, payload={"number": version.number, "bundle": bundle.digest})
    return version


@transaction.atomic
def register_external(*, stream: Stream, name: str, by: Actor) -> ModelVersion:
    """A model that upstream runs: it is gated and audited, but can be neither replayed nor explained here."""
    check_role(by, stream, Role.MODEL_OWNER)
    lock(stream)
    version = ModelVersion.objects.create(
        stream=stream,
        number=next_number(stream.model_versions),
        kind=ModelVersion.Kind.EXTERNAL,
        name=name,
        created_by=str(by),
    )
    happened(stream, "model_version.registered", by=by, payload={"number": version.number, "name": name})
    return version


@transaction.atomic
def roll_out(*, primary: ModelVersion, by: Actor, reason: str = "") -> Rollout:
    """Make a version the stream's primary, with the next batch that is claimed."""
    stream = primary.stream
    check_role(by, stream, Role.MODEL_OWNER)
    if primary.bundle is not None and primary.bundle.state != Bundle.State.READY:
        raise Conflict(
            f"Bundle {primary.bundle} is {primary.bundle.state}, so it cannot serve.", code="bundle_not_ready"
        )
    lock(stream)
    rollout = Rollout.objects.create(
        stream=stream,
        generation=next_number(stream.rollouts, "generation"),
        created_by=str(by),
        reason=reason,
    )
    RolloutMember.objects.create(rollout=rollout, model_version=primary, role=RolloutMember.Role.PRIMARY)
    Stream.objects.filter(pk=stream.pk).update(live_rollout=rollout)
    stream.live_rollout = rollout
    happened(
        stream,
        "rollout.promoted",
        by=by,
        payload={"generation": rollout.generation, "primary": primary.number, "reason": reason},
    )
    return rollout


def primary_of(stream: Stream) -> ModelVersion | None:
    """The version whose predictions route the stream's cases."""
    return (
        ModelVersion.objects.filter(
            pk__in=RolloutMember.objects.filter(rollout=stream.live_rollout_id, role=RolloutMember.Role.PRIMARY).values(
                "model_version"
            )
        )
        .select_related("bundle", "stream")
        .first()
    )


def files_of(bundle: Bundle) -> dict[str, bytes]:
    """A bundle's files, put together from their chunks."""
    parts: dict[str, list[bytes]] = {}
    for chunk in bundle.chunks.order_by("file", "number").iterator():
        parts.setdefault(chunk.file, []).append(bytes(chunk.data))
    return {name: b"".join(pieces) for name, pieces in parts.items()}


def local_copy(bundle: Bundle) -> Path:
    """The bundle's files on this machine's disk, fetched once; the reader verifies the digest."""
    folder: Path = settings.DATA_DIR / "bundles" / bundle.digest
    if folder.is_dir():
        return folder
    partial = folder.with_name(f"{folder.name}.{id(bundle)}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    for name, content in files_of(bundle).items():
        (partial / name).write_bytes(content)
    try:
        partial.rename(folder)
    except OSError:
        # Another worker was first: its copy has the same digest.
        if not folder.is_dir():
            raise
    return folder


def _store(files: Mapping[str, bytes], manifest: dict[str, Any]) -> Bundle:
    digest = inference_client.digest(files)
    bundle, created = Bundle.objects.get_or_create(
        digest=digest,
        defaults={
            "manifest": manifest,
            "state": Bundle.State.READY,
            "size": sum(len(content) for content in files.values()),
        },
    )
    if created:
        BundleChunk.objects.bulk_create(
            BundleChunk(bundle=bundle, file=name, number=number, data=content[start : start + CHUNK_BYTES])
            for name, content in files.items()
            for number, start in enumerate(range(0, max(len(content), 1), CHUNK_BYTES))
        )
    return bundle
