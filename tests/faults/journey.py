"""The way of some cases from their sender to the receiver of their decisions, in a process that may die anywhere.

Run again it does what senders, workers and reviewers do after a failure: it repeats whatever was not confirmed.
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from django.db.models.functions import Now

from reviewapp.accounts.models import User
from reviewapp.cases.actions import claims, explaining, intake, scoring, verdicts
from reviewapp.embedded.lanes import LANES
from reviewapp.events.models import OutboxEntry
from reviewapp.registry.actors import SYSTEM, Actor
from reviewapp.registry.models import Stream
from reviewapp.webhooks import sending
from tests.factories import bundles, cases

ONE, MANY = "one", "many"
# The senders: which cases each sends, singly or in one call. Every other case is one for people.
SENT = {ONE: ["single-0", "single-1"], MANY: [f"bulk-{number}" for number in range(6)]}
NUM_CASES, NUM_FOR_PEOPLE = 8, 4


@dataclass(frozen=True)
class Plan:
    """`unconfirmed` is the reviewer's memory of an answer whose receipt never came."""

    stream: str
    reviewer: str
    unconfirmed: str
    senders: tuple[str, ...] = (ONE, MANY)
    is_explained: bool = False

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def main() -> None:
    travel(Plan(**json.loads(sys.argv[1])))


def travel(plan: Plan) -> list[str]:
    """The whole way; answers what the sender and the reviewer were told."""
    stream = Stream.objects.select_related("team").get(slug=plan.stream)
    free_leases()
    told = [receipt.outcome for sender in plan.senders for receipt in send(stream, sender)]
    while scoring.score_batch():
        pass
    while plan.is_explained and explaining.explain_batch():
        pass
    told += answer(stream, Actor.for_user(User.objects.get(email=plan.reviewer)), Path(plan.unconfirmed))
    OutboxEntry.objects.update(available_at=Now())  # the time in which an answer can be undone is over
    sending.deliver(seconds=30)
    return told


def free_leases() -> None:
    """What the sweeper does with the leases of the dead."""
    for lane in LANES:
        if lane.free:
            lane.free()


def send(stream: Stream, sender: str) -> list[intake.Receipt]:
    submissions = [
        cases.submission(stream, external_id, bundles.UNCLEAR if place % 2 else bundles.CLEARLY_INTACT)
        for place, external_id in enumerate(SENT[sender])
    ]
    if sender == MANY:
        return intake.receive(stream=stream, submissions=submissions, by=SYSTEM)
    return [intake.receive_one(stream=stream, submission=one, by=SYSTEM) for one in submissions]


def answer(stream: Stream, by: Actor, unconfirmed: Path) -> Iterable[str]:
    """Repeats the answer that was not confirmed, then works through the queue."""
    if unconfirmed.exists():
        yield submit(*unconfirmed.read_text().split(), by=by)
    while review := claims.claim_next(stream=stream, by=by):
        unconfirmed.write_text(f"{review.pk} {review.claim_token}")
        yield submit(str(review.pk), str(review.claim_token), by=by)
        unconfirmed.unlink()


def submit(review_id: str, claim_token: str, *, by: Actor) -> str:
    return verdicts.submit(review_id=UUID(review_id), claim_token=UUID(claim_token), answer="damaged", by=by).result
