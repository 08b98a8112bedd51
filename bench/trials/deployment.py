"""A deployment without its database: the product's own rules, day by day, quick enough to live it hundreds of times.

What decides is the product's: the plan of a ladder, the counts, looks and epochs, the weights of honest labels, the
day's audit rate and the breaker. What is here is the order of events of `manage.py loop_trial`, whose thresholds it
meets day by day (tests/monitoring/test_trial.py).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reviewapp.cases.actions.audit_rates import HISTORY
from reviewapp.cases.actions.certifying import DAYS as SERVED_DAYS
from reviewapp.cases.actions.certifying import WINDOW
from reviewapp.cases.readings import Routed, least_probability
from reviewapp.domain import breaker
from reviewapp.domain.breaker import Zone
from reviewapp.domain.evidence import Tally, log_e_above, log_e_values
from reviewapp.domain.policy import Policy
from reviewapp.domain.sampling import rate_of_day
from reviewapp.domain.thresholds import walk
from reviewapp.gating import findings, proof, watch
from reviewapp.gating.counting import Counted
from reviewapp.gating.epochs import Epoch, after, delta_of
from reviewapp.gating.findings import Finding
from reviewapp.gating.models import Certificate
from reviewapp.gating.proof import Count, Outcome
from reviewapp.monitoring.trial.day import EVENING, MORNING
from reviewapp.monitoring.trial.run import FIRST_DAY

State = Certificate.State
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Cases:
    """Cases in order of arrival: days from 1, places of classes, confidences, whether wrong, the coins of audits."""

    days: NDArray[np.intp]
    answers: NDArray[np.intp]
    confidences: NDArray[np.float64]
    is_wrong: NDArray[np.bool_]
    coins: NDArray[np.float64]

    def take(self, chosen: NDArray[Any]) -> "Cases":
        return Cases(
            self.days[chosen], self.answers[chosen], self.confidences[chosen], self.is_wrong[chosen], self.coins[chosen]
        )


@dataclass
class Watch:
    """A breaker since it was armed. `limit`: as the last step found it; None before any audit."""

    armed_at: datetime
    evidence: breaker.Evidence = breaker.START
    audits: int = 0
    wrong: int = 0
    limit: float | None = None
    zone: Zone = Zone.CLOSED


@dataclass(frozen=True)
class Evening:
    """A class at the end of a day; `rate` is the next day's."""

    threshold: float | None
    state: str
    zone: Zone
    rate: float | None


