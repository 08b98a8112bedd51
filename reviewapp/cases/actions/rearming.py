"""Arming an open breaker again: asked for with fresh evidence, agreed to by a second person."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from reviewapp.cases.actions import certifying
from reviewapp.domain.errors import Conflict, Forbidden, Invalid, NotFound
from reviewapp.domain.evidence import Tally, e_upper_bound, more_clean_audits_live
from reviewapp.domain.policy import Policy
from reviewapp.gating import proof, wording
from reviewapp.gating.actions import breakers, certificates
from reviewapp.gating.actions.certificates import database_now
from reviewapp.gating.epochs import delta_of, first_id_at
from reviewapp.gating.models import Breaker, Certificate
from reviewapp.registry.actions.policies import active_policy
from reviewapp.registry.actions.versions import primary_of
from reviewapp.registry.actors import Actor, check_role
from reviewapp.registry.models import ModelVersion, Role, Stream
from reviewapp.registry.policies import read_body
from reviewapp.registry.trail import lock

State = Breaker.State
MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class Fresh:
    """What is known since a breaker opened; `missing` clean audits would be enough, 0 where it is."""

    is_enough: bool
    sentence: str
    audits: int = 0
    wrong: int = 0
    bound: float = 1.0
    missing: int = 0


@transaction.atomic
def ask(*, breaker: Breaker, reason: str, by: Actor) -> Breaker:
    """Ask to arm an open breaker again. Raises Conflict, with the number that is missing, without fresh evidence."""
    check_role(by, breaker.stream, Role.POLICY_OWNER)
    if not reason.strip():
        raise Invalid("Say what was done about it, for the one who agrees.", code="reason_missing")
    current = _opened(breaker)
    if current.rearm_asked_by is not None:
        raise Conflict("It is asked for already; a second person agrees or turns it down.", code="rearm_asked")
    fresh = _check(current)
    current.rearm_asked_by, current.rearm_asked_at = str(by), database_now()
    current.rearm_reason = reason.strip()[:MAX_REASON]
    current.save(update_fields=["rearm_asked_by", "rearm_asked_at", "rearm_reason", "changed_at"])
    breakers.record("breaker.rearm_asked", current, by=by, reason=current.rearm_reason, fresh=fresh.sentence)
    return current


@transaction.atomic
def confirm(*, breaker: Breaker, by: Actor) -> Breaker:
    """Arm it again, as a second person: the class may act from the next batch on, and counting begins anew."""
    check_role(by, breaker.stream, Role.POLICY_OWNER, Role.LEAD)
    if by.kind != "user":
        raise Forbidden("Arming a breaker again is agreed to by a person: sign in.", code="person_required")
    current = _opened(breaker)
    if current.rearm_asked_by is None:
        raise Conflict("Nobody has asked to arm it again.", code="rearm_not_asked")
    if current.rearm_asked_by == str(by):
        raise Forbidden("You asked for it yourself; somebody else has to agree.", code="same_person")
    fresh = _check(current)
    asked_by, reason = current.rearm_asked_by, current.rearm_reason
    current.state, current.armed_at, current.evidence = State.CLOSED, database_now(), {}
    _forget_asking(current)
    breakers.record("breaker.rearmed", current, by=by, asked_by=asked_by, reason=reason, fresh=fresh.sentence)
    return current


@transaction.atomic
def refuse(*, breaker: Breaker, reason: str, by: Actor) -> Breaker:
    """Turn down, or take back, what was asked; the breaker stays open."""
    check_role(by, breaker.stream, Role.POLICY_OWNER, Role.LEAD)
    current = _opened(breaker)
    if current.rearm_asked_by is None:
        raise Conflict("Nobody has asked to arm it again.", code="rearm_not_asked")
    asked_by = current.rearm_asked_by
    _forget_asking(current)
    breakers.record("breaker.rearm_refused", current, by=by, asked_by=asked_by, reason=reason.strip()[:MAX_REASON])
    return current


def breaker_of(stream: Stream, answer: str, segment: str = "") -> Breaker:
    """The breaker of a class or segment. Raises NotFound where nothing was ever promised of it."""
    found = Breaker.objects.select_related("stream").filter(stream=stream, answer=answer, segment=segment).first()
    if found is None:
        watched = wording.watched(answer, segment)
        raise NotFound(f"There is no breaker of {watched} in “{stream.name}”.", code="breaker_unknown")
    return found


def fresh_evidence(breaker: Breaker) -> Fresh:
    """Whether the labels of cases that arrived since a breaker opened prove the promise it is armed for.

    They are judged at the threshold that will be used. A class that follows its certificate needs a new one.
    """
    policy, version = active_policy(breaker.stream), primary_of(breaker.stream)
    body = read_body(policy.body) if policy else None
    if body is None or version is None or breaker.answer not in body.promises:
        return Fresh(False, f"The active policy promises nothing of “{breaker.answer}”: add a promise to hold it to.")
    certificate = certificates.in_force(breaker.stream, version).filter(scope=breaker.answer).first()
    threshold = body.thresholds.get(breaker.answer)
    if threshold is None:
        if certificate is None or certificate.state != Certificate.State.CERTIFIED:
            told = certificate.evidence["sentence"] if certificate else "None was looked for yet."
            return Fresh(False, f"“{breaker.answer}” needs a new certificate first. {told}")
        if not breaker.segment:
            return Fresh(True, f"Certificate {certificate.number} of model {version.number} stands.")
        assert certificate.threshold is not None, "a certified one has a threshold"
        threshold = certificate.threshold
    tallies, num_waiting = _tallies(breaker, version, threshold)
    found = _judged(breaker, body, tallies, threshold)
    if found.is_enough or not num_waiting:
        return found
    later = wording.count(num_waiting, "later answer")
    waits = f"{later} will count once the earlier cases that are read blind are answered too."
    return replace(found, sentence=f"{found.sentence} {waits}")


def _judged(breaker: Breaker, policy: Policy, tallies: list[Tally], threshold: float) -> Fresh:
    promise, delta = policy.promises[breaker.answer], delta_of(policy, breaker.answer)
    audits, wrong = sum(one.right + one.wrong for one in tallies), sum(one.wrong for one in tallies)
    bound = e_upper_bound(tallies, confidence=1 - delta)
    missing = more_clean_audits_live(tallies, target_error=promise.target_error, confidence=1 - delta)
    told = (
        f"Since it opened: {wording.count(audits, 'honest label')} at or above {threshold:.3g}, {wrong:,} wrong, bound "
        f"now {wording.share(bound)} against {wording.share(promise.target_error)} promised"
    )
    if proof.is_proven(tallies, target_error=promise.target_error, delta=delta):
        return Fresh(True, f"{told}.", audits, wrong, bound)
    needed = f"{wording.count(missing, 'more clean one')} needed before it can be armed again"
    return Fresh(False, f"{told}; {needed}.", audits, wrong, bound, missing)


_TALLIES = """
SELECT %(cut)s::uuid IS NOT NULL AND case_id >= %(cut)s::uuid AS waits, least_probability / inclusion_probability,
    count(*) FILTER (WHERE NOT is_wrong), count(*) FILTER (WHERE is_wrong)
