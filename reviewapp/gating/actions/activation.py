"""Where a policy version meets the evidence: proposed with its back-test, put in force with what it makes void."""

from django.db import transaction

from reviewapp.gating.models import BackTest
from reviewapp.registry.actions import policies
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import PolicyVersion
from reviewapp.registry.trail import lock


@transaction.atomic
def propose(*, policy: PolicyVersion, by: Actor, untested_because: str = "") -> PolicyVersion:
    """Ask for approval with the newest finished back-test of this very body, or else with the reason why none."""
    lock(policy.stream)
    policy.refresh_from_db(fields=["body"])
    tested = back_test_of(policy)
    return policies.propose(
        policy=policy,
        by=by,
        back_test_id=tested.pk if tested else None,
        untested_because="" if tested else untested_because,
    )


@transaction.atomic
def activate(*, policy: PolicyVersion, by: Actor) -> PolicyVersion:
    """Put a version in force with the next batch; certificates that it makes void are void with the same commit."""
    lock(policy.stream)
    before = policies.active_policy(policy.stream)
    return _after(policies.activate(policy=policy, by=by), before, by)


@transaction.atomic
def roll_back(*, policy: PolicyVersion, by: Actor, reason: str) -> PolicyVersion:
    """Leave the active version for the one before it, as a new version with that body."""
    lock(policy.stream)
    before = policies.active_policy(policy.stream)
    return _after(policies.roll_back(policy=policy, by=by, reason=reason), before, by)


def back_test_of(policy: PolicyVersion) -> BackTest | None:
    """The newest finished back-test of the version as it reads now: a draft may have been edited since an earlier."""
    done = BackTest.objects.filter(policy_version=policy, state=BackTest.State.DONE).order_by("-pk")
    return next((one for one in done if (one.result or {}).get("body") == policy.body), None)


def _after(active: PolicyVersion, before: PolicyVersion | None, by: Actor) -> PolicyVersion:
    # The evidence is weighed with numpy: a process that activates nothing never loads it.
    from reviewapp.gating.actions import certificates

    if before is None or before.pk != active.pk:
        certificates.on_policy_activated(policy=active, before=before, by=by)
    return active
