"""How a stream shows its cases."""

from typing import Any

from reviewapp.registry.actions.versions import primary_of
from reviewapp.registry.models import Bundle, Stream, StreamRevision
from reviewapp.web.subjects import Display, display_from


def revisions_in_force(stream: Stream) -> dict[str, StreamRevision]:
    """The contract, display and guideline in force, by kind; one query."""
    latest = stream.revisions.order_by("kind", "-number").distinct("kind")
    return {revision.kind: revision for revision in latest}


def display_of(stream: Stream, revisions: dict[str, StreamRevision]) -> Display:
    """The display, filled up from the manifest of the stream's primary."""
    return display_from(
        display=_body(revisions, StreamRevision.Kind.DISPLAY),
        contract=_body(revisions, StreamRevision.Kind.CONTRACT),
        manifest=_manifest(stream),
    )


def _manifest(stream: Stream) -> dict[str, Any]:
    version = primary_of(stream)
    bundle: Bundle | None = version.bundle if version else None
    return bundle.manifest if bundle else {}


def _body(revisions: dict[str, StreamRevision], kind: str) -> dict[str, Any]:
    body = revisions[kind].body if kind in revisions else {}
    return body if isinstance(body, dict) else {}
