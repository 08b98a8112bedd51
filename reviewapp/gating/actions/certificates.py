"""Certificates: looked at again and again, issued when something changes, renewed or expired, and made void."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from reviewapp.domain.policy import Policy, Promise
from reviewapp.gating import counting, findings
from reviewapp.gating.actions import ladders
from reviewapp.gating.actions.ladders import Served
from reviewapp.gating.epochs import Epoch, after, delta_of, epoch_of, first_id_at
from reviewapp.gating.findings import Finding
from reviewapp.gating.models import Certificate, LabelledHistory
from reviewapp.gating.reach import reached
from reviewapp.registry.actors import SYSTEM, Actor
from reviewapp.registry.models import ModelVersion, PolicyVersion, Stream
from reviewapp.registry.policies import read_body
from reviewapp.registry.trail import happened, lock
from reviewapp.writing import execute

State = Certificate.State
SUPERSEDED = "A later certificate stands in its place."
EXPIRED = "It expired."
VIOLATED = "Its audits show more errors than promised."
NOT_PROMISED = "The policy promises nothing of this class any more."
PROMISE_CHANGED = "The promise changed."
TIERS_CHANGED = "A first tier changed which cases reach the model."
# Somebody ended an attempt that might have gone on: the next one gets less of δ.
BY_HAND = {"is_by_hand": True}
# What decides which cases reach the thresholds at all.
GUARDRAILS = {
    "novelty_floor": "the novelty guard",
    "required_columns": "the required columns",
    "stale_after": "how old features may be",
    "is_range_checked": "the range check",
    "rules": "the routing rules",
}


@dataclass(frozen=True, slots=True)
class Situation:
    """What a look needs beside the ledger.

    served: answers for a class whose ladder is to be drawn. pending: of the cases from an id on, by class, the first
    sampled one that is still to be answered: the evidence ends before it. now: the database's time unless given.
    """

    policy: Policy
    policy_number: int
    served: Callable[[str], Served]
    pending: Callable[[UUID], Mapping[str, UUID]] = lambda _: {}
    now: datetime | None = None


def in_force(stream: Stream, version: ModelVersion | None = None) -> QuerySet[Certificate]:
    """The certificates that are not void; one that has expired acts no more and stands until the next look."""
    found = Certificate.objects.filter(stream=stream, voided_at__isnull=True).select_related("model_version")
    found = found if version is None else found.filter(model_version=version)
    return found.order_by("-model_version__number", "scope")


def look(*, version: ModelVersion, situation: Situation) -> list[Certificate]:
    """Judge every class that the policy promises something of; a change of state or threshold is a new certificate.

    Nothing new is issued for a policy that is not in force any more.
    """
    promises = situation.policy.promises
    for one in in_force(version.stream, version).exclude(scope__in=list(promises)):
        void(certificate=one, reason=NOT_PROMISED, at=situation.now, follows=BY_HAND)
    looked = [_look(version, answer, promise, situation) for answer, promise in promises.items()]
    return [one for one in looked if one is not None]


def _look(version: ModelVersion, answer: str, promise: Promise, situation: Situation) -> Certificate | None:
    policy, now = situation.policy, situation.now or database_now()
    last = _last(version, answer)
    if last is not None and last.voided_at is None and _void_if_other(last, policy, at=now):
        last = _last(version, answer)
    epoch, served = _begun(after(last, now=now), last, version), None
    delta = delta_of(policy, answer, restarts=epoch.restarts)
    if epoch.terms is None:
        served = situation.served(answer)
        days = policy.certificate_days
        epoch = ladders.draw(
            epoch, version=version, answer=answer, promise=promise, delta=delta, served=served, days=days
        )
    elif last is not None and not last.evidence.get("labels_per_day"):
        # An exam may draw up the terms before the first case comes: how fast labels come is known later.
        served = situation.served(answer)
    if epoch.terms is not None and epoch.terms.delta != delta:
        epoch = at_level(epoch, delta, answer)
    cut = situation.pending(first_id_at(epoch.since)).get(answer)
    counted = counting.count(version, answer, epoch=epoch, cut=cut)
    finding = findings.judge(answer, epoch, counted, policy=policy, now=now)
    evidence = findings.evidence(
        finding,
        policy=policy,
        policy_number=situation.policy_number,
        cut=cut,
        served=served,
        before=last.evidence if last else {},
    )
    if last is not None and last.voided_at is None and finding.is_that_of(last):
        return _refresh(last, evidence)
    return _issue(version, promise, finding, evidence, last)


def _begun(epoch: Epoch, last: Certificate | None, version: ModelVersion) -> Epoch:
    """A new epoch counts no case from before guardrails and tiers became what they are: other cases passed them."""
    if last is not None and epoch.number == epoch_of(last).number:
        return epoch
    found = reached(version)
    since = max(filter(None, (epoch.since, guarded_since(version.stream), found.since)), default=None)
    return replace(epoch, since=since, reached_in=found.generation)


def guarded_since(stream: Stream) -> datetime | None:
    """When the guardrails of the active policy came into force; None where there never were others."""
    found = PolicyVersion.objects.filter(stream=stream, activated_at__isnull=False).order_by("-activated_at")
    since, present = None, None
    for version in found.only("body", "activated_at").iterator(50):
        policy = read_body(version.body)
        guards = [getattr(policy, name) for name in GUARDRAILS]
        if present is not None and guards != present:
            return since
        since, present = version.activated_at, guards
    # Before the first policy nothing was guarded.
    is_unguarded = present is None or present == [getattr(Policy(thresholds={}), name) for name in GUARDRAILS]
    return None if is_unguarded else since


def _last(version: ModelVersion, answer: str) -> Certificate | None:
    return Certificate.objects.filter(model_version=version, scope=answer).order_by("-number").first()


def at_level(epoch: Epoch, delta: float, answer: str) -> Epoch:
    """The same evidence at another confidence: an e-value is evidence at every level."""
    assert epoch.terms is not None
    part = epoch.terms.live_delta / epoch.terms.delta
    terms = replace(epoch.terms, delta=delta, live_delta=delta * part)
    exam = epoch.exam
    if exam is not None:
        history = LabelledHistory.objects.get(pk=exam["history"])
        starts = tuple(exam.get("starts", ()))
        exam = ladders.taken(terms, history, ladders.rows_of(history, answer), starts=starts)
    return replace(epoch, terms=terms, exam=exam)


def _refresh(certificate: Certificate, evidence: dict[str, Any]) -> Certificate:
    if {**evidence, "snapshot": ""} != {**certificate.evidence, "snapshot": ""}:
        Certificate.objects.filter(pk=certificate.pk, voided_at__isnull=True).update(evidence=evidence)
        certificate.evidence = evidence
    return certificate


@transaction.atomic
def _issue(
    version: ModelVersion, promise: Promise, finding: Finding, evidence: dict[str, Any], last: Certificate | None
) -> Certificate | None:
    # No batch is decided while a threshold changes, and of two looks at once the second finds the first one's.
    lock(version.stream)
    latest = _last(version, finding.answer)
    is_newer = latest is not None and (last is None or (latest.pk, latest.voided_at) != (last.pk, last.voided_at))
    # A policy that came into force meanwhile may promise something else, of other cases: its own look follows.
    if is_newer or not _is_in_force(version.stream, evidence["policy"]):
        return latest
    is_renewed = False
    if last is not None and last.voided_at is None:
        is_renewed = _end(last, finding)
    certificate = Certificate.objects.create(
        stream=version.stream,
        model_version=version,
        scope=finding.answer,
        number=last.number + 1 if last else 1,
        state=finding.state,
        target_error=promise.target_error,
        confidence=promise.confidence,
        threshold=finding.threshold,
        evidence=evidence,
        since=finding.epoch.since,
        expires_at=finding.epoch.expires_at if finding.threshold is not None else None,
    )
    _record("certificate.renewed" if is_renewed else "certificate.issued", certificate, by=SYSTEM)
    return certificate


def _is_in_force(stream: Stream, number: int) -> bool:
    return PolicyVersion.objects.filter(stream=stream, number=number, state=PolicyVersion.State.ACTIVE).exists()


def _end(last: Certificate, finding: Finding) -> bool:
    """Make way for a later certificate; answers whether that one renews what expired."""
    if finding.epoch.number == epoch_of(last).number:
        Certificate.objects.filter(pk=last.pk).update(voided_at=finding.at, void_reason=SUPERSEDED)
        return False
    is_violated = finding.state == State.VIOLATED
    _void(last, VIOLATED if is_violated else EXPIRED, at=finding.at, by=SYSTEM, follows={})
    return not is_violated and finding.threshold is not None


def void(
    *,
    certificate: Certificate,
    reason: str,
    by: Actor = SYSTEM,
    at: datetime | None = None,
    follows: Mapping[str, Any] | None = None,
) -> None:
    """Take a certificate's force; labels of cases that arrive from now on count for the next one.

    `follows` says otherwise: since (from when labels count), violated, is_same (the same epoch goes on), is_by_hand.
    """
    _void(certificate, reason, at=at or database_now(), by=by, follows=follows or {})


@transaction.atomic
def _void(certificate: Certificate, reason: str, *, at: datetime, by: Actor, follows: Mapping[str, Any]) -> None:
    evidence = {**certificate.evidence, "next": dict(follows)}
    is_mine = Certificate.objects.filter(pk=certificate.pk, voided_at__isnull=True).update(
        voided_at=at, void_reason=reason[:300], evidence=evidence
    )
    if is_mine:
        certificate.voided_at, certificate.void_reason, certificate.evidence = at, reason[:300], evidence
        _record("certificate.expired" if reason == EXPIRED else "certificate.voided", certificate, by=by)


def expire(*, stream: Stream, now: datetime | None = None) -> int:
    """End the certificates of versions that nobody looks at any more; answers how many."""
    at = now or database_now()
    found = in_force(stream).filter(state=State.CERTIFIED, expires_at__lte=at)
    for one in found:
        fresh_from = epoch_of(one).fresh_from
        _void(one, EXPIRED, at=at, by=SYSTEM, follows={"since": fresh_from.isoformat()} if fresh_from else {})
    return len(found)


def on_policy_activated(*, policy: PolicyVersion, before: PolicyVersion | None, by: Actor) -> None:
    """Void what a policy that came into force makes void, under the stream's lock that its activation holds.

    Guardrails decide which cases a threshold is about: after a change of theirs it must be earned anew.
    """
    now = read_body(policy.body)
    earlier = read_body(before.body) if before else None
    changed = [name for name in GUARDRAILS if earlier is not None and getattr(now, name) != getattr(earlier, name)]
    at = database_now()
    for one in in_force(policy.stream):
        if one.scope not in now.promises:
            _void(one, NOT_PROMISED, at=at, by=by, follows=BY_HAND)
        elif changed:
            words = " and ".join(GUARDRAILS[name] for name in changed)
            _void(one, f"Policy {policy.number} changed {words}.", at=at, by=by, follows=BY_HAND)
        else:
            void_if_changed(one, now, at=at, by=by)


def void_if_changed(certificate: Certificate, policy: Policy, *, at: datetime, by: Actor = SYSTEM) -> bool:
    """Void what a changed promise makes void; answers whether it did.

    Another target error must be earned by new labels, for the labels so far may have been why it was chosen. Only a
    looser promise takes the threshold along, since what keeps the stricter one keeps it too. Another confidence is
    judged by the same labels.
    """
    promise = policy.promises[certificate.scope]
    epoch = epoch_of(certificate)
    terms = epoch.terms
    is_target_same = certificate.target_error == promise.target_error
    delta = delta_of(policy, certificate.scope, restarts=epoch.restarts)
    if is_target_same and (terms is None or terms.delta == delta) and certificate.confidence == promise.confidence:
        return False
    is_looser = promise.target_error >= certificate.target_error and (terms is None or delta >= terms.delta)
    carried = certificate.threshold if is_looser and certificate.state == State.CERTIFIED else None
    follows: dict[str, Any] = {**BY_HAND, "is_same": is_target_same, "carried": carried, "expires_at": None}
    # The same labels at another confidence prove nothing for longer than they did.
    if (carried is not None or is_target_same) and certificate.expires_at is not None:
        follows["expires_at"] = certificate.expires_at.isoformat()
    _void(certificate, PROMISE_CHANGED, at=at, by=by, follows=follows)
    return True


def _void_if_other(certificate: Certificate, policy: Policy, *, at: datetime) -> bool:
    """Void what is about other cases, or another promise, than those in force."""
    if reached(certificate.model_version).generation != epoch_of(certificate).reached_in:
        _void(certificate, TIERS_CHANGED, at=at, by=SYSTEM, follows=BY_HAND)
        return True
    return void_if_changed(certificate, policy, at=at)


def _record(type_: str, certificate: Certificate, *, by: Actor) -> None:
    moments = {
        name: moment.isoformat() if moment else None
        for name, moment in (
            ("since", certificate.since),
            ("expires_at", certificate.expires_at),
            ("voided_at", certificate.voided_at),
        )
    }
    happened(
        certificate.stream,
        type_,
        by=by,
        payload={
            "certificate": str(certificate.pk),
            "model_version": str(certificate.model_version_id),
            "model": certificate.model_version.number,
            "class": certificate.scope,
            "number": certificate.number,
            "state": str(certificate.state),
            "target_error": certificate.target_error,
            "confidence": certificate.confidence,
            "threshold": certificate.threshold,
            "reason": certificate.void_reason,
            "evidence": certificate.evidence,
            **moments,
        },
        subject=f"certificate:{certificate.pk}",
    )


def database_now() -> datetime:
    now: datetime = execute("SELECT clock_timestamp()", []).fetchone()[0]  # type: ignore[index]  # always one row
    return now
