"""What governs a stream at this moment: its rollout, policy, audit rates and holds, read in one go."""

from dataclasses import dataclass, replace
from functools import cached_property
from uuid import UUID

import msgspec
from django.db import connection
from django.db.models import Q

from reviewapp.domain.gate import Policy, ReviewMode
from reviewapp.gating.models import Hold
from reviewapp.registry.models import Stream
from reviewapp.registry.policies import read_body


@dataclass(frozen=True)
class Rulebook:
    """A stream's rules as of one transaction."""

    stream: Stream
    rollout_id: UUID | None
    policy_version_id: UUID | None
    policy_number: int | None
    policy: Policy | None
    is_held: bool

    @cached_property
    def review_mode(self) -> ReviewMode:
        return ReviewMode(self.stream.review_mode)


# A statement of its own: what it reads must be younger than the lock that was waited for.
_RULES = """
SELECT p.id, p.number, p.body::text,
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
    stream = Stream.objects.raw("SELECT * FROM registry_stream WHERE id = %s FOR SHARE", [stream_id])[0]
    with connection.cursor() as cursor:
        cursor.execute(_RULES, {"stream": stream_id})
        policy_id, number, body, rates, is_stopped = cursor.fetchone()
    policy = read_body(msgspec.json.decode(body)) if body else None
    if policy and rates:
        policy = replace(policy, audit_rates={**policy.audit_rates, **msgspec.json.decode(rates)})
    return Rulebook(
        stream=stream,
        rollout_id=stream.live_rollout_id,
        policy_version_id=policy_id,
        policy_number=number,
        policy=policy,
        is_held=is_stopped,
    )


def is_held(stream: Stream, scope: str) -> bool:
    """Whether automation or deliveries of the stream are stopped, by its own hold or one over everything."""
    return Hold.objects.filter(
        Q(stream=stream) | Q(stream__isnull=True), scope__in=[scope, Hold.Scope.ALL], lifted_at__isnull=True
    ).exists()
