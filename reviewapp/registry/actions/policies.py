"""Policy versions: drafted, proposed, approved, activated, retired, rolled back; each step an event.

What acts on evidence too goes through `gating.actions.activation`, which calls these.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from reviewapp.accounts.models import User
from reviewapp.domain.errors import Conflict, Forbidden, Invalid
from reviewapp.registry import policy_changes
from reviewapp.registry.actions.streams import next_number
from reviewapp.registry.actors import Actor, check_role
from reviewapp.registry.models import Membership, PolicyVersion, Role, Stream
from reviewapp.registry.policies import check_body
from reviewapp.registry.policy_changes import Change
from reviewapp.registry.trail import happened, lock

State, Unapproved = PolicyVersion.State, PolicyVersion.Unapproved
MAX_REASON = 500


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
def edit(*, policy: PolicyVersion, body: dict[str, Any], by: Actor, note: str | None = None) -> PolicyVersion:
    """Change a draft. Raises Conflict once it is proposed: make a new draft instead, or have it sent back."""
    check_role(by, policy.stream, Role.POLICY_OWNER)
    check_body(body, policy.stream)
    # What is proposed must be the body whose back-test was found.
    lock(policy.stream)
    changes: dict[str, Any] = {"body": body} if note is None else {"body": body, "note": note}
    if not PolicyVersion.objects.filter(pk=policy.pk, state=State.DRAFT).update(**changes):
        raise Conflict(f"{policy} is no draft any more; make a new one.", code="policy_read_only")
    for name, value in changes.items():
        setattr(policy, name, value)
    _record("policy.edited", policy, by)
    return policy


@transaction.atomic
def propose(
    *, policy: PolicyVersion, by: Actor, back_test_id: UUID | None = None, untested_because: str = ""
) -> PolicyVersion:
    """Ask for another person's approval, with a back-test of this very body or the reason why there is none."""
    check_role(by, policy.stream, Role.POLICY_OWNER)
    current = _locked(policy)
    if current.state != State.DRAFT:
        raise Conflict(f"{policy} is {current.state}; only a draft is proposed.", code="policy_not_draft")
    check_body(current.body, current.stream)
    reason = (
        ""
        if back_test_id
        else _reason(
            untested_because,
            field="untested_because",
            missing="Back-test the draft first, or say why it is proposed without a back-test.",
        )
    )
    current.state, current.sent_back_because = State.PROPOSED, ""
    current.proposed_by, current.proposed_at = str(by), timezone.now()
    current.back_test_id, current.untested_because = back_test_id, reason
    current.save(
        update_fields=[
            *("state", "sent_back_because", "proposed_by", "proposed_at", "back_test_id", "untested_because"),
        ]
    )
    _record("policy.proposed", current, by, **_compared(current), **_tested(current))
    return current


@transaction.atomic
def approve(*, policy: PolicyVersion, by: Actor) -> PolicyVersion:
    """Agree, as a second person, to what somebody else proposed; it may be activated then."""
    check_role(by, policy.stream, Role.POLICY_OWNER)
    if by.kind != "user":
        raise Forbidden("A policy is approved by a person: sign in.", code="person_required")
    current = _locked(policy)
    if current.state != State.PROPOSED:
        raise Conflict(f"{policy} is {current.state}; only a proposed version is approved.", code="policy_not_proposed")
    if current.proposed_by == str(by):
        raise Forbidden("You proposed it yourself; another policy owner has to approve it.", code="same_person")
    check_body(current.body, current.stream)
    current.state, current.approved_by, current.approved_at = State.APPROVED, str(by), timezone.now()
    current.save(update_fields=["state", "approved_by", "approved_at"])
    _record("policy.approved", current, by, **_compared(current), **_tested(current), proposed_by=current.proposed_by)
    return current


