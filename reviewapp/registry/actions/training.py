"""A model that was trained here becomes a version; for a new kind of decision its stream is opened with it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from reviewapp import inference_client
from reviewapp.accounts.models import Team
from reviewapp.domain.errors import Conflict, Invalid
from reviewapp.registry import fit
from reviewapp.registry.actions import bundles, rollouts, streams, versions
from reviewapp.registry.actors import Actor, check_role
from reviewapp.registry.models import Bundle, ModelVersion, Role, Stream, StreamRevision


@dataclass(frozen=True)
class Registered:
    """The version, and what came with it."""

    version: ModelVersion
    is_new_stream: bool
    is_primary: bool


def contract_for_training(stream: Stream) -> dict[str, tuple[Collection[str], bool]]:
    """Of each column in the stream's contract: its JSON types, and whether a case may lack it."""
    revision = streams.revision_in_force(stream, StreamRevision.Kind.CONTRACT)
    if revision is None:
        return {}
    required = set(revision.body.get("required", ()))
    found: dict[str, tuple[Collection[str], bool]] = {}
    for name, entry in revision.body.get("properties", {}).items():
        declared = entry.get("type", ()) if isinstance(entry, Mapping) else ()
        types = [declared] if isinstance(declared, str) else list(declared)
        found[name] = ([kind for kind in types if kind != "null"], "null" in types or name not in required)
    return found


def check_new_stream(*, team: Team, slug: str, classes: Sequence[str] = ("a", "b")) -> Stream:
    """The stream as it would be opened. Raises Invalid where it could not be, before anybody trains for it."""
    stream = Stream(team=team, slug=slug, name=slug.replace("-", " ").capitalize(), classes=list(classes))
    try:
        stream.full_clean()
    except ValidationError as error:
        message = " ".join(error.messages)
        raise Invalid(f"The stream “{slug}” cannot be opened: {message}", code="stream_invalid") from error
    return stream


def register(*, team: Team, slug: str, files: Mapping[str, bytes], by: Actor, name: str = "") -> Registered:
    """Let the upload gate check the bundle, then register it; the first version of a stream serves at once.

    After a refusal nothing is stored, and no stream is opened. Raises Invalid.
    """
    with bundles.refusals():
        described = inference_client.check_bundle(files)
        result, made = inference_client.examine(files, classes=described.classes)
    if result["state"] != Bundle.State.READY:
        raise Invalid(result["reason"], code=result["code"])
    try:
        with transaction.atomic():
            stream = Stream.objects.select_related("team").filter(team=team, slug=slug).first()
            is_new = stream is None
            if stream is None:
                planned = check_new_stream(team=team, slug=slug, classes=described.classes)
                stream = streams.create(team=team, slug=slug, name=planned.name, classes=described.classes, by=by)
                _show_as_picture(stream, described, by)
            check_role(by, stream, Role.MODEL_OWNER)
            fit.check(stream, classes=described.classes, columns=described.columns)
            budget = bundles.budget_of(result)
            bundle = versions.store(made, described.to_json(), state=Bundle.State.READY, run_budget=budget)
            version = versions.version_of(stream, bundle, described, by=by, name=(name or described.name)[:120])
            if is_first := stream.live_rollout_id is None:
                rollouts.promote(version=version, by=by, reason="First model of the stream.")
    except IntegrityError as error:
        raise Conflict(f"Somebody else opened “{slug}” at this moment; train again.", code="stream_taken") from error
    return Registered(version, is_new, is_first)


def _show_as_picture(stream: Stream, described: Any, by: Actor) -> None:
    if described.image is None:
        return
    brightest = max(column.maximum or 1.0 for column in described.columns)
    body = {"kind": "image", "columns": list(described.column_names), **described.image, "maximum": brightest}
    streams.revise(stream=stream, kind=StreamRevision.Kind.DISPLAY, body=body, by=by)
