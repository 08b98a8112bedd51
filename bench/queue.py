"""Queues of reviews, made by the million in the database itself, and claims that leave dead entries behind."""

from typing import TYPE_CHECKING, Any

from bench.workbench import Workbench

if TYPE_CHECKING:
    from reviewapp.accounts.models import User
    from reviewapp.cases.models import Review
    from reviewapp.registry.models import Stream

TABLES = "cases_case, cases_review"

_CASES = """
INSERT INTO cases_case (id, stream_id, external_id, state, generation, fingerprint, coin, rollout_coin, half_coin,
    num_events, due_at, received_at)
SELECT uuidv7(), %(stream)s, 'queued-' || n, 'in_review', 1, sha256(n::text::bytea), 0.5, 0.5, 0.5, 0,
    now() + n * interval '1 second', now()
FROM generate_series(1, %(number)s) n
"""
_REVIEWS = """
INSERT INTO cases_review (id, case_id, stream_id, generation, kind, round, mode, reasons, inclusion_probability, state,
    priority, due_at, created_at)
SELECT uuidv7(), id, stream_id, 1, 'routine', 1, 'assisted', '[]', 0.1, 'open', 0, due_at, now()
FROM cases_case WHERE stream_id = %(stream)s
"""
# What a claim and an answer do to the queue's index, a thousand at a time.
_CLAIM = """
UPDATE cases_review SET claimed_by_id = %(user)s, claim_token = gen_random_uuid(), claimed_at = now(),
    claim_until = now() + interval '10 minutes'
WHERE id = ANY(ARRAY(SELECT id FROM cases_review WHERE stream_id = %(stream)s AND state = 'open'
    AND claimed_by_id IS NULL ORDER BY priority DESC, due_at, id LIMIT %(number)s))
RETURNING id
"""
_CLOSE = """
UPDATE cases_review SET state = 'done', closed_at = now(), claimed_by_id = NULL, claim_token = NULL,
    claimed_at = NULL, claim_until = NULL WHERE id = ANY(%(ids)s)
"""
STEP = 1000


def streams() -> "tuple[Stream, Stream]":
    """Two streams like the bench's own: one for the short queue, one for the long one."""
    from reviewapp.registry.actions import streams as actions
    from reviewapp.registry.actors import SYSTEM
    from reviewapp.registry.models import Stream

    team = actions.default_team()
    found = []
    for slug in ("queue-short", "queue-long"):
        stream = Stream.objects.filter(team=team, slug=slug).first()
        found.append(stream or actions.create(team=team, slug=slug, name=slug, classes=("no", "yes"), by=SYSTEM))
    return found[0], found[1]


def people(bench: Workbench, number: int) -> "list[User]":
    from reviewapp.accounts.models import User
    from reviewapp.registry.models import Membership, Role

    found = []
    for place in range(number):
        user, is_new = User.objects.get_or_create(email=f"reviewer-{place}@example.org")
        if is_new:
            Membership.objects.create(team=bench.stream.team, user=user, role=Role.REVIEWER)
        found.append(user)
    return found


def fill(bench: Workbench, stream: "Stream", *, reviews: int) -> None:
    bench.database.execute(_CASES.encode(), {"stream": stream.pk, "number": reviews})
    bench.database.execute(_REVIEWS.encode(), {"stream": stream.pk})


def settle(bench: Workbench) -> None:
    """Statistics are as they would be; from here on nobody vacuums the queue."""
    bench.database.execute("ALTER TABLE cases_review SET (autovacuum_enabled = off)")
    bench.database.execute(f"VACUUM ANALYZE {TABLES}".encode())


def claim_away(bench: Workbench, stream: "Stream", *, number: int) -> None:
    """Claims and answers at the head of the queue, which leave their dead entries there."""
    user = people(bench, 1)[0]
    for _ in range(0, number, STEP):
        values: dict[str, Any] = {"user": user.pk, "stream": stream.pk, "number": STEP}
        rows = bench.database.execute(_CLAIM.encode(), values).fetchall()
        bench.database.execute(_CLOSE.encode(), {"ids": [row[0] for row in rows]})


def close(review: "Review") -> None:
    """Done, without the label that a real answer would write: only the queue is looked at here."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(_CLOSE, {"ids": [review.pk]})
