"""What governs a stream at this moment: its rollout, policy, audit rates and holds, read in one go."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache
from uuid import UUID

import msgspec
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Q

from reviewapp.domain.gate import Policy, ReviewMode
from reviewapp.gating.models import Hold
from reviewapp.registry.models import Stream
from reviewapp.registry.policies import read_body
from reviewapp.writing import execute, together


@dataclass(frozen=True)
class Rulebook:
    """A stream's rules as of one transaction; `read_at` is the database's time when the lock was held."""

    stream: Stream
    read_at: datetime
    rollout_id: UUID | None
    policy_version_id: UUID | None
    policy_number: int | None
    policy: Policy | None
    is_held: bool

    @cached_property
    def review_mode(self) -> ReviewMode:
        return ReviewMode(self.stream.review_mode)


# What ruling needs; the rest of the row is read when somebody asks for it.
_STREAM_FIELDS = (
    *("id", "team_id", "slug", "name", "classes", "review_mode", "blind_share", "sla", "live_rollout_id"),
)
_LOCK = f"SELECT {', '.join(_STREAM_FIELDS)} FROM registry_stream WHERE id = %s FOR SHARE"  # noqa: S608 our own

# A statement of its own: what it reads must be younger than the lock that was waited for.
_RULES = """
SELECT clock_timestamp(), p.id, p.number, p.body::text,
    (SELECT json_object_agg(r.class, r.rate)::text FROM gating_auditrate r
     WHERE r.stream_id = %(stream)s AND r.day = (clock_timestamp() AT TIME ZONE 'UTC')::date),
    EXISTS (SELECT 1 FROM gating_hold h WHERE (h.stream_id = %(stream)s OR h.stream_id IS NULL)
            AND h.scope IN ('automation', 'all') AND h.lifted_at IS NULL)
FROM (SELECT 1) one
LEFT JOIN registry_policyversion p ON p.stream_id = %(stream)s AND p.state = 'active'
"""


def read_locked(stream_id: UUID) -> Rulebook:
    """The rules, under a share lock that ends with the transaction.

    Placing a hold, activating a policy and promoting a version lock the stream's row against this, so that none of
    them commits while a batch is being decided by the rules before it.
    """
    with together(2):
        locked = execute(_LOCK, [stream_id])
        rules = execute(_RULES, {"stream": stream_id})
    (stream_row,), (rules_row,) = locked.fetchall(), rules.fetchall()
    stream = Stream.from_db(DEFAULT_DB_ALIAS, _STREAM_FIELDS, stream_row)
    read_at, policy_id, number, body, rates, is_stopped = rules_row
    policy = _policy(body) if body else None
    if policy and rates:
        policy = replace(policy, audit_rates={**policy.audit_rates, **msgspec.json.decode(rates)})
    return Rulebook(
        stream=stream,
        read_at=read_at,
        rollout_id=stream.live_rollout_id,
        policy_version_id=policy_id,
        policy_number=number,
        policy=policy,
        is_held=is_stopped,
    )


@lru_cache(maxsize=64)
def _policy(body: str) -> Policy:
    """A version's body never changes."""
    return read_body(msgspec.json.decode(body))


def is_held(stream: Stream, scope: str) -> bool:
    """Whether automation or deliveries of the stream are stopped, by its own hold or one over everything."""
    return Hold.objects.filter(
        Q(stream=stream) | Q(stream__isnull=True), scope__in=[scope, Hold.Scope.ALL], lifted_at__isnull=True
    ).exists()