@dataclass
class Class:
    """One class of a deployment under way."""

    name: str
    policy: Policy
    certificate: Certificate | None = None
    counted_for: Epoch | None = None
    counts: Counter[tuple[int, float, Outcome]] = field(default_factory=Counter)
    labels: list[dict[str, Any]] = field(default_factory=list)
    num_counted: int = 0
    watch: Watch | None = None
    rate: float | None = None
    is_acting: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    @property
    def threshold(self) -> float | None:
        return self.certificate.threshold if self.certificate is not None else None

    def arrive(self, cases: Cases, *, at: datetime) -> NDArray[np.bool_]:
        """Route the day's cases of the class, and read those that people or the coin chose; which of them acted."""
        threshold = self.threshold if _is_in_force(self.certificate, at) else None
        is_open = self.watch is not None and self.watch.zone is Zone.OPEN
        acts = np.zeros(cases.answers.size, dtype=np.bool_)
        if threshold is not None and not is_open:
            acts = cases.confidences >= threshold
        rate = self.policy.audit.ceiling if self.rate is None else self.rate
        read = ~acts | (cases.coins < rate)
        weights = [self._weight(threshold, probability) for probability in (1.0, rate)]
        for confidence, is_wrong, acted in zip(
            cases.confidences[read].tolist(), cases.is_wrong[read].tolist(), acts[read].tolist(), strict=True
        ):
            least, probability = weights[acted]
            self.labels.append(
                {
                    "confidence": confidence,
                    "least_probability": least,
                    "inclusion_probability": probability,
                    "is_wrong": is_wrong,
                    "is_overdue": False,
                    "is_automatic": acted,
                    "at": at,
                }
            )
        return acts

    def _weight(self, threshold: float | None, probability: float) -> tuple[float, float]:
        """The least π of the class at that time, and a case's own."""
        rates = {} if self.rate is None else {self.name: self.rate}
        routed = Routed(self.name, threshold, probability, frozenset(), self.policy, rates)
        return least_probability(routed), probability

    def step(self, *, at: datetime, today: Sequence[Mapping[str, Any]]) -> None:
        """Step the breaker over the day's audits."""
        if self.watch is None:
            self.watch = Watch(armed_at=at)
        held = self.watch
        outcomes = [one["is_wrong"] for one in today if one["is_automatic"] and one["at"] >= held.armed_at]
        if held.zone is Zone.OPEN or not (outcomes or held.limit is None):
            return
        before = {} if held.limit is None else {"limit": held.limit}
        limit = held.limit if held.zone is Zone.AMBER else None
        days = (at - held.armed_at) / _DAY
        audits = held.audits + len(outcomes)
        held.limit = limit or watch.limit_for(self.policy, audits=audits, days=days, before=before)
        target = self.policy.promises[self.name].target_error
        level = breaker.level(held.evidence)
        for is_wrong in outcomes:
            held.evidence = breaker.step(held.evidence, is_wrong=is_wrong, target_error=target)
            held.audits, held.wrong = held.audits + 1, held.wrong + is_wrong
            level = breaker.level(held.evidence)
            if level >= held.limit:
                break
        held.zone = breaker.zone(level, held.limit, target_error=target)
        if held.zone is Zone.OPEN:
            self._void(held, at)

    def _void(self, held: Watch, at: datetime) -> None:
        one = self.certificate
        if one is None or not held.audits:
            return
        broken = {"threshold": one.threshold, "audits": held.audits, "wrong": held.wrong, "at": at.isoformat()}
        one.voided_at = at
        one.evidence = {**one.evidence, "next": {"violated": broken} if one.threshold is not None else {}}

    def look(self, *, at: datetime, served: tuple[NDArray[np.float64], float]) -> None:
        """Look at the evidence, drawing up the ladder first where enough was served: confidences and labels a day."""
        epoch = after(self.certificate, now=at)
        scores, labels_per_day = served
        promise = self.policy.promises[self.name]
        if epoch.terms is None and scores.size >= proof.MIN_SCORES:
            terms = proof.plan(
                scores.tolist(),
                expected_labels=labels_per_day * self.policy.certificate_days,
                target_error=promise.target_error,
                delta=delta_of(self.policy, self.name, restarts=epoch.restarts),
            )
            epoch = _with_terms(epoch, terms)
        self._count(epoch)
        if self._is_news(epoch):
            counts = tuple(Count(*key, number) for key, number in sorted(self.counts.items()))
            counted = Counted(counts, len(self.labels), "", at)
            finding = findings.judge(self.name, epoch, counted, policy=self.policy, now=at)
            self.certificate = _certificate(finding, promise.target_error)

    def _is_news(self, epoch: Epoch) -> bool:
        """Whether a look would find anything else than the last one; most do not, and a look takes milliseconds."""
        last, terms = self.certificate, epoch.terms
        if last is None or last.voided_at is not None or terms is None or last.evidence["ladder"] is None:
            return True
        if last.evidence["epoch"] != epoch.number:
            return True
        weights, right, wrong = _arrays(self.counts, num_rungs=len(terms.ladder))
        logs = log_e_values(weights, right, wrong, target_error=terms.target_error)
        index = walk(np.exp(-np.maximum(logs, 0)).tolist(), starts=terms.starts, delta=terms.live_delta).index
        found = [one for one in (epoch.held, None if index is None else terms.ladder[index]) if one is not None]
        place = proof.rung_of(terms.ladder, min(found)) if found else terms.starts[0]
        place = len(terms.ladder) - 1 if place is None else place
        tallies = [Tally(*one) for one in zip(weights, right[place].tolist(), wrong[place].tolist(), strict=True)]
        is_violated = log_e_above(tallies, target_error=terms.target_error) >= log(1 / terms.delta)
        if is_violated or not found:
            return bool(last.state != (State.VIOLATED if is_violated or epoch.violated else State.UNPROVEN))
        return bool((last.state, last.threshold) != (State.CERTIFIED, min(found)))

    def _count(self, epoch: Epoch) -> None:
        """Add the labels that came since the last look; from the first again where the epoch or its ladder is new."""
        if epoch.terms is None:
            self.counts, self.num_counted, self.counted_for = Counter(), 0, epoch
            return
        before = self.counted_for
        if before is None or (before.number, before.terms) != (epoch.number, epoch.terms):
            self.counts, self.num_counted, self.counted_for = Counter(), 0, epoch
        fresh = self.labels[self.num_counted :]
        self.num_counted = len(self.labels)
        for one in proof.counted(
            epoch.terms.ladder, (label for label in fresh if epoch.since is None or label["at"] >= epoch.since)
        ):
            self.counts[one.rung, one.weight, one.outcome] += one.number