@transaction.atomic
def send_back(*, policy: PolicyVersion, by: Actor, reason: str) -> PolicyVersion:
    """Make a proposed or approved version a draft again, saying why."""
    check_role(by, policy.stream, Role.POLICY_OWNER)
    reason = _reason(reason, field="reason", missing="Say why it is sent back, for the one who proposed it.")
    current = _locked(policy)
    if current.state not in {State.PROPOSED, State.APPROVED}:
        raise Conflict(
            f"{policy} is {current.state}; only a proposed or approved version is sent back.",
            code="policy_not_proposed",
        )
    proposed_by = current.proposed_by
    current.state, current.sent_back_because = State.DRAFT, reason
    current.proposed_by = current.proposed_at = current.approved_by = current.approved_at = None
    current.back_test_id, current.untested_because = None, ""
    current.save(
        update_fields=[
            *("state", "sent_back_because", "proposed_by", "proposed_at", "approved_by", "approved_at"),
            *("back_test_id", "untested_because"),
        ]
    )
    _record("policy.sent_back", current, by, reason=reason, proposed_by=proposed_by)
    return current


@transaction.atomic
def activate(*, policy: PolicyVersion, by: Actor) -> PolicyVersion:
    """Put an approved policy in force with the next batch that is gated; the one before it retires.

    Where nobody but its proposer owns the policies of the stream there is no one to approve it: it comes into force
    unapproved, and says so. Call `gating.actions.activation.activate`, which also voids what the change makes void.
    """
    check_role(by, policy.stream, Role.POLICY_OWNER)
    current = _locked(policy)
    if current.state == State.ACTIVE:
        return current
    if current.state == State.RETIRED:
        raise Conflict(f"{policy} is retired; draft a new version with the same thresholds.", code="policy_retired")
    check_body(current.body, current.stream)
    if current.state != State.APPROVED:
        current.unapproved_because = _unapproved(current, by)
    if current.proposed_by is None:
        current.proposed_by, current.proposed_at = str(by), timezone.now()
    _put_in_force(current, by)
    return current


@transaction.atomic
def roll_back(*, policy: PolicyVersion, by: Actor, reason: str) -> PolicyVersion:
    """Leave the active version: what was in force before it comes back as a new version with the same body.

    It was approved before, so it is not approved again. A version that was left by a rollback is not gone back to.
    Raises Conflict where `policy` is not in force any more, or nothing was before it.
    """
    check_role(by, policy.stream, Role.POLICY_OWNER)
    reason = _reason(reason, field="reason", missing="A rollback needs a reason.")
    current = _locked(policy)
    if current.state != State.ACTIVE:
        raise Conflict(
            f"{policy} is {current.state}; only the active version is rolled back.", code="policy_not_active"
        )
    earlier = predecessor(current)
    if earlier is None:
        raise Conflict(f"Nothing was in force before {policy}; draft a new version.", code="nothing_before")
    check_body(earlier.body, current.stream)
    now = timezone.now()
    restored = PolicyVersion(
        stream=current.stream,
        number=next_number(current.stream.policy_versions),
        body=earlier.body,
        note=reason,
        created_by=str(by),
        proposed_by=str(by),
        proposed_at=now,
        restores=earlier,
        unapproved_because=Unapproved.ROLLED_BACK,
    )
    _record("policy.rolled_back", current, by, reason=reason, restores=earlier.number, to=restored.number)
    _put_in_force(restored, by)
    return restored


def predecessor(policy: PolicyVersion) -> PolicyVersion | None:
    """The version to which a rollback of this one leads."""
    start = policy
    while start.restores is not None:
        start = start.restores
    if start.activated_at is None:
        return None
    return (
        PolicyVersion.objects.filter(stream=policy.stream_id, activated_at__lt=start.activated_at)
        .select_related("stream", "restores")
        .order_by("-activated_at", "-number")
        .first()
    )


def compared_with(policy: PolicyVersion) -> PolicyVersion | None:
    """The version that this one replaced, or would replace."""
    versions = PolicyVersion.objects.filter(stream=policy.stream_id)
    if policy.activated_at is None:
        return versions.filter(state=State.ACTIVE).first()
    return versions.filter(activated_at__lt=policy.activated_at).order_by("-activated_at", "-number").first()


