"""Bundles, model versions and rollouts."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction

from reviewapp import inference_client
from reviewapp.domain.errors import Invalid
from reviewapp.registry import fit
from reviewapp.registry.actions import rollouts
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
MAX_NAME = 120


def register_bundle(*, stream: Stream, files: Mapping[str, bytes], by: Actor, name: str = "") -> ModelVersion:
    """Store a bundle that was made here and make it a model version of the stream; `bundles` is for any other.

    The first registration also derives the stream's input contract. The same bundle again answers the version it
    already is. Raises BundleRefused for a bundle that does not hold together.
    """
    check_role(by, stream, Role.MODEL_OWNER)
    manifest = inference_client.check_bundle(files)
    fit.check(stream, classes=manifest.classes, columns=manifest.columns)
    # Loading runs the golden batch: a bundle that does not reproduce its own outputs never gets a version. It can
    # take seconds, so no transaction waits for it.
    inference_client.load(files)
    with transaction.atomic():
        bundle = store(files, manifest.to_json(), state=Bundle.State.READY)
        return version_of(stream, bundle, manifest, by=by, name=name or manifest.name)


def version_of(stream: Stream, bundle: Bundle, manifest: "Manifest", *, by: Actor, name: str) -> ModelVersion:
    """The stream's version of a bundle that is ready: the one it already is, or a new one. Call it in a transaction."""
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
    registered(version, manifest, by=by)
    return version


def registered(version: ModelVersion, manifest: "Manifest", *, by: Actor) -> None:
    """A version's bundle is ready: the first one of a stream brings the input contract."""
    stream = version.stream
    if not stream.revisions.filter(kind=StreamRevision.Kind.CONTRACT).exists():
        revise(stream=stream, kind=StreamRevision.Kind.CONTRACT, body=derive(manifest.columns), by=by)
    payload = {"number": version.number, "bundle": version.bundle_id}
    happened(stream, "model_version.registered", by=by, payload=payload)


@transaction.atomic
def register_external(*, stream: Stream, name: str, by: Actor) -> ModelVersion:
    """A model that upstream runs: it is gated and audited, but can be neither replayed nor explained here.

    Cases quote it by its name, so the same name again answers the version it already is. Raises Invalid for a name
    that is empty, too long or not printable.
    """
    check_role(by, stream, Role.MODEL_OWNER)
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        message = f"An external model needs a name of 1 to {MAX_NAME} printable characters, by which cases quote it."
        entry = {"field": "name", "code": "name_invalid", "message": message}
        raise Invalid(message, code="name_invalid", errors=[entry])
    lock(stream)
    existing = stream.model_versions.filter(kind=ModelVersion.Kind.EXTERNAL, name=name).first()
    if existing is not None:
        return existing
    version = ModelVersion.objects.create(
        stream=stream,
        number=next_number(stream.model_versions),
        kind=ModelVersion.Kind.EXTERNAL,
        name=name,
        created_by=str(by),
    )
    happened(stream, "model_version.registered", by=by, payload={"number": version.number, "name": name})
    return version


def roll_out(*, primary: ModelVersion, by: Actor, reason: str = "") -> Rollout:
    """Make a version the stream's primary, with the next batch that is claimed."""
    return rollouts.promote(version=primary, by=by, reason=reason)


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


def drop_damaged_copy(bundle: Bundle) -> bool:
    """Remove this machine's copy where its files are not the bundle's; answers whether they were not."""
    folder: Path = settings.DATA_DIR / "bundles" / bundle.digest
    files = {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()} if folder.is_dir() else {}
    if not files or inference_client.digest(files) == bundle.digest:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def store(
    files: Mapping[str, bytes], manifest: Mapping[str, Any], *, state: str, run_budget: Mapping[str, Any] | None = None
) -> Bundle:
    """The bundle with these files, stored once. What was being checked, or refused, can be stored anew as ready."""
    digest = inference_client.digest(files)
    told = {"manifest": manifest, "state": state, "refusal": "", "run_budget": run_budget}
    size = sum(len(content) for content in files.values())
    bundle, created = Bundle.objects.select_for_update(no_key=True).get_or_create(
        digest=digest, defaults={**told, "size": size}
    )
    if not created and bundle.state != Bundle.State.READY:
        for name, value in told.items():
            setattr(bundle, name, value)
        bundle.save(update_fields=list(told))
    if created or not bundle.chunks.exists():
        # One statement per piece: all at once would be a statement as long as the model.
        for name, content in files.items():
            for number, start in enumerate(range(0, max(len(content), 1), CHUNK_BYTES)):
                piece = content[start : start + CHUNK_BYTES]
                BundleChunk.objects.create(bundle=bundle, file=name, number=number, data=piece)
    return bundle
