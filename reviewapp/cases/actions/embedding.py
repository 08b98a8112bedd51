"""Vectors for settled cases that nobody had to look at: they become precedents too."""

from collections import defaultdict
from uuid import UUID

from django.db import transaction

from reviewapp import inference_client
from reviewapp.cases.actions import work
from reviewapp.cases.loading import loaded
from reviewapp.cases.models import Case, CaseInput, Embedding, Work
from reviewapp.registry.actions.versions import primary_of
from reviewapp.registry.models import Stream

BATCH = 256


def embed_batch() -> int:
    """Claim cases without a vector in their stream's present space and write it; answers how many were taken."""
    lease = work.claim(kind=Work.Kind.EMBED, limit=BATCH)
    if not lease.rows:
        return 0
    inputs = CaseInput.objects.filter(case__in=[row.subject for row in lease.rows]).select_related("case")
    by_key = {(str(one.case_id), one.generation): one for one in inputs}
    groups: dict[UUID, list[CaseInput]] = defaultdict(list)
    for row in lease.rows:
        one = by_key.get((row.subject, row.generation))
        if one is not None:
            groups[one.case.stream_id].append(one)
    with transaction.atomic():
        work.finish(token=lease.token, ids=lease.ids)
        for stream_id, group in groups.items():
            _write(Stream.objects.get(pk=stream_id), group)
    return len(lease.rows)


def _write(stream: Stream, group: list[CaseInput]) -> None:
    version = primary_of(stream)
    if version is None or version.bundle is None:
        return
    predictions = inference_client.predict(loaded(version.bundle), [one.features for one in group])
    Embedding.objects.bulk_create(
        (
            Embedding(
                stream=stream,
                case=Case(pk=one.case_id),
                generation=one.generation,
                space=version.bundle.digest,
                vector=predictions.embedding[i],
            )
            for i, one in enumerate(group)
        ),
        ignore_conflicts=True,
    )
