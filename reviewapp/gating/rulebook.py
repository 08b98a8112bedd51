"""What governs a stream at this moment: its rollout, policy, audit rates and holds, read in one go."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, lru_cache
from uuid import UUID

import msgspec
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Q

from reviewapp.domain.gate import ReviewMode
from reviewapp.domain.policy import Policy
from reviewapp.gating.models import Hold
from reviewapp.registry.models import Stream
from reviewapp.registry.policies import read_body
from reviewapp.writing import execute, together


@dataclass(frozen=True)
class Standing:
    """What the evidence on one model version says today: certified thresholds, their certificates, audit rates."""

    thresholds: Mapping[str, float] = field(default_factory=dict)
    certificates: Mapping[str, str] = field(default_factory=dict)
    audit_rates: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Rulebook:
    """A stream's rules as of one transaction; `read_at` is the database's time when the lock was held.

    standings: by the id of the model version. open_breakers: pairs of class and segment, “” for the whole class.
    """

    stream: Stream
    read_at: datetime
    rollout_id: UUID | None
    policy_version_id: UUID | None
    policy_number: int | None
    policy: Policy | None
    is_held: bool
    standings: Mapping[str, Standing] = field(default_factory=dict)
    open_breakers: frozenset[tuple[str, str]] = frozenset()

    @cached_property
    def review_mode(self) -> ReviewMode:
        return ReviewMode(self.stream.review_mode)

    def policy_for(self, model_version_id: UUID) -> Policy | None:
        """The policy as it stands for one model version: what is set by hand goes before what is certified."""
        if model_version_id not in self._policies:
            self._policies[model_version_id] = self._merged(self.standings.get(str(model_version_id)))
        return self._policies[model_version_id]

    @cached_property
    def _policies(self) -> dict[UUID, Policy | None]:
        return {}

    def _merged(self, standing: Standing | None) -> Policy | None:
        policy = self.policy
        if policy is None or (standing is None and policy.thresholds.keys() <= policy.audit_rates.keys()):
            return policy
        standing = standing or Standing()
        proven = {
            name: threshold
            for name, threshold in standing.thresholds.items()
            if name in policy.promises and name not in policy.thresholds
        }
        thresholds = {**proven, **policy.thresholds}
        # What may act is audited: as much as the policy allows, until the day has a rate of its own.
        unset = dict.fromkeys(thresholds, policy.audit.ceiling)
        return replace(
            policy,
            thresholds=thresholds,
            audit_rates={**unset, **standing.audit_rates, **policy.audit_rates},
            certificates={name: standing.certificates[name] for name in proven},
        )


# What ruling needs; the rest of the row is read when somebody asks for it.
_STREAM_FIELDS = (
    *("id", "team_id", "slug", "name", "classes", "review_mode", "blind_share", "sla", "live_rollout_id"),
)
_LOCK = f"SELECT {', '.join(_STREAM_FIELDS)} FROM registry_stream WHERE id = %s FOR SHARE"  # noqa: S608 our own

# A statement of its own: what it reads must be younger than the lock that was waited for.
_RULES = """
SELECT clock_timestamp(), p.id, p.number, p.body::text,
    (SELECT json_agg(json_build_array(r.model_version_id, r.class, r.rate))::text FROM gating_auditrate r
     WHERE r.stream_id = %(stream)s AND r.day = (clock_timestamp() AT TIME ZONE 'UTC')::date),
    (SELECT json_agg(json_build_array(c.model_version_id, c.scope, c.threshold, c.id))::text FROM gating_certificate c
     WHERE c.stream_id = %(stream)s AND c.voided_at IS NULL AND c.state = 'certified'
       AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp())),
    (SELECT json_agg(json_build_array(b.class, b.segment))::text FROM gating_breaker b
     WHERE b.stream_id = %(stream)s AND b.state = 'open'),
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
    read_at, policy_id, number, body, rates, certificates, breakers, is_stopped = rules_row
    return Rulebook(
        stream=stream,
        read_at=read_at,
        rollout_id=stream.live_rollout_id,
        policy_version_id=policy_id,
        policy_number=number,
        policy=_policy(body) if body else None,
        is_held=is_stopped,
        standings=_standings(rates, certificates) if rates or certificates else {},
        open_breakers=frozenset(map(tuple, msgspec.json.decode(breakers))) if breakers else frozenset(),
    )


def _standings(rates: str | None, certificates: str | None) -> dict[str, Standing]:
    found: dict[str, Standing] = defaultdict(lambda: Standing({}, {}, {}))
    for version, name, rate in msgspec.json.decode(rates or "[]"):
        found[version].audit_rates[name] = rate  # type: ignore[index]  # a dict, made above
    for version, name, threshold, id_ in msgspec.json.decode(certificates or "[]"):
        found[version].thresholds[name] = threshold  # type: ignore[index]
        found[version].certificates[name] = id_  # type: ignore[index]
    return dict(found)


@lru_cache(maxsize=64)
def _policy(body: str) -> Policy:
    """A version's body never changes."""
    return read_body(msgspec.json.decode(body))


def is_held(stream: Stream, scope: str) -> bool:
    """Whether automation or deliveries of the stream are stopped, by its own hold or one over everything."""
    return Hold.objects.filter(
        Q(stream=stream) | Q(stream__isnull=True), scope__in=[scope, Hold.Scope.ALL], lifted_at__isnull=True
    ).exists()
