"""Vectors for settled cases that lack one: nobody looked at them, or another model served when they were scored."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import structlog
from django.db import transaction

from reviewapp import inference_client
from reviewapp.cases.actions import spaces, work
from reviewapp.cases.loading import loaded
from reviewapp.cases.models import Case, CaseInput, Embedding, Work
from reviewapp.registry.models import Bundle

log = structlog.get_logger(__name__)

BATCH = 256
Group = Sequence[tuple[work.Claimed, CaseInput]]


def embed_batch() -> int:
    """Claim cases that lack a vector and write it in the space of every model that serves their stream.

    Answers how many were taken.
    """
    lease = work.claim(kind=Work.Kind.EMBED, limit=BATCH)
    if not lease.rows:
        return 0
    inputs = CaseInput.objects.filter(case__in=[row.subject for row in lease.rows]).select_related("case")
    by_key = {(str(one.case_id), one.generation): one for one in inputs}
    groups: dict[UUID, list[tuple[work.Claimed, CaseInput]]] = defaultdict(list)
    for row in lease.rows:
        one = by_key.get((row.subject, row.generation))
        if one is not None:
            groups[one.case.stream_id].append((row, one))
    for stream_id, group in groups.items():
        bundles = spaces.serving_bundles(stream_id)
        if bundles:
            work.extend(token=lease.token)
            _embed(lease.token, stream_id, bundles, group=group)
    # What has no vector by now (no bundle serves the stream, or the case is gone) needs none.
    work.finish(token=lease.token, ids=lease.ids)
    return len(lease.rows)


def _embed(token: UUID, stream_id: UUID, bundles: Sequence[Bundle], *, group: Group) -> None:
    try:
        found = [vector for bundle in bundles for vector in _vectors(stream_id, bundle, group=group)]
    except Exception as error:
        if len(group) > 1:
            for pair in group:
                _embed(token, stream_id, bundles, group=[pair])
            return
        ((row, one),) = group
        log.exception("embedding.failed", case_id=str(one.case_id))
        if row.attempts < work.MAX_ATTEMPTS:
            work.give_back(token=token, ids=[row.id], error=repr(error), wait=work.BACK_OFF * row.attempts)
        return
    with transaction.atomic():
        kept = work.finish(token=token, ids=[row.id for row, _ in group])
        Embedding.objects.bulk_create((vector for row_id, vector in found if row_id in kept), ignore_conflicts=True)


def _vectors(stream_id: UUID, bundle: Bundle, *, group: Group) -> list[tuple[int, Embedding]]:
    """The vectors that the group lacks in one bundle's space, each with the id of its work."""
    known = set(
        Embedding.objects.filter(case__in=[one.case_id for _, one in group], space=bundle.digest).values_list(
            "case_id", "generation"
        )
    )
    lacking = [(row, one) for row, one in group if (one.case_id, one.generation) not in known]
    if not lacking:
        return []
    placed = inference_client.vectors(loaded(bundle), [one.features for _, one in lacking])
    return [
        (
            row.id,
            Embedding(
                stream_id=stream_id,
                case=Case(pk=one.case_id),
                generation=one.generation,
                space=bundle.digest,
                vector=vector,
            ),
        )
        for (row, one), vector in zip(lacking, placed, strict=True)
    ]
