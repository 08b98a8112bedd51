"""Uploaded models: received at once, served only after the upload gate has let them through."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import transaction

from reviewapp import inference_client
from reviewapp.domain.errors import DomainError, Invalid
from reviewapp.registry import fit
from reviewapp.registry.actions import versions
from reviewapp.registry.actions.streams import next_number
from reviewapp.registry.actors import SYSTEM, Actor, check_role
from reviewapp.registry.models import Bundle, ModelVersion, Role, Stream
from reviewapp.registry.trail import happened, lock

if TYPE_CHECKING:
    from inference.bundle import Manifest
    from inference.foreign import Declaration
    from inference.upload_gate import GateResult

State = Bundle.State
MAX_REFUSAL = 2000
MAX_NAME = versions.MAX_NAME


def register(*, stream: Stream, files: Mapping[str, bytes], by: Actor, name: str = "") -> ModelVersion:
    """Check an upload here and now, and make it a version; after a refusal nothing is stored.

    Raises Invalid for an upload that does not fit the stream or that the upload gate refuses.
    """
    check_role(by, stream, Role.MODEL_OWNER)
    with refusals():
        described = _fitting(stream, files)
        result, made = inference_client.examine(files, classes=stream.classes)
        if result["state"] != State.READY:
            raise Invalid(result["reason"], code=result["code"])
        manifest = _manifest_of(made)
    with transaction.atomic():
        bundle = versions.store(made, manifest.to_json(), state=State.READY, run_budget=budget_of(result))
        return versions.version_of(stream, bundle, manifest, by=by, name=(name or described.name)[:MAX_NAME])


@transaction.atomic
def receive(*, stream: Stream, files: Mapping[str, bytes], by: Actor, name: str = "") -> ModelVersion:
    """Store an upload as a version whose bundle is still to be checked; the same again is the version it already is.

    Raises Invalid at once for what can be told without opening the model: that it does not fit the stream.
    """
    check_role(by, stream, Role.MODEL_OWNER)
    with refusals():
        described = _fitting(stream, files)
        if inference_client.is_bundle(files) and list(described.classes) != list(stream.classes):
            # It may serve another stream as it is.
            files = inference_client.in_another_order(files)
    digest = inference_client.digest(files)
    lock(stream)
    if not Bundle.objects.filter(pk=digest, state__in=[State.READY, State.CHECKING]).exists():
        versions.store(files, _outline(described), state=State.CHECKING)
    existing = ModelVersion.objects.filter(stream=stream, bundle=digest).select_related("bundle", "stream").first()
    if existing is not None:
        return existing
    bundle = Bundle.objects.get(pk=digest)
    version = ModelVersion.objects.create(
        stream=stream,
        number=next_number(stream.model_versions),
        kind=ModelVersion.Kind.BUNDLE,
        bundle=bundle,
        name=(name or described.name)[:MAX_NAME],
        created_by=str(by),
    )
    payload = {"number": version.number, "bundle": digest}
    happened(stream, "model_version.uploaded", by=by, payload=payload)
    if bundle.state == State.READY:
        # Another stream's bundle: it has been through the gate.
        versions.registered(version, _manifest_of(files), by=by)
    return version


@transaction.atomic
def settle(*, version: ModelVersion, result: "GateResult", files: Mapping[str, bytes]) -> None:
    """Write the gate's answer on an uploaded version: ready to be rolled out, or refused with the reason.

    What was another's export, or had its classes in another order, becomes the bundle that the gate made of it.
    """
    stream = version.stream
    lock(stream)
    try:
        if result["state"] != State.READY:
            raise Invalid(result["reason"], code=result["code"])
        with refusals():
            manifest = _manifest_of(files)
        # A contract may have been put in force since the upload.
        fit.check(stream, classes=manifest.classes, columns=manifest.columns)
        bundle = _become(version, files, manifest, result)
    except DomainError as refusal:
        _refuse(version, refusal)
        return
    version.bundle = bundle
    versions.registered(version, manifest, by=SYSTEM)


def _become(version: ModelVersion, files: Mapping[str, bytes], manifest: "Manifest", result: "GateResult") -> Bundle:
    uploaded = version.bundle
    assert uploaded is not None, "only bundles are uploaded"
    bundle = versions.store(files, manifest.to_json(), state=State.READY, run_budget=budget_of(result))
    if bundle == uploaded:
        return bundle
    twin = ModelVersion.objects.filter(stream=version.stream, bundle=bundle).first()
    if twin is not None:
        raise Invalid(f"This is model {twin.number} already.", code="already_registered", same_as=twin.number)
    ModelVersion.objects.filter(pk=version.pk).update(bundle=bundle)
    if not uploaded.model_versions.exists():
        uploaded.chunks.all().delete()
        uploaded.delete()
    return bundle


def _refuse(version: ModelVersion, refusal: DomainError) -> None:
    bundle, reason = version.bundle, str(refusal)
    assert bundle is not None, "only bundles are uploaded"
    manifest = dict(bundle.manifest)
    if same_as := refusal.details.get("same_as"):
        # Of this stream: in another the same upload may be another version.
        manifest["same_as"] = {str(version.stream_id): same_as}
    refused = Bundle.objects.filter(pk=bundle.pk, state=State.CHECKING).update(
        state=State.REFUSED,
        refusal=reason[:MAX_REFUSAL] or "Refused.",
        manifest=manifest,
    )
    if refused:
        # The reason is kept, the refused files are not.
        bundle.chunks.all().delete()
    payload = {"number": version.number, "bundle": bundle.digest, "code": refusal.code, "reason": reason[:MAX_REFUSAL]}
    happened(version.stream, "model_version.refused", by=SYSTEM, payload=payload)


def _fitting(stream: Stream, files: Mapping[str, bytes]) -> "Manifest | Declaration":
    described = inference_client.described(files)
    fit.check(
        stream,
        # A bare model need not name its classes: they are then the stream's.
        classes=described.classes or stream.classes,
        columns=described.columns,
        is_ordered=False,  # the gate brings them into the stream's order
    )
    return described


def _manifest_of(files: Mapping[str, bytes]) -> "Manifest":
    described = inference_client.described(files)
    assert inference_client.is_bundle(files), "the gate answers with a bundle"
    return described  # type: ignore[return-value]  # as asserted


def _outline(described: "Manifest | Declaration") -> dict[str, Any]:
    """What the pages show of an upload until it is ready."""
    return {
        "name": described.name,
        "classes": list(described.classes),
        "columns": [{"name": column.name, "dtype": column.dtype} for column in described.columns],
    }


def budget_of(result: "GateResult") -> dict[str, Any]:
    """What the gate measured, as it is stored with the bundle."""
    return {**result["run_budget"], "isolation": result["isolation"]}


@contextmanager
def refusals() -> Iterator[None]:
    """What the checks of a bundle refuse, as a refusal that people and clients are answered with."""
    try:
        yield
    except inference_client.BundleRefused as refusal:
        raise Invalid(str(refusal), code=refusal.code) from refusal


def files_of_parts(parts: Mapping[str, tuple[str, bytes]]) -> dict[str, bytes]:
    """An upload's files from the parts of a form: `file` with, for a bare .onnx, `manifest` and perhaps `sample`.

    Each part is its file's name and content. Raises Invalid for parts that do not make an upload.
    """
    name, content = parts["file"]
    manifest, sample = parts.get("manifest", ("", b"")), parts.get("sample", ("", b""))
    with refusals():
        if not name.lower().endswith(".onnx"):
            if manifest[1] or sample[1]:
                raise Invalid("Only a bare .onnx file takes a manifest and a sample beside it.", code="parts_unclear")
            return inference_client.read_uploaded_zip(content)
        if not manifest[1]:
            raise Invalid(
                "A bare .onnx file needs a manifest: JSON with `name`, `classes` and `columns`.",
                code="manifest_missing",
                errors=[{"field": "manifest", "code": "missing", "message": "Add the small manifest of the model."}],
            )
        return inference_client.bare_model(content, manifest[1], sample=sample[1], sample_name=sample[0])