def _arrays(
    counts: Mapping[tuple[int, float, Outcome], int], *, num_rungs: int
) -> tuple[list[float], NDArray[np.int_], NDArray[np.int_]]:
    """Weights (W,), and the right and the wrong labels at or above each rung, (R, W) each; nobody is overdue here."""
    weights = sorted({weight for _, weight, _ in counts})
    place = {weight: number for number, weight in enumerate(weights)}
    numbers = np.zeros((2, num_rungs, len(weights)), dtype=np.int_)
    for (rung, weight, outcome), number in counts.items():
        numbers[int(outcome is not Outcome.RIGHT), rung, place[weight]] += number
    right, wrong = np.cumsum(numbers, axis=1)
    return weights, right, wrong


def _with_terms(epoch: Epoch, terms: proof.Terms) -> Epoch:
    return Epoch(epoch.number, epoch.since, terms, None, epoch.held, epoch.fresh_from, epoch.expires_at, epoch.violated)


def _is_in_force(certificate: Certificate | None, at: datetime) -> bool:
    if certificate is None or certificate.voided_at is not None or certificate.state != State.CERTIFIED:
        return False
    return certificate.expires_at is None or certificate.expires_at > at


def _certificate(finding: Finding, target_error: float) -> Certificate:
    """As it would be issued, without a row."""
    return Certificate(
        state=finding.state,
        target_error=target_error,
        threshold=finding.threshold,
        evidence={**finding.epoch.as_dict(), "labels": finding.counted.labels},
        since=finding.epoch.since,
        expires_at=finding.epoch.expires_at if finding.threshold is not None else None,
    )


class Deployment:
    """One deployment, lived with `live`."""

    def __init__(self, classes: Sequence[str], policy: Policy, cases: Cases) -> None:
        self.policy, self.cases = policy, cases
        self.classes = [Class(name, policy) for name in classes]
        self.acted = np.zeros(cases.days.size, dtype=np.bool_)
        self.evenings: list[Mapping[str, Evening]] = []

    def live(self) -> "Deployment":
        """Let every day pass."""
        for day in range(1, int(self.cases.days[-1]) + 1):
            self._day(day)
        return self

    def _day(self, day: int) -> None:
        evening = _moment(day, is_morning=False)
        today = slice(*np.searchsorted(self.cases.days, [day, day + 1]))
        told = {}
        for place, one in enumerate(self.classes):
            own = today.start + np.flatnonzero(self.cases.answers[today] == place)
            known = len(one.labels)
            self.acted[own] = one.arrive(self.cases.take(own), at=_moment(day, is_morning=True))
            one.step(at=evening, today=one.labels[known:])
            one.look(at=evening, served=self._served(place, day, evening))
        for place, one in enumerate(self.classes):
            in_force = one.threshold if _is_in_force(one.certificate, evening) else None
            one.rate = None if in_force is None else self._rate(one, place, day, in_force)
            assert one.certificate is not None, "it was looked at"
            assert one.watch is not None, "it was stepped"
            told[one.name] = Evening(in_force, str(one.certificate.state), one.watch.zone, one.rate)
        self.evenings.append(told)

    def _served(self, place: int, day: int, at: datetime) -> tuple[NDArray[np.float64], float]:
        """The confidences that a ladder is drawn from, and the labels a day when everything is read."""
        certificate = self.classes[place].certificate
        if certificate is not None and certificate.voided_at is None and certificate.evidence["ladder"] is not None:
            return np.zeros(0), 0.0
        first = self._first(at - SERVED_DAYS * _DAY)
        own = first + np.flatnonzero((self.cases.answers[first:] == place) & (self.cases.days[first:] <= day))
        own = own[-WINDOW:]
        if not own.size:
            return np.zeros(0), 0.0
        days = (at - _moment(int(self.cases.days[own[0]]), is_morning=True)) / _DAY
        return self.cases.confidences[own], own.size / max(days, 1.0)

    def _rate(self, one: Class, place: int, day: int, threshold: float) -> float:
        """The next day's audit rate, by what would have acted of late."""
        evening = _moment(day, is_morning=False)
        first, last = self._first(evening - HISTORY), int(np.searchsorted(self.cases.days, day, side="right"))
        days = (evening - _moment(int(self.cases.days[first]), is_morning=True)) / _DAY
        own = self.cases.answers[first:last] == place
        would_act = int((own & (self.cases.confidences[first:last] >= threshold)).sum())
        doubts = one.watch is not None and one.watch.zone is not Zone.CLOSED
        return rate_of_day(automatic_per_day=would_act / max(days, 1.0), rule=self.policy.audit, doubts=doubts)

    def _first(self, since: datetime) -> int:
        """The first case that arrived at the moment or later."""
        day = 1
        while _moment(day, is_morning=True) < since:
            day += 1
        return int(np.searchsorted(self.cases.days, day))


def _moment(day: int, *, is_morning: bool) -> datetime:
    return datetime.combine(FIRST_DAY + (day - 1) * _DAY, MORNING if is_morning else EVENING, FIRST_DAY.tzinfo)
