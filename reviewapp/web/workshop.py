"""The policy workshop's page in data: for one class of one model version, what a target or a threshold would mean."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from math import isclose
from typing import Any

from reviewapp.domain.policy import Policy, Promise
from reviewapp.gating import proof
from reviewapp.gating.epochs import Epoch, delta_of, epoch_of
from reviewapp.gating.models import Certificate
from reviewapp.registry.actions.policies import active_policy
from reviewapp.registry.models import ModelVersion, Stream
from reviewapp.registry.policies import read_body
from reviewapp.web import estimates
from reviewapp.web.forms.shares import in_percent
from reviewapp.web.forms.workshop import TARGET, THRESHOLD
from reviewapp.web.queries import workshop as queries

DEFAULT_PROMISE = Promise(target_error=0.02, confidence=0.95)
DEFAULT_THRESHOLD = 0.95


@dataclass(frozen=True)
class Asked:
    """What the form asks for: a target error at a confidence, or a threshold by hand."""

    by: str
    promise: Promise
    threshold: float


@dataclass(frozen=True)
class Workshop:
    """One class of one model version, with the policy in force around it."""

    stream: Stream
    version: ModelVersion
    answer: str

    @cached_property
    def written(self) -> Policy:
        """The active policy as it was written; empty without one."""
        active = active_policy(self.stream)
        return read_body(active.body if active else {})

    @cached_property
    def policy(self) -> Policy:
        """The active policy with the certified thresholds of this version."""
        policy = self.written
        proven = {
            name: one.threshold
            for name, one in self.certificates.items()
            if one.state == one.State.CERTIFIED and one.threshold is not None and name in policy.promises
        }
        return replace(policy, thresholds={**proven, **policy.thresholds})

    @cached_property
    def certificates(self) -> dict[str, Certificate]:
        return queries.certificates_in_force(self.stream, self.version.pk)

    @cached_property
    def epoch(self) -> Epoch | None:
        """The attempt to earn the class's promise that is under way."""
        found = self.certificates.get(self.answer)
        return epoch_of(found) if found else None

    @cached_property
    def traffic(self) -> estimates.Traffic:
        return queries.traffic_of(self.stream, self.version, self.answer, self.policy)

    @cached_property
    def labels(self) -> estimates.Labels:
        return queries.labels_of(self.version, self.answer, self.epoch.since if self.epoch else None)

    @cached_property
    def timed(self) -> queries.Timed:
        return queries.minutes_of(self.stream)

    def defaults(self) -> dict[str, str]:
        """What the form shows first: what the policy says of the class, otherwise a usual promise."""
        promise = self.policy.promises.get(self.answer)
        threshold = self.policy.thresholds.get(self.answer, DEFAULT_THRESHOLD)
        return {
            "answer": self.answer,
            "version": str(self.version.number),
            "by": THRESHOLD if self.answer in self.written.thresholds else TARGET,
            "target": in_percent((promise or DEFAULT_PROMISE).target_error),
            "confidence": in_percent((promise or DEFAULT_PROMISE).confidence),
            "threshold": in_percent(threshold),
        }

    def share_of_delta(self, promise: Promise) -> Promise:
        """The promise as one class has to keep it: for all its classes together, and after attempts begun anew."""
        policy = replace(self.policy, promises={**self.policy.promises, self.answer: promise})
        restarts = self.epoch.restarts if self.epoch else 0
        return replace(promise, confidence=1 - delta_of(policy, self.answer, restarts=restarts))

    def is_new_target(self, asked: Asked) -> bool:
        """Whether the class has another target error to keep, so that this one would have to be earned anew."""
        return asked.by == TARGET and self.promised is not None and asked.promise.target_error != self.promised[0]

    def estimate(self, asked: Asked) -> estimates.Estimate:
        promise = self.share_of_delta(asked.promise)
        look = None if asked.by == THRESHOLD else self.look(promise)
        threshold = asked.threshold if asked.by == THRESHOLD else look.threshold if look else None
        return estimates.estimate(
            labels=self.labels,
            traffic=self.traffic,
            threshold=threshold,
            confidence=promise.confidence,
            audit=self.policy.audit,
            rate_by_hand=self.policy.audit_rates.get(self.answer),
            minutes_per_review=self.timed.minutes,
            look=look,
        )

    def look(self, promise: Promise) -> proof.Look | None:
        """What the labels prove of a promise that this class keeps by itself."""
        if promise not in self._looks:
            is_under_way = self.promised is not None and all(
                isclose(asked, kept)
                for asked, kept in zip((promise.target_error, promise.delta), self.promised, strict=True)
            )
            self._looks[promise] = estimates.look_at(
                self.labels,
                self.traffic,
                promise,
                expected_labels=self.traffic.per_day * self._share_read_blind * self.policy.certificate_days,
                epoch=self.epoch if is_under_way else None,
            )
        return self._looks[promise]

    @property
    def promised(self) -> tuple[float, float] | None:
        """Target error and δ of the attempt under way."""
        terms = self.epoch.terms if self.epoch else None
        return (terms.target_error, terms.delta) if terms else None

    @property
    def _share_read_blind(self) -> float:
        return self.stream.blind_share if self.stream.review_mode == Stream.Mode.ASSISTED else 1.0

    @cached_property
    def _looks(self) -> dict[Promise, proof.Look | None]:
        return {}

    @property
    def _exam(self) -> Mapping[str, Any] | None:
        return self.epoch.exam if self.epoch else None

    def proving_exam(self, threshold: float | None) -> Mapping[str, Any] | None:
        """What the first exam counted where it is what proved a threshold: threshold, audits, wrong, bound."""
        exam = self._exam
        if exam is None or threshold is None or exam["threshold"] != threshold:
            return None
        found: Mapping[str, Any] = next(rung for rung in exam["rungs"] if rung["threshold"] == threshold)
        return found

    def charts(self, promise: Promise) -> "Charts":
        look = self.look(self.share_of_delta(promise))
        return Charts(
            rungs=estimates.rungs_of(self.labels, self.traffic, look, exam=self._exam) if look else [],
            reliability=estimates.reliability(self.labels),
            bins=estimates.histogram(self.traffic),
        )


@dataclass(frozen=True)
class Charts:
    """What the three pictures and the tables under them show."""

    rungs: Sequence[estimates.Rung]
    reliability: estimates.Reliability | None
    bins: Sequence[estimates.Bin]

    @property
    def is_examined(self) -> bool:
        return any(rung.examined is not None for rung in self.rungs)

    @property
    def curve_json(self) -> str:
        return _as_json([asdict(rung) for rung in self.rungs])

    @property
    def reliability_json(self) -> str:
        found = self.reliability
        return _as_json({"curve": found.curve, "band": found.band} if found else None)

    @property
    def bins_json(self) -> str:
        return _as_json([asdict(one) for one in self.bins])


def asked_of(cleaned: Mapping[str, Any]) -> Asked:
    return Asked(cleaned["by"], Promise(cleaned["target"], cleaned["confidence"]), cleaned["threshold"])


def _as_json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))
