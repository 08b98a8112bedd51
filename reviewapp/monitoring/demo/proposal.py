"""A change of policy on its way: drafted and back-tested by one policy owner, it waits for the approval of another."""

from functools import partial
from uuid import UUID

from django.utils import timezone

from reviewapp.cases.actions import back_testing
from reviewapp.gating.actions import activation
from reviewapp.gating.models import BackTest
from reviewapp.monitoring.demo.people import Person
from reviewapp.monitoring.demo.plans import Plan
from reviewapp.monitoring.demo.progress import wait_until_done
from reviewapp.registry.actions import policies
from reviewapp.registry.models import PolicyVersion, Stream

State = BackTest.State


def ensure(plan: Plan, stream: Stream, *, by: Person) -> None:
    """Propose the plan's change with a back-test on the cases so far; whatever version came second is left alone."""
    if plan.proposal is None:
        return
    draft = _draft(plan, stream, by)
    if draft is None:
        return
    if activation.back_test_of(draft) is None:
        first = stream.cases.order_by("pk").values_list("received_at", flat=True)[0]
        test = back_testing.start(policy=draft, period_start=first, period_end=timezone.now(), by=by.actor)
        wait_until_done(
            f"Back-testing {stream.slug}", total=stream.cases.count(), left=partial(_left, test.pk), by="worker"
        )
    activation.propose(policy=draft, by=by.actor, untested_because="Its back-test came to no end.")


def _draft(plan: Plan, stream: Stream, by: Person) -> PolicyVersion | None:
    """The draft to propose, also one that a run which was cut short has left."""
    assert plan.proposal is not None
    body = {**plan.policy, **plan.proposal.changes}
    second = stream.policy_versions.filter(number__gt=1).order_by("number").first()
    if second is None:
        return policies.draft(stream=stream, body=body, note=plan.proposal.note, by=by.actor)
    is_ours = second.created_by == str(by.actor) and second.body == body and second.note == plan.proposal.note
    return second if is_ours and second.state == PolicyVersion.State.DRAFT else None


def _left(test: UUID) -> int:
    """The cases that are still to be replayed."""
    found = BackTest.objects.get(pk=test)
    if found.state not in back_testing.UNFINISHED:
        return 0
    progress = (found.result or {}).get("progress", {})
    return max(1, progress.get("cases", 1) - progress.get("replayed", 0))
