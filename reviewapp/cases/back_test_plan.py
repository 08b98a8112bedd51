"""What a policy would act by on each model version of a past period: thresholds by hand, certified or earned so far."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.utils import timezone

from reviewapp.cases.actions import certifying
from reviewapp.domain.policy import Policy, Promise
from reviewapp.gating import counting, proof
from reviewapp.gating.actions.certificates import GUARDRAILS, at_level
from reviewapp.gating.epochs import Epoch, after, delta_of, epoch_of, first_id_at
from reviewapp.gating.models import Certificate
from reviewapp.registry.actions.policies import active_policy
from reviewapp.registry.models import ModelVersion, Stream
from reviewapp.registry.policies import read_body

State = Certificate.State


@dataclass(frozen=True, slots=True)
class Planned:
    """One class's threshold under one model version and where it comes from; None: people decide."""

    model_version: int
    answer: str
    threshold: float | None
    source: str
    is_to_be_earned: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def thresholds_of(policy: Policy, version: ModelVersion, classes: Sequence[str]) -> list[Planned]:
    """Each class's threshold under the policy, as things stand with the evidence on this version."""
    is_changed = bool(changed_guardrails(policy, version.stream))
    return [_planned(policy, version, name, is_changed=is_changed) for name in classes]


def policy_on(policy: Policy, planned: Sequence[Mapping[str, Any]]) -> Policy:
    """The policy with the thresholds planned for one model version."""
    found = {one["answer"]: one["threshold"] for one in planned if one["threshold"] is not None}
    return replace(policy, thresholds=found)


def changed_guardrails(policy: Policy, stream: Stream) -> list[str]:
    """The guardrails in which the policy differs from the one in force, in words: they make certificates void."""
    active = active_policy(stream)
    if active is None:
        return []
    now = read_body(active.body)
    return [words for name, words in GUARDRAILS.items() if getattr(policy, name) != getattr(now, name)]


def _planned(policy: Policy, version: ModelVersion, answer: str, *, is_changed: bool) -> Planned:
    if answer in policy.never_automate:
        return Planned(version.number, answer, None, "never automatic")
    if answer in policy.thresholds:
        return Planned(version.number, answer, policy.thresholds[answer], "by hand")
    promise = policy.promises.get(answer)
    if promise is None:
        return Planned(version.number, answer, None, "neither threshold nor promise")
    found = Certificate.objects.filter(model_version=version, scope=answer).order_by("-number").first()
    delta = delta_of(policy, answer, restarts=epoch_of(found).restarts if found else 0)
    if found is not None and found.voided_at is None and _is_of(found, promise, delta):
        if found.state != State.CERTIFIED or _is_over(found):
            return Planned(version.number, answer, None, f"certificate {found.number} is {found.state}")
        return Planned(version.number, answer, found.threshold, f"certificate {found.number}", is_changed)
    earned = _earned(found, version, answer, policy)
    if earned is None:
        return Planned(version.number, answer, None, "not proven by the evidence so far")
    is_anew = is_changed or (found is not None and found.voided_at is None and not _has_target(found, promise))
    return Planned(version.number, answer, earned, "what the evidence so far supports", is_anew)


def _is_of(certificate: Certificate, promise: Promise, delta: float) -> bool:
    terms = epoch_of(certificate).terms
    is_same = _has_target(certificate, promise) and certificate.confidence == promise.confidence
    return is_same and (terms is None or terms.delta == delta)


def _has_target(certificate: Certificate, promise: Promise) -> bool:
    """Whether the labels so far count under the promise, too: another confidence is judged by the same ones."""
    return certificate.target_error == promise.target_error


def _is_over(certificate: Certificate) -> bool:
    return certificate.expires_at is not None and certificate.expires_at <= timezone.now()


def _earned(last: Certificate | None, version: ModelVersion, answer: str, policy: Policy) -> float | None:
    """What a look at the labels so far would certify for a promise that no certificate in force is about."""
    epoch, held = after(last, now=timezone.now()), None
    if last is not None and last.voided_at is None and last.state == State.CERTIFIED and epoch.terms is not None:
        promise, delta = policy.promises[answer], delta_of(policy, answer, restarts=epoch.restarts)
        is_looser = promise.target_error >= last.target_error and delta >= epoch.terms.delta
        held = last.threshold if is_looser else None
    judged = _judged_by(epoch, version, answer, policy)
    if judged.terms is None:
        return held
    cut = certifying.pending(version, first_id_at(judged.since)).get(answer)
    counted = counting.count(version, answer, epoch=judged, cut=cut)
    return proof.look(judged.terms, counted.counts, held=held, examined=judged.examined).threshold


def _judged_by(epoch: Epoch, version: ModelVersion, answer: str, policy: Policy) -> Epoch:
    """The epoch with the terms by which the promise would be judged; without them where confidences lack."""
    promise, delta = policy.promises[answer], delta_of(policy, answer, restarts=epoch.restarts)
    if epoch.terms is not None and epoch.terms.target_error == promise.target_error:
        return at_level(epoch, delta, answer)
    served = certifying.served(version, answer)
    if len(served.scores) < proof.MIN_SCORES:
        return replace(epoch, terms=None, exam=None)
    terms = proof.plan(
        served.scores,
        expected_labels=served.labels_per_day * policy.certificate_days,
        target_error=promise.target_error,
        delta=delta,
    )
    return replace(epoch, terms=terms, exam=None)
