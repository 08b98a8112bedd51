"""Canary guards: each live canary beside its primary, and back without anybody's help when it breaks one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import structlog
from django.db import connection

from reviewapp.cases.moments import CLOCKS_APART, first_id_at
from reviewapp.domain.canary import Breach, Guards, Sample, breaches, read_guards
from reviewapp.domain.errors import Conflict
from reviewapp.registry.actions import rollouts
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Rollout, RolloutMember, Stream

log = structlog.get_logger(__name__)

# The newest cases that a guard looks at: enough for its intervals, few enough to read every few seconds.
WINDOW = 20_000
# The primary's last batches before a canary took everything: as many say what its slowest hundredth is like.
BEFORE = 2_000

_LIVE = """
SELECT s.id, r.id, r.created_at, m.share
FROM registry_stream s
JOIN registry_rollout r ON r.id = s.live_rollout_id
JOIN registry_rolloutmember m ON m.rollout_id = r.id AND m.role = 'canary'
ORDER BY s.id
"""

# A canary's case that another version had to score counts as failed, as does one that nobody could.
_SAMPLE = """
SELECT c.id, c.rollout_coin < %(share)s,
    p.role IS NULL OR p.role = 'fallback' OR (p.role = 'primary' AND c.rollout_coin < %(share)s),
    {is_auto}, p.confidence, p.latency,
    CASE WHEN l.class IS NULL OR p.class IS NULL THEN -1 WHEN l.class = p.class THEN 0 ELSE 1 END
FROM cases_case c
LEFT JOIN LATERAL (
    SELECT role, route, certificate_id, confidence, latency, class, created_at FROM cases_prediction
    WHERE case_id = c.id AND generation = c.generation AND route IS NOT NULL
    ORDER BY created_at DESC LIMIT 1
) p ON true
{settled}
"""
# A certificate is of one version: what acts by one is left out of both arms, or a canary that has none yet would be
# rolled back for going to people as it should.
_ACTED = "coalesce(p.route = 'auto' AND p.certificate_id IS NULL, false)"
# What an arm would do alone by its confidence, asked of both alike: one that only looks on is never routed.
_WOULD_ACT = """coalesce(p.confidence >= (
        SELECT (body -> 'thresholds' ->> p.class)::float FROM registry_policyversion
        WHERE stream_id = c.stream_id AND state = 'active'
          AND NOT coalesce(jsonb_exists(body -> 'never_automate', p.class), false)
    ), false)"""
# A canary with a share of 1 leaves no case to the primary, which looks on: what it says there is the other arm.
_LOOKED_ON = """
SELECT c.id, false, false, {acts_alone}, p.confidence, NULL,
    CASE WHEN l.class IS NULL THEN -1 WHEN l.class = p.class THEN 0 ELSE 1 END
FROM cases_case c
JOIN cases_prediction p ON p.case_id = c.id AND p.generation = c.generation AND p.role = 'shadow'
  AND p.model_version_id = (SELECT model_version_id FROM registry_rolloutmember
                            WHERE rollout_id = %(rollout)s AND role = 'primary')
{settled}
"""
_BEFORE = """
SELECT p.latency
FROM (
    SELECT id FROM cases_case WHERE stream_id = %(stream)s AND id < %(until)s AND received_at < %(since)s
    ORDER BY id DESC LIMIT %(before)s
) c
JOIN cases_prediction p ON p.case_id = c.id AND p.role = 'primary'
  AND p.model_version_id = (SELECT model_version_id FROM registry_rolloutmember
                            WHERE rollout_id = %(rollout)s AND role = 'primary')
ORDER BY c.id DESC
"""
_SETTLED = """
LEFT JOIN LATERAL (
    SELECT class FROM cases_label WHERE case_id = c.id AND generation = c.generation AND verdict_id IS NOT NULL
    ORDER BY sequence DESC LIMIT 1
) l ON true
WHERE c.stream_id = %(stream)s AND c.id >= %(first)s AND c.received_at >= %(since)s
  AND c.state IN ('decided', 'in_review')
