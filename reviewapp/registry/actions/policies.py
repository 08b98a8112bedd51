"""Policy versions: drafted, activated, retired; each step an event."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from reviewapp.domain.errors import Conflict
from reviewapp.registry.actions.streams import next_number
from reviewapp.registry.actors import Actor, check_role
from reviewapp.registry.models import PolicyVersion, Role, Stream
from reviewapp.registry.policies import check_body
from reviewapp.registry.trail import happened, lock

State = PolicyVersion.State


@transaction.atomic
def draft(*, stream: Stream, body: dict[str, Any], by: Actor, note: str = "") -> PolicyVersion:
    """Write a new draft; nothing changes for the stream until it is activated."""
    check_role(by, stream, Role.POLICY_OWNER)
    check_body(body, stream)
    lock(stream)
    policy = PolicyVersion.objects.create(
        stream=stream,
        number=next_number(stream.policy_versions),
        body=body,
        note=note,
        created_by=str(by),
    )
    _record("policy.drafted", policy, by)
    return policy


@transaction.atomic
def edit(*, policy: PolicyVersion, body: dict[str, Any], by: Actor) -> PolicyVersion:
    """Change a draft. Raises Conflict once it is proposed: make a new draft instead."""
    check_role(by, policy.stream, Role.POLICY_OWNER)
    check_body(body, policy.stream)
    if not PolicyVersion.objects.filter(pk=policy.pk, state=State.DRAFT).update(body=body):
        raise Conflict(f"{policy} is no draft any more; make a new one.", code="policy_read_only")
    policy.body = body
    _record("policy.edited", policy, by)
    return policy


@transaction.atomic
def activate(*, policy: PolicyVersion, by: Actor) -> PolicyVersion:
    """Put a policy in force with the next batch that is gated; the one before it retires."""
    check_role(by, policy.stream, Role.POLICY_OWNER)
    lock(policy.stream)
    current = PolicyVersion.objects.select_for_update(of=("self",), no_key=True).get(pk=policy.pk)
    if current.state == State.ACTIVE:
        return current
    if current.state == State.RETIRED:
        raise Conflict(f"{policy} is retired; draft a new version with the same thresholds.", code="policy_retired")
    now = timezone.now()
    PolicyVersion.objects.filter(stream=policy.stream_id, state=State.ACTIVE).update(
        state=State.RETIRED, retired_at=now
    )
    if current.proposed_by is None:
        current.proposed_by, current.proposed_at = str(by), now
    current.state, current.activated_at = State.ACTIVE, now
    current.save(update_fields=["proposed_by", "proposed_at", "state", "activated_at"])
    _record("policy.activated", current, by)
    return current


def active_policy(stream: Stream) -> PolicyVersion | None:
    return PolicyVersion.objects.filter(stream=stream, state=State.ACTIVE).first()


def _record(type_: str, policy: PolicyVersion, by: Actor) -> None:
    payload = {"number": policy.number, "body": policy.body}
    happened(policy.stream, type_, by=by, payload=payload, subject=f"policy:{policy.pk}")
