"""Every named crash point kills a process in the middle of real work; another goes on, nothing is lost or doubled."""

import re
import signal
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db.models import Count
from django.utils import timezone

from reviewapp.accounts.models import User
from reviewapp.cases import verification
from reviewapp.cases.models import Case, Decision, Label, Prediction, Verdict, Work
from reviewapp.events.actions import PUBLISHED
from reviewapp.events.models import Event
from reviewapp.registry.models import Stream
from reviewapp.webhooks import actions
from reviewapp.webhooks.models import Delivery
from tests.faults import journey, processes
from tests.faults.journey import MANY, NUM_CASES, NUM_FOR_PEOPLE, ONE, Plan
from tests.faults.nursery import Nursery
from tests.people import acting
from tests.webhooks.receiver import Receiver

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

# Who sends first decides which of the two ways of intake dies.
POINTS = [
    *((f"intake.{step}", first) for step in ("before_write", "after_commit") for first in (ONE, MANY)),
    ("intake.before_commit", MANY),  # a single case is one statement, which commits itself
    ("scoring.after_claim", ONE),
    ("scoring.after_predict", ONE),
    ("scoring.before_commit", ONE),
    ("scoring.after_commit", ONE),
    ("explaining.after_claim", ONE),
    ("explaining.before_commit", ONE),
    ("submitting.before_write", ONE),
    ("submitting.before_commit", ONE),
    ("submitting.after_commit", ONE),
    ("delivering.after_relay", ONE),
    ("delivering.before_send", ONE),
    ("delivering.after_send", ONE),
    ("delivering.before_commit", ONE),
]
# Nothing had been committed when these killed the sender.
UNSENT = {"intake.before_write", "intake.before_commit"}


@pytest.fixture(scope="module")
def nursery(django_db_setup: None) -> Iterator[Nursery]:
    with Nursery(processes.of_test_database()) as nursery:
        yield nursery


def test_every_crash_point_of_the_source_is_tried() -> None:
    called = {
        name
        for source in (settings.BASE_DIR / "reviewapp").rglob("*.py")
        for name in re.findall(r"\bcrashpoint\(([^)]*)\)", source.read_text(encoding="utf-8"))
    } - {"name: str"}

    assert called == {f'"{point}"' for point, _ in POINTS}


@pytest.mark.parametrize(("point", "first"), POINTS)
def test_a_kill_loses_and_doubles_nothing(
    point: str, first: str, nursery: Nursery, stream: Stream, rosa: User, integrator: User, tmp_path: Path
) -> None:
    plan = Plan(
        stream=stream.slug,
        reviewer=rosa.email,
        unconfirmed=str(tmp_path / "unconfirmed"),
        senders=(ONE, MANY) if first == ONE else (MANY, ONE),
        is_explained=point.startswith("explaining."),
    )
    armed = {"REVIEWAPP_CRASHPOINT": point, "REVIEWAPP_CRASHPOINT_ONCE": str(tmp_path / "died")}
    with Receiver() as receiver:
        actions.create_endpoint(team=stream.team, url=receiver.url, by=acting(integrator))

        killed = nursery.run("journey", plan.as_json(), **armed)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert gaps() == []

        age_leases()
        told = journey.travel(plan)

    assert gaps() == []
    assert_each_was_done_once(plan)
    assert_receiver_heard_everything(receiver)
    assert ("replayed" in told[:NUM_CASES]) is (point not in UNSENT)
    assert ("replayed" in told[NUM_CASES:]) is (point == "submitting.after_commit")


def gaps() -> list[verification.Finding]:
    findings, _ = verification.verify()
    return [finding for finding in findings if finding.count]


def age_leases() -> None:
    """Let the time be over in which a dead process could still be alive."""
    over = timezone.now() - timedelta(seconds=1)
    for held in (Work.objects, Delivery.objects):
        held.filter(lease_token__isnull=False).update(lease_until=over)


def assert_each_was_done_once(plan: Plan) -> None:
    known = [external_id for sent in journey.SENT.values() for external_id in sent]
    assert sorted(Case.objects.values_list("external_id", flat=True)) == sorted(known)
    assert Counter(Case.objects.values_list("state", flat=True)) == {"decided": NUM_CASES}
    for once in (Prediction, Decision):
        assert set(once.objects.values("case").annotate(num=Count("pk")).values_list("num", flat=True)) == {1}
        assert once.objects.count() == NUM_CASES
    assert Counter(Decision.objects.values_list("source", flat=True)) == {
        "auto": NUM_CASES - NUM_FOR_PEOPLE,
        "human": NUM_FOR_PEOPLE,
    }
    assert Verdict.objects.filter(status=Verdict.Status.COUNTED).count() == NUM_FOR_PEOPLE
    assert Verdict.objects.count() == Label.objects.count() == NUM_FOR_PEOPLE
    left = {"explain": 0 if plan.is_explained else NUM_FOR_PEOPLE}
    assert Work.objects.filter(kind="explain", lease_token=None).count() == left["explain"]
    assert not Work.objects.exclude(kind__in=["explain", "embed"]).exists()


def assert_receiver_heard_everything(receiver: Receiver) -> None:
    """Each published event came at least once, every time under the same id with the same content."""
    heard: dict[str, set[bytes]] = defaultdict(set)
    for one in receiver.received:
        heard[one.headers["webhook-id"]].add(one.body)
    published = Event.objects.filter(type__in=PUBLISHED)
    assert set(heard) == {f"msg_{event_id}" for event_id in published.values_list("pk", flat=True)}
    assert [bodies for bodies in heard.values() if len(bodies) > 1] == []
    assert published.count() == NUM_CASES + NUM_FOR_PEOPLE
    assert set(Delivery.objects.values_list("state", flat=True)) == {Delivery.State.DELIVERED}