ORDER BY c.id DESC LIMIT %(window)s
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """A live rollout with a canary."""

    stream_id: UUID
    rollout_id: UUID
    since: datetime
    share: float


def evaluate_all() -> int:
    """Look at every live canary and roll back those that break a guard; answers how many were."""
    with connection.cursor() as cursor:
        cursor.execute(_LIVE)
        live = [Watched(*row) for row in cursor.fetchall()]
    return sum(evaluate(watched) for watched in live)


def evaluate(watched: Watched) -> bool:
    """Whether the canary broke a guard and was rolled back; a rollout that moved on meanwhile is left alone."""
    broken = broken_guards(watched)
    if not broken:
        return False
    reason = "Rolled back by its guards. " + " ".join(breach.sentence for breach in broken)
    try:
        rollouts.roll_back(
            stream=Stream.objects.get(pk=watched.stream_id),
            by=SYSTEM,
            reason=reason,
            unless_moved=watched.rollout_id,
            breaches=broken,
        )
    except Conflict:
        return False
    log.warning("canary.rolled_back", stream_id=str(watched.stream_id), guards=[breach.guard for breach in broken])
    return True


def broken_guards(watched: Watched) -> list[Breach]:
    """The guards that the canary breaks by what has been seen since its rollout began."""
    return breaches(sample_of(watched), guards_of(watched))


def guards_of(watched: Watched) -> Guards:
    """What the canary has to keep to."""
    return read_guards(Rollout.objects.values_list("guards", flat=True).get(pk=watched.rollout_id))


def sample_of(watched: Watched) -> Sample:
    """The cases that arrived since the canary began and have been routed, at most the newest 20,000."""
    rows = _rows(_SAMPLE, watched)
    if watched.share >= 1:
        # The primary's look follows the canary's case, as a prefix of both keeps them together.
        rows = sorted([*rows, *_looked_on(watched)], key=lambda row: (row[0], not row[1]))
    columns = list(zip(*rows, strict=True)) if rows else [()] * 7
    return Sample(
        is_canary=np.array(columns[1], dtype=bool),
        is_failed=np.array(columns[2], dtype=bool),
        is_automated=np.array([bool(value) for value in columns[3]], dtype=bool),
        confidence=np.array(columns[4], dtype=np.float64),
        latency=np.array(columns[5], dtype=np.float64),
        is_wrong=np.array(columns[6], dtype=np.int8),
    )


def _looked_on(watched: Watched) -> list[tuple[Any, ...]]:
    """The primary's arm where it only looks on, with its times from when it still decided: its batches wait now."""
    looked = _rows(_LOOKED_ON, watched)
    before = [latency for (latency,) in _rows(_BEFORE, watched)]
    times = [*before[-len(looked) :], *[None] * len(looked)]
    return [(*row[:5], time, row[6]) for row, time in zip(looked, times, strict=False)]


def _rows(question: str, watched: Watched) -> list[tuple[Any, ...]]:
    """Oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            question.format(
                settled=_SETTLED,
                acts_alone=_WOULD_ACT,
                is_auto=_ACTED if watched.share < 1 else _WOULD_ACT,
            ),
            {
                "stream": watched.stream_id,
                "rollout": watched.rollout_id,
                "share": watched.share,
                "since": watched.since,
                "first": first_id_at(watched.since),
                "until": first_id_at(watched.since + 2 * CLOCKS_APART),
                "before": BEFORE,
                "window": WINDOW,
            },
        )
        found: list[tuple[Any, ...]] = cursor.fetchall()[::-1]
    return found


def watched(stream: Stream) -> Watched | None:
    """The stream's live canary, for a page that shows how it does."""
    member = (
        RolloutMember.objects.select_related("rollout")
        .filter(rollout=stream.live_rollout_id, role=RolloutMember.Role.CANARY)
        .first()
    )
    if member is None:
        return None
    return Watched(stream.pk, member.rollout_id, member.rollout.created_at, member.share)
