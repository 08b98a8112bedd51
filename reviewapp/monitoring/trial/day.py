"""One day of a trial: what arrives is scored and gated, people read, and in the evening the jobs take their turns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from reviewapp.cases.actions import audit_rates, certifying, evidence, intake, overdue, scoring
from reviewapp.cases.models import Prediction, Review
from reviewapp.domain.errors import Conflict
from reviewapp.gating.actions import breakers, certificates
from reviewapp.gating.models import AuditRate, Breaker
from reviewapp.monitoring.trial import truth
from reviewapp.monitoring.trial.clock import Clock
from reviewapp.monitoring.trial.deployment import Arriving, Deployment
from reviewapp.monitoring.trial.reading import read_all
from reviewapp.registry.actions.policies import active_policy
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.policies import read_body

MORNING, EVENING = time(8), time(23, 30)
_AT_ONCE = 500


@dataclass(frozen=True)
class Ruled:
    """A case as it was gated, with the answer that people give. `coin`: the one that chooses audits."""

    answer: str
    confidence: float
    coin: float
    route: str
    truth: str

    @property
    def is_automatic(self) -> bool:
        return self.route == "auto"

    @property
    def is_wrong(self) -> bool:
        return self.answer != self.truth


@dataclass(frozen=True)
class Class:
    """A class in the evening. bound: the error rate its evidence does not rule out; rate: the next day's of audits."""

    state: str
    threshold: float | None
    bound: float | None
    audits: int
    wrong: int
    more_needed: int
    breaker: str
    rate: float | None
    sentence: str


@dataclass(frozen=True)
class Day:
    """What happened. reads: answers that people gave; audits: of automatic decisions, first readings."""

    number: int
    ruled: Sequence[Ruled]
    reads: int
    audits: int
    classes: Mapping[str, Class] = field(default_factory=dict)


def live(deployment: Deployment, number: int, *, clock: Clock, start: datetime) -> Day:
    """Let one day pass. `start`: the midnight before the first day."""
    midnight = start + timedelta(days=number - 1)
    clock.set(datetime.combine(midnight, MORNING, start.tzinfo))
    arriving = deployment.arriving[number - 1]
    ids = _arrive(deployment, arriving)
    ruled = _ruled(deployment, number, ids, {one.submission.external_id: one.answer for one in arriving})
    audits = Review.objects.open().filter(stream=deployment.stream, kind=Review.Kind.AUDIT).count()
    answers = {case_id: one.truth for case_id, one in ruled.items()}
    reads = read_all(deployment.stream, answers=answers, readers=deployment.readers)
    clock.set(datetime.combine(midnight, EVENING, start.tzinfo))
    _jobs(deployment)
    return Day(number, list(ruled.values()), reads, audits, _classes(deployment, midnight + timedelta(days=1)))


def _arrive(deployment: Deployment, arriving: Sequence[Arriving]) -> list[UUID]:
    ids: list[UUID] = []
    for first in range(0, len(arriving), _AT_ONCE):
        submitted = [one.submission for one in arriving[first : first + _AT_ONCE]]
        receipts = intake.receive(stream=deployment.stream, submissions=submitted, by=SYSTEM)
        ids += [receipt.case_id for receipt in receipts]
        while scoring.score_batch():
            pass
    return ids


def _ruled(deployment: Deployment, number: int, ids: Sequence[UUID], known: Mapping[str, str]) -> dict[UUID, Ruled]:
    """The cases by id, in order of arrival."""
    shift = deployment.plan.shift
    if shift is not None and number < shift.day:
        shift = None
    rows = (
        Prediction.objects.filter(case_id__in=ids, route__isnull=False)
        .order_by("case_id")
        .values_list("case_id", "case__external_id", "case__coin", "answer", "confidence", "route")
    )
    found = {}
    for case_id, external_id, coin, predicted, confidence, route in rows:
        answer = truth.answer(
            external_id,
            known[external_id],
            predicted=predicted,
            confidence=confidence,
            classes=deployment.stream.classes,
            shift=shift,
        )
        found[case_id] = Ruled(predicted, confidence, coin, str(route), answer)
    if len(found) < len(ids):
        message = f"{len(ids) - len(found):,} of {len(ids):,} cases could not be scored; what is logged above says why."
        raise Conflict(message, code="not_scored")
    return found


def _jobs(deployment: Deployment) -> None:
    """What the sweeper has done again and again, once in the evening."""
    stream, policy = deployment.stream, active_policy(deployment.stream)
    assert policy is not None, "the trial activated one"
    evidence.catch_up()
    overdue.mark_overdue_in(stream)
    breakers.step(stream=stream, policy=read_body(policy.body))
    certifying.look(policy=policy)
    audit_rates.set_rates(stream=stream)


def _classes(deployment: Deployment, tomorrow: datetime) -> dict[str, Class]:
    stream, version = deployment.stream, deployment.version
    certified = {one.scope: one for one in certificates.in_force(stream, version)}
    watched = {one.answer: one for one in Breaker.objects.filter(stream=stream, segment="").order_by("pk")}
    rates = dict(
        AuditRate.objects.filter(stream=stream, model_version=version, day=tomorrow.date())
        .order_by("pk")
        .values_list("answer", "rate")
    )
    found = {}
    for name in stream.classes:
        one = certified.get(name)
        told: Mapping[str, Any] = one.evidence if one else {}
        found[name] = Class(
            state=str(one.state) if one else "none",
            threshold=one.threshold if one else None,
            bound=told.get("bound"),
            audits=told.get("audits", 0),
            wrong=told.get("wrong", 0),
            more_needed=told.get("more_needed", 0),
            breaker=str(watched[name].state) if name in watched else "none",
            rate=rates.get(name),
            sentence=told.get("sentence", ""),
        )
    return found
