"""The spaces of the models that serve: after a change of models, earlier settled cases get the vectors they lack."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from reviewapp.cases.models import VectorBuild, Work
from reviewapp.registry.models import Bundle, ModelVersion, RolloutMember, Stream

# Labels looked at in one pass, at each end; and no more is asked for while so much waits.
CHUNK = 5_000
# Labels get their ids before they are committed: those of the last minute may not all be there yet.
LAG = timedelta(minutes=1)
# Behind everything that somebody asked for.
PRIORITY = -1
SERVING = (RolloutMember.Role.PRIMARY, RolloutMember.Role.CANARY)


def serving_bundles(stream_id: UUID) -> list[Bundle]:
    """The bundles whose predictions route a stream's cases: their spaces are the ones that are searched."""
    live = Stream.objects.filter(pk=stream_id).values("live_rollout")
    members = RolloutMember.objects.filter(rollout__in=live, role__in=SERVING)
    digests = ModelVersion.objects.filter(pk__in=members.values("model_version")).values("bundle")
    return list(Bundle.objects.filter(pk__in=digests).order_by("pk"))


def rebuild() -> int:
    """Ask for the vectors that settled cases lack in the spaces of the models that serve; answers how many were.

    Runs again and again: each pass looks at the labels that came since the last one, and at a chunk of the earlier
    ones, newest first, until all are done. Safe to run twice.
    """
    if _waiting() >= CHUNK:
        return 0
    asked = 0
    for stream in Stream.objects.filter(live_rollout__isnull=False).order_by("pk"):
        for bundle in serving_bundles(stream.pk):
            asked += _pass(stream, bundle.digest)
    return asked


def _pass(stream: Stream, space: str) -> int:
    with transaction.atomic():
        VectorBuild.objects.bulk_create([VectorBuild(stream=stream, space=space)], ignore_conflicts=True)
        build = VectorBuild.objects.select_for_update(of=("self",), no_key=True).get(stream=stream, space=space)
        asked = _follow(build) if build.newest else 0
        if build.completed_at is None or build.newest is None:
            asked += _go_back(build)
        build.save(update_fields=["newest", "oldest", "completed_at"])
    return asked


def _follow(build: VectorBuild) -> int:
    """Look at the labels that came since."""
    ids, asked = _look(build, "AND l.id > %(from)s", "ASC", build.newest)
    if ids:
        build.newest = ids[-1]
    return asked


def _go_back(build: VectorBuild) -> int:
    """Look at earlier labels; where there are none left and nothing is waited for, the space is complete."""
    ids, asked = _look(build, "AND l.id < %(from)s" if build.oldest else "", "DESC", build.oldest)
    if ids:
        build.newest, build.oldest, build.completed_at = build.newest or ids[0], ids[-1], None
    if build.completed_at is None and len(ids) < CHUNK and not asked and not _waiting():
        build.completed_at = _database_time()
    return asked


_LOOK = """
WITH looked AS (
    SELECT l.id, l.case_id, l.generation, l.class FROM cases_label l
    WHERE l.stream_id = %(stream)s AND l.created_at < clock_timestamp() - make_interval(secs => %(lag)s)
        {beyond}
    ORDER BY l.id {order}
    LIMIT %(chunk)s
), asked AS (
    INSERT INTO cases_work (kind, subject, generation, priority, attempts, is_dead, last_error, traceparent)
    SELECT DISTINCT 'embed', k.case_id::text, k.generation, %(priority)s, 0, false, '', '' FROM looked k
    JOIN cases_case c ON c.id = k.case_id AND c.generation = k.generation
    WHERE k.class IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM cases_embedding e
        WHERE e.case_id = k.case_id AND e.generation = k.generation AND e.space = %(space)s)
    ON CONFLICT (kind, subject, generation) DO NOTHING
    RETURNING 1
)
SELECT array(SELECT id FROM looked ORDER BY id {order}), (SELECT count(*) FROM asked)
"""


def _look(build: VectorBuild, beyond: str, order: str, start: UUID | None) -> tuple[list[UUID], int]:
    """The labels looked at, in order, and how many cases of theirs were given work."""
    with connection.cursor() as cursor:
        cursor.execute(
            _LOOK.format(beyond=beyond, order=order),
            {
                "stream": build.stream_id,
                "space": build.space,
                "from": start,
                "chunk": CHUNK,
                "priority": PRIORITY,
                "lag": LAG.total_seconds(),
            },
        )
        ids, asked = cursor.fetchone()
    return ids, asked


def _waiting() -> int:
    return Work.objects.filter(kind=Work.Kind.EMBED, is_dead=False).count()


def _database_time() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
