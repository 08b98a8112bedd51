"""Vectors for settled cases that nobody had to look at: they become precedents too."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import structlog
from django.db import transaction

from reviewapp import inference_client
from reviewapp.cases.actions import work
from reviewapp.cases.loading import loaded
from reviewapp.cases.models import Case, CaseInput, Embedding, Work
from reviewapp.registry.actions.versions import primary_of
from reviewapp.registry.models import Bundle, Stream

log = structlog.get_logger(__name__)

BATCH = 256
Group = Sequence[tuple[work.Claimed, CaseInput]]


def embed_batch() -> int:
    """Claim cases without a vector in their stream's present space and write it; answers how many were taken."""
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
        stream = Stream.objects.get(pk=stream_id)
        version = primary_of(stream)
        if version is not None and version.bundle is not None:
            work.extend(token=lease.token)
            _embed(lease.token, stream, version.bundle, group=group)
    # What has no vector by now (no bundle serves the stream, or the case is gone) needs none.
    work.finish(token=lease.token, ids=lease.ids)
    return len(lease.rows)


def _embed(token: UUID, stream: Stream, bundle: Bundle, *, group: Group) -> None:
    try:
        predictions = inference_client.predict(loaded(bundle), [one.features for _, one in group])
    except Exception as error:
        if len(group) > 1:
            for pair in group:
                _embed(token, stream, bundle, group=[pair])
            return
        ((row, one),) = group
        log.exception("embedding.failed", case_id=str(one.case_id))
        if row.attempts < work.MAX_ATTEMPTS:
            work.give_back(token=token, ids=[row.id], error=repr(error), wait=work.BACK_OFF * row.attempts)
        return
    with transaction.atomic():
        kept = work.finish(token=token, ids=[row.id for row, _ in group])
        Embedding.objects.bulk_create(
            (
                Embedding(
                    stream=stream,
                    case=Case(pk=one.case_id),
                    generation=one.generation,
                    space=bundle.digest,
                    vector=predictions.embedding[i],
                )
                for i, (row, one) in enumerate(group)
                if row.id in kept
            ),
            ignore_conflicts=True,
        )
