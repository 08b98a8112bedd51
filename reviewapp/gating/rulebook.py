"""What governs a stream at this moment: its rollout, policy, audit rates and holds, read in one go."""

from dataclasses import dataclass, replace
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now, TruncDate

from reviewapp.domain.gate import Policy, ReviewMode
from reviewapp.gating.models import AuditRate, Hold
from reviewapp.registry.models import PolicyVersion, Stream
from reviewapp.registry.policies import read_body


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A stream's rules as of one transaction."""

    stream: Stream
    rollout_id: UUID | None
    policy_version_id: UUID | None
    policy_number: int | None
    policy: Policy | None
    is_held: bool

    @property
    def review_mode(self) -> ReviewMode:
        return ReviewMode(self.stream.review_mode)


def read_locked(stream_id: UUID) -> Rulebook:
    """The rules, under a share lock that ends with the transaction.

    Placing a hold, activating a policy and promoting a version lock the stream's row against this, so that none of
    them commits while a batch is being decided by the rules before it.
    """
    stream = Stream.objects.raw("SELECT * FROM registry_stream WHERE id = %s FOR SHARE", [stream_id])[0]
    row = PolicyVersion.objects.filter(stream=stream, state=PolicyVersion.State.ACTIVE).first()
    policy = _with_rates_of_the_day(stream, read_body(row.body)) if row else None
    return Rulebook(
        stream=stream,
        rollout_id=stream.live_rollout_id,
        policy_version_id=row.pk if row else None,
        policy_number=row.number if row else None,
        policy=policy,
        is_held=is_held(stream, Hold.Scope.AUTOMATION),
    )


def is_held(stream: Stream, scope: str) -> bool:
    """Whether automation or deliveries of the stream are stopped, by its own hold or one over everything."""
    return Hold.objects.filter(
        Q(stream=stream) | Q(stream__isnull=True), scope__in=[scope, Hold.Scope.ALL], lifted_at__isnull=True
    ).exists()


def _with_rates_of_the_day(stream: Stream, policy: Policy) -> Policy:
    rates = dict(AuditRate.objects.filter(stream=stream, day=TruncDate(Now())).values_list("answer", "rate"))
    return replace(policy, audit_rates={**policy.audit_rates, **rates}) if rates else policy