FROM gating_ledgerentry
WHERE model_version_id = %(version)s AND class = %(answer)s AND case_id >= %(first)s AND confidence >= %(threshold)s
  AND (%(segment)s = '' OR segment = %(segment)s)
GROUP BY 1, 2 ORDER BY 1, 2
"""


def _tallies(breaker: Breaker, version: ModelVersion, threshold: float) -> tuple[list[Tally], int]:
    """The labels since it opened, in order of arrival up to the first case that waits; how many came after that one."""
    first = first_id_at(_opened_at(breaker))
    values: dict[str, Any] = {
        "version": version.pk,
        "answer": breaker.answer,
        "segment": breaker.segment,
        "first": first,
        "threshold": threshold,
        # What arrived before it opened is no part of the fresh evidence and holds none of it back.
        "cut": certifying.pending(version, first).get(breaker.answer),
    }
    with connection.cursor() as cursor:
        cursor.execute(_TALLIES, values)
        rows = cursor.fetchall()
    waiting = sum(right + wrong for waits, _, right, wrong in rows if waits)
    return [Tally(*row) for waits, *row in rows if not waits], waiting


def _opened_at(breaker: Breaker) -> datetime:
    return datetime.fromisoformat(breaker.evidence["opened_at"])


def _opened(breaker: Breaker) -> Breaker:
    """The breaker as it is now, locked together with its stream's rules."""
    lock(breaker.stream)
    current = Breaker.objects.select_related("stream").get(pk=breaker.pk)
    if current.state != State.OPEN:
        raise Conflict(f"The breaker of “{current.answer}” is not open.", code="breaker_not_open")
    return current


def _check(breaker: Breaker) -> Fresh:
    fresh = fresh_evidence(breaker)
    if not fresh.is_enough:
        raise Conflict(fresh.sentence, code="evidence_missing", missing=fresh.missing)
    return fresh


def _forget_asking(breaker: Breaker) -> None:
    breaker.rearm_asked_by = breaker.rearm_asked_at = None
    breaker.rearm_reason = ""
    breaker.save()
