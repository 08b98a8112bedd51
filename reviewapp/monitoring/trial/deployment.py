"""A trial's stream: trained, opened, gated by promises alone, with people to read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reviewapp import inference_client
from reviewapp.accounts.models import Team, User
from reviewapp.cases import submissions
from reviewapp.cases.submissions import Submission
from reviewapp.domain.errors import Invalid
from reviewapp.gating.actions import activation
from reviewapp.monitoring.trial.plan import Plan
from reviewapp.registry.actions import policies, streams, training
from reviewapp.registry.actors import SYSTEM, Actor
from reviewapp.registry.contracts import contract_of
from reviewapp.registry.models import Membership, ModelVersion, Role, Stream

if TYPE_CHECKING:
    from inference.training.parts import Later
    from inference.training.run import Trained

TEAM = "trial"
# An audit that contradicts is read by a second person, and by a third who settles it.
READERS = ("Rosa", "Ravi", "Rita")


@dataclass(frozen=True)
class Arriving:
    """A case before it arrives, and what people will answer."""

    submission: Submission
    answer: str


@dataclass(frozen=True)
class Deployment:
    """What stands when the first case arrives. `refused`: rows that upstream could not have sent."""

    plan: Plan
    stream: Stream
    version: ModelVersion
    readers: Sequence[Actor]
    arriving: Sequence[Sequence[Arriving]]
    trained_on: int
    refused: int


def open_stream(plan: Plan, *, scratch: Path, say: Callable[[str], None]) -> Deployment:
    """Train on the early rows and let the model serve. Raises Invalid, TrainingRefused or OSError."""
    plan.check()
    team, _ = Team.objects.get_or_create(slug=TEAM, defaults={"name": "Trial"})
    training.check_new_stream(team=team, slug=plan.stream)
    early, later = inference_client.divide(plan.data, scratch, target=plan.target, time=plan.time, share=plan.early)
    plan.check_columns(later.columns)
    trained = _trained(plan, early, say)
    streams.create(
        team=team,
        slug=plan.stream,
        name=plan.stream.replace("-", " ").capitalize(),
        classes=trained.manifest.classes,
        # Every answer is given unseen: so the reviews of the cold start are evidence, all of them.
        review_mode=Stream.Mode.BLIND,
        by=SYSTEM,
    )
    found = training.register(team=team, slug=plan.stream, files=trained.files, by=SYSTEM)
    stream = Stream.objects.select_related("team").get(pk=found.version.stream_id)
    draft = policies.draft(stream=stream, body=plan.body(trained.manifest.classes), by=SYSTEM, note="Cold start.")
    activation.activate(policy=draft, by=SYSTEM)
    say("reading the later rows")
    arriving, refused = _arriving(later, stream, found.version)
    return Deployment(
        plan=plan,
        stream=stream,
        version=found.version,
        readers=[_reader(team, name) for name in READERS],
        arriving=_by_day(plan, arriving),
        trained_on=int(trained.manifest.lineage["rows"]),
        refused=refused,
    )


def _trained(plan: Plan, early: Path, say: Callable[[str], None]) -> "Trained":
    try:
        return inference_client.train(early, say=say, **plan.training)
    except inference_client.TrainingRefused as refusal:
        said = f"The first {plan.early:.4g} of the rows train (--early), and among these: {refusal}"
        raise Invalid(said, code="training_refused") from refusal


def _arriving(later: "Later", stream: Stream, version: ModelVersion) -> tuple[list[Arriving], int]:
    assert version.bundle is not None, "it was registered with one"
    contract, manifest = contract_of(stream), inference_client.manifest(version.bundle.manifest)
    found, refused = [], 0
    for number, features, answer in zip(later.numbers, later.rows(manifest.columns), later.answers, strict=True):
        body = {"external_id": f"row-{number}", "features": features}
        try:
            found.append(Arriving(submissions.parse(body, stream=stream, contract=contract), answer))
        except Invalid:
            refused += 1
    known = [one for one in found if one.answer in stream.classes]
    return known, refused + len(found) - len(known)


def _by_day(plan: Plan, arriving: list[Arriving]) -> list[list[Arriving]]:
    if plan.cases:
        arriving = arriving[: plan.cases]
    if len(arriving) < plan.days:
        raise Invalid(
            f"{len(arriving):,} rows are left for {plan.days} days; give --days {max(2, len(arriving))} or less, or "
            "train on fewer with --early.",
            code="days",
        )
    bounds = np.linspace(0, len(arriving), plan.days + 1).round().astype(int)
    return [arriving[start:end] for start, end in pairwise(bounds.tolist())]


def _reader(team: Team, name: str) -> Actor:
    user, _ = User.objects.get_or_create(email=f"{name.lower()}@trial.example", defaults={"first_name": name})
    Membership.objects.get_or_create(team=team, user=user, stream=None, role=Role.REVIEWER)
    return Actor.for_user(user)


def from_reader(readers: Sequence[Actor], first: int) -> Sequence[Actor]:
    """All readers, beginning with one of them."""
    return list(islice(cycle(readers), first % len(readers), first % len(readers) + len(readers)))
