"""Vectors in the spaces of models that serve no more: nothing is looked up there, so they are deleted bit by bit."""

from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from reviewapp.cases.actions import spaces
from reviewapp.cases.models import Embedding, Review, VectorBuild
from reviewapp.registry.models import ModelVersion, Stream
from reviewapp.registry.trail import lock

CHUNK = 2_000
# Of one turn; the next turn goes on.
CHUNKS = 10


def drop() -> int:
    """Delete up to some chunks of the vectors that no version will be asked for; answers how many went."""
    deleted = 0
    for stream in Stream.objects.filter(live_rollout__isnull=False).order_by("pk"):
        for _ in range(CHUNKS):
            number = _drop_chunk(stream)
            deleted += number
            if number < CHUNK:
                break
    return deleted


@transaction.atomic
def _drop_chunk(stream: Stream) -> int:
    if not retired(stream):
        return 0
    # A rollout that brings a version back waits for this chunk; afterwards its space is built anew.
    lock(stream)
    found = retired(stream)
    if not found:
        return 0
    space = found[0]
    VectorBuild.objects.filter(stream=stream, space=space).delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM cases_embedding WHERE id IN "
            "(SELECT id FROM cases_embedding WHERE stream_id = %s AND space = %s LIMIT %s)",
            [stream.pk, space, CHUNK],
        )
        deleted: int = cursor.rowcount
    return deleted


def retired(stream: Stream) -> list[str]:
    """The spaces that hold vectors and that neither a rollback nor an open review would look into, by digest."""
    kept = {bundle.digest for bundle in spaces.serving_bundles(stream.pk)} | _previous(stream.pk)
    waiting = Review.objects.filter(
        stream=stream, state=Review.State.OPEN, prediction__model_version=OuterRef("pk")
    ).order_by()
    held = Embedding.objects.filter(stream=stream, space=OuterRef("bundle")).order_by()
    versions = ModelVersion.objects.filter(Exists(held), ~Exists(waiting), stream=stream, bundle__isnull=False)
    return sorted(set(versions.exclude(bundle__in=kept).values_list("bundle", flat=True)))


def _previous(stream_id: UUID) -> set[str]:
    """The space of the version that a rollback would bring back."""
    found = Stream.objects.filter(pk=stream_id).values_list("live_rollout__previous__bundle", flat=True)
    return {digest for digest in found if digest}
