"""What every measurement works with: the servers, one stream that decides, its model and a key."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import psycopg

from bench import cases, fill
from bench.samples import Goal, Recorder, Result, Sample, check, interleave
from bench.servers import Installation

if TYPE_CHECKING:
    from inference.model import Model
    from inference.training.demo import TrainedDemo
    from reviewapp.registry.models import Stream

# Cases to one call of the bulk measurements.
BULK = 1000
# A promise that nothing has proven sends every case to people; measured is a stream that decides.
BY_HAND = {"thresholds": {"benign": 0.97, "malignant": 0.95}, "audit_rates": {"benign": 0.1, "malignant": 0.05}}


@dataclass
class Workbench:
    """One run. `size(full, small)` chooses between the real measurement and its small form."""

    installation: Installation
    recorder: Recorder
    rounds: int
    is_small: bool
    slug: str = "tumour-triage"
    _seed: int = field(default=0)

    def beside(self, slug: str) -> "Workbench":
        """The same servers with another of the demo's streams."""
        return Workbench(self.installation, self.recorder, self.rounds, self.is_small, slug)

    def size(self, full: int, small: int) -> int:
        return small if self.is_small else full

    def compare(self, goal: Goal, *, product: Callable[[], Sample], anchor: Callable[[], Sample]) -> Result:
        return interleave(goal, self.recorder, product=product, anchor=anchor, rounds=self.rounds)

    @cached_property
    def database(self) -> psycopg.Connection[Any]:
        return self.installation.connect()

    @cached_property
    def demo(self) -> "TrainedDemo":
        from reviewapp import inference_client

        return inference_client.demo_bundle(self.slug)

    @cached_property
    def model(self) -> "Model":
        from reviewapp import inference_client

        return inference_client.load(self.demo.files)

    @cached_property
    def stream(self) -> "Stream":
        """The demo's stream with its model and policy: what a new installation shows."""
        from reviewapp.gating.actions import activation
        from reviewapp.monitoring.demo.plans import PLANS
        from reviewapp.registry.actions import policies, streams, versions
        from reviewapp.registry.actors import SYSTEM

        (plan,) = [one for one in PLANS if one.slug == self.slug]
        stream = streams.create(
            team=streams.default_team(),
            slug=plan.slug,
            name=plan.name,
            classes=plan.classes,
            review_mode=plan.review_mode,
            blind_share=plan.blind_share,
            sla=plan.sla,
            by=SYSTEM,
        )
        versions.roll_out(primary=versions.register_bundle(stream=stream, files=self.demo.files, by=SYSTEM), by=SYSTEM)
        body = dict(plan.policy) if "thresholds" in plan.policy else {**plan.policy, **BY_HAND}
        activation.activate(policy=policies.draft(stream=stream, body=body, by=SYSTEM), by=SYSTEM)
        stream.refresh_from_db()
        return stream

    @cached_property
    def key(self) -> str:
        from reviewapp.registry.actions import clients
        from reviewapp.registry.actors import SYSTEM

        return clients.create_key(
            team=self.stream.team, client_name="bench", scopes=("cases:write", "cases:read"), by=SYSTEM
        )[1]

    @property
    def path(self) -> str:
        return f"/api/v1/streams/{self.stream.slug}/cases"

    def bodies(self, number: int) -> list[dict[str, Any]]:
        """Fresh cases: new ids, rows that no sample before has sent."""
        self._seed += 1
        return cases.bodies(self.demo.stream_rows, number, seed=self._seed)

    def receive(self, bodies: list[dict[str, Any]]) -> None:
        """Take cases in by the product's own action."""
        from reviewapp.cases import submissions
        from reviewapp.cases.actions import intake
        from reviewapp.registry.actors import SYSTEM
        from reviewapp.registry.contracts import contract_of

        contract = contract_of(self.stream)
        for start in range(0, len(bodies), BULK):
            batch = [
                submissions.parse(body, stream=self.stream, contract=contract) for body in bodies[start : start + BULK]
            ]
            receipts = intake.receive(stream=self.stream, submissions=batch, by=SYSTEM)
            check(all(receipt.outcome == "created" for receipt in receipts), "a fresh case was not created")

    def backlog(self, number: int) -> fill.Backlog:
        """Cases that wait for their score, kept as text; the tables are empty before and after."""
        fill.clear(self.database)
        self.receive(self.bodies(number))
        found = fill.read(self.database)
        fill.clear(self.database)
        return found

    def one(self, question: str, *values: Any) -> Any:
        """The single value that a question to the database has."""
        row = self.database.execute(question.encode(), values).fetchone()
        return row[0] if row else None

    def wake(self, task: str) -> None:
        """Have a worker look now, as a commit would."""
        from reviewapp.celery import waker

        waker.publish(task)