def active_policy(stream: Stream) -> PolicyVersion | None:
    return PolicyVersion.objects.filter(stream=stream, state=State.ACTIVE).first()


def diff(before: PolicyVersion | None, after: PolicyVersion) -> Sequence[Change]:
    """What the second version changes against the first, in words and as values."""
    return policy_changes.diff(before.body if before else {}, after.body)


def approvers(policy: PolicyVersion, *, by: Actor) -> Sequence[User]:
    """Who may approve the version: the stream's policy owners but the one who proposed it (or now would)."""
    kind, _, id_ = (policy.proposed_by or str(by)).partition(":")
    stream = policy.stream
    owners = Membership.objects.filter(Q(stream__isnull=True) | Q(stream=stream), team=stream.team_id)
    people = User.objects.filter(pk__in=owners.filter(role=Role.POLICY_OWNER).values("user"), is_active=True).order_by(
        "pk"
    )
    return list(people.exclude(pk=id_) if kind == "user" else people)


def _unapproved(policy: PolicyVersion, by: Actor) -> str:
    """Why a version may come into force that nobody approved. Raises Conflict where somebody can."""
    if by.is_system:
        return Unapproved.SYSTEM
    others = approvers(policy, by=by)
    if not others:
        return Unapproved.SOLE_OWNER
    names = ", ".join(person.name for person in others[:3])
    step = "waits for approval" if policy.state == State.PROPOSED else "is a draft; propose it first"
    raise Conflict(
        f"{policy} {step}. Another policy owner has to approve it ({names}).",
        code="approval_missing",
    )


def _put_in_force(policy: PolicyVersion, by: Actor) -> None:
    """Retire the active version and write this one as the active one; the stream is locked."""
    now = timezone.now()
    last = PolicyVersion.objects.filter(stream=policy.stream_id, state=State.ACTIVE).first()
    if last is not None:
        last.state, last.retired_at = State.RETIRED, now
        last.save(update_fields=["state", "retired_at"])
        happened(policy.stream, "policy.retired", by=by, payload={"number": last.number}, subject=f"policy:{last.pk}")
    policy.state, policy.activated_at = State.ACTIVE, now
    policy.save()
    _record(
        "policy.activated",
        policy,
        by,
        **_against(last, policy),
        **_tested(policy),
        proposed_by=policy.proposed_by,
        approved_by=policy.approved_by,
        sole_owner=policy.unapproved_because == Unapproved.SOLE_OWNER,
        unapproved_because=policy.unapproved_because,
        restores=policy.restores.number if policy.restores else None,
    )


def _locked(policy: PolicyVersion) -> PolicyVersion:
    """The version as it is, under the stream's lock."""
    lock(policy.stream)
    versions = PolicyVersion.objects.select_for_update(of=("self",), no_key=True)
    return versions.select_related("stream", "restores").get(pk=policy.pk)


def _reason(text: str, *, field: str, missing: str) -> str:
    reason = text.strip()
    if reason and len(reason) <= MAX_REASON:
        return reason
    message = f"At most {MAX_REASON} characters." if reason else missing
    code = "reason_too_long" if reason else "reason_missing"
    raise Invalid(message, code=code, errors=[{"field": field, "code": code, "message": message}])


def _compared(policy: PolicyVersion) -> Mapping[str, Any]:
    return _against(active_policy(policy.stream), policy)


def _against(last: PolicyVersion | None, policy: PolicyVersion) -> Mapping[str, Any]:
    """What a version changes against the one in force, for an event."""
    return {"before": last.number if last else None, "changes": [one.as_dict() for one in diff(last, policy)]}


def _tested(policy: PolicyVersion) -> Mapping[str, Any]:
    return {
        "back_test": str(policy.back_test_id) if policy.back_test_id else None,
        "untested_because": policy.untested_because,
    }


def _record(type_: str, policy: PolicyVersion, by: Actor, **more: Any) -> None:
    payload = {"number": policy.number, "body": policy.body, **more}
    happened(policy.stream, type_, by=by, payload=payload, subject=f"policy:{policy.pk}")
