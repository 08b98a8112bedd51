"""Breakers: audits of automatic decisions, held against the promise; a class that breaks it stops by itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, transaction

from reviewapp.domain.breaker import Zone
from reviewapp.domain.policy import Policy
from reviewapp.gating import watch, wording
from reviewapp.gating.actions import certificates
from reviewapp.gating.actions.certificates import database_now
from reviewapp.gating.epochs import first_id_at
from reviewapp.gating.models import Breaker
from reviewapp.registry.actors import SYSTEM, Actor
from reviewapp.registry.models import PolicyVersion, Stream
from reviewapp.registry.policies import read_body
from reviewapp.registry.trail import happened, lock

log = structlog.get_logger(__name__)

State = Breaker.State
_STATES = {Zone.CLOSED: State.CLOSED, Zone.AMBER: State.AMBER, Zone.OPEN: State.OPEN}
SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, slots=True)
class _Tally:
    """The audits of a class or segment since a moment, without their order."""

    audits: int
    mark: str


def watch_all(*, now: datetime | None = None) -> int:
    """Step every breaker whose audits changed; answers how many. A stream that fails is logged."""
    stepped = 0
    active = PolicyVersion.objects.filter(state=PolicyVersion.State.ACTIVE).select_related("stream").order_by("pk")
    for version in active:
        policy = read_body(version.body)
        if policy.promises:
            try:
                stepped += step(stream=version.stream, policy=policy, now=now)
            except Exception:
                log.exception("breakers.watch_failed", stream=version.stream.slug)
    return stepped


def step(*, stream: Stream, policy: Policy, now: datetime | None = None) -> int:
    """Step the breakers of every class that something is promised of, and of its segments."""
    at = now or database_now()
    stepped = 0
    for answer in policy.promises:
        whole = _by_segment(stream, answer).get("") or _arm(stream, answer, [""], at)[""]
        stepped += _step(whole, _tally(whole), policy, at)
        parts = _of_segments(stream, whole) if policy.segment else []
        tallies = _tallies(parts)
        stepped += sum(_step(part, tallies[part.segment], policy, at) for part in parts)
    return stepped


def _by_segment(stream: Stream, answer: str) -> dict[str, Breaker]:
    return {one.segment: one for one in stream.breakers.filter(answer=answer).order_by("segment")}


def _arm(stream: Stream, answer: str, segments: Sequence[str], armed_at: datetime) -> dict[str, Breaker]:
    """The class's breakers, those that were not there before armed from a moment on."""
    rows = [Breaker(stream=stream, answer=answer, segment=segment, armed_at=armed_at) for segment in segments]
    Breaker.objects.bulk_create(rows, ignore_conflicts=True)
    return _by_segment(stream, answer)


def _of_segments(stream: Stream, whole: Breaker) -> list[Breaker]:
    """The breakers of the segments that were audited since the class's own was armed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT e.segment FROM gating_ledgerentry e JOIN registry_modelversion v "
            "ON v.id = e.model_version_id AND v.stream_id = %s "
            "WHERE e.class = %s AND e.is_automatic AND e.segment <> '' AND e.case_id >= %s ORDER BY 1",
            [stream.pk, whole.answer, first_id_at(whole.armed_at)],
        )
        names = [name for (name,) in cursor.fetchall()]
    found = _by_segment(stream, whole.answer)
    if not found.keys() >= set(names):
        found = _arm(stream, whole.answer, names, whole.armed_at)
    return [found[name] for name in names]


def _step(breaker: Breaker, tally: _Tally, policy: Policy, at: datetime) -> bool:
    """Step one breaker; answers whether there was anything new. An open one waits for people."""
    if breaker.state == State.OPEN:
        return False
    target = policy.promises[breaker.answer].target_error
    mark = {"mark": tally.mark, "target_error": target, "false_trips_per_year": policy.false_trips_per_year}
    before = breaker.evidence
    if {name: before.get(name) for name in mark} == mark:
        return False
    days = (at - breaker.armed_at).total_seconds() / SECONDS_PER_DAY
    # A doubt raises the rate of audits; that alone must not raise the limit.
    limit = before["limit"] if breaker.state == State.AMBER else None
    limit = limit or watch.limit_for(policy, audits=tally.audits, days=days, before=before)
    found = watch.watch(_outcomes(breaker), target_error=target, limit=limit)
    evidence = {**found.as_dict(), **mark}
    if _STATES[found.zone] == breaker.state:
        Breaker.objects.filter(pk=breaker.pk, state=breaker.state).update(evidence=evidence)
        return True
    _move(breaker, _STATES[found.zone], evidence, at)
    return True


# An answer that nobody gave is no wrong decision.
_AUDITS = """
FROM gating_ledgerentry e JOIN registry_modelversion v ON v.id = e.model_version_id AND v.stream_id = %(stream)s
WHERE e.class = %(answer)s AND e.is_automatic AND NOT e.is_overdue AND e.case_id >= %(first)s
  AND (%(segment)s = '' OR e.segment = %(segment)s)
"""


def _values(breaker: Breaker) -> dict[str, Any]:
    return {
        "stream": breaker.stream_id,
        "answer": breaker.answer,
        "segment": breaker.segment,
        "first": first_id_at(breaker.armed_at),
    }


def _tally(breaker: Breaker) -> _Tally:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), count(*) FILTER (WHERE e.is_wrong), max(e.recorded_at) {_AUDITS}",
            _values(breaker),
        )
        return _tally_of(breaker, *cursor.fetchone())


# Each part counts from when it was armed itself; together they are read once.
_OF_PARTS = f"""
SELECT part.segment, count(e.is_wrong), count(*) FILTER (WHERE e.is_wrong), max(e.recorded_at)
FROM unnest(%(segments)s::text[], %(firsts)s::uuid[]) AS part(segment, first)
LEFT JOIN (SELECT e.segment, e.case_id, e.is_wrong, e.recorded_at {_AUDITS}) e
  ON e.segment = part.segment AND e.case_id >= part.first
GROUP BY part.segment
"""  # noqa: S608 our own


def _tallies(parts: Sequence[Breaker]) -> dict[str, _Tally]:
    """The tallies of a class's breakers by segment."""
    if not parts:
        return {}
    firsts = [first_id_at(part.armed_at) for part in parts]
    values = {
        **_values(parts[0]),
        "segment": "",
        "first": min(firsts),
        "segments": [part.segment for part in parts],
        "firsts": firsts,
    }
    with connection.cursor() as cursor:
        cursor.execute(_OF_PARTS, values)
        found = {segment: counts for segment, *counts in cursor.fetchall()}
    return {part.segment: _tally_of(part, *found[part.segment]) for part in parts}


def _tally_of(breaker: Breaker, audits: int, wrong: int, last: datetime | None) -> _Tally:
    return _Tally(audits, f"{audits}/{wrong}/{last.isoformat() if last else ''}/{breaker.armed_at.isoformat()}")


def _outcomes(breaker: Breaker) -> Iterable[bool]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT e.is_wrong {_AUDITS} ORDER BY e.case_id", _values(breaker))
        return [is_wrong for (is_wrong,) in cursor.fetchall()]


@transaction.atomic
def _move(breaker: Breaker, state: str, evidence: dict[str, Any], at: datetime) -> None:
    # Under this lock no batch is decided as if the breaker were still closed.
    lock(breaker.stream)
    if state == State.OPEN:
        evidence = {**evidence, "opened_at": at.isoformat(), "versions": _versions(breaker)}
    is_mine = Breaker.objects.filter(pk=breaker.pk, state=breaker.state).update(
        state=state, evidence=evidence, changed_at=at
    )
    if not is_mine:
        return
    breaker.state, breaker.evidence, breaker.changed_at = state, evidence, at
    record(f"breaker.{'opened' if state == State.OPEN else state}", breaker, by=SYSTEM)
    if state == State.OPEN and not breaker.segment:
        _void(breaker, evidence["versions"], at)


def _versions(breaker: Breaker) -> list[str]:
    """The model versions whose automatic decisions were audited."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT e.model_version_id::text {_AUDITS} ORDER BY 1", _values(breaker))
        return [version for (version,) in cursor.fetchall()]


def _void(breaker: Breaker, versions: Sequence[str], at: datetime) -> None:
    standing = certificates.in_force(breaker.stream).filter(scope=breaker.answer)
    for one in standing.filter(model_version_id__in=[UUID(version) for version in versions]):
        broken = {
            "threshold": one.threshold,
            "audits": breaker.evidence["audits"],
            "wrong": breaker.evidence["wrong"],
            "at": at.isoformat(),
        }
        follows: Mapping[str, Any] = {"violated": broken} if one.threshold is not None else {}
        certificates.void(certificate=one, reason="Its breaker opened.", at=at, follows=follows)


def record(type_: str, breaker: Breaker, *, by: Actor, **more: Any) -> None:
    """An event of a breaker, with the evidence it stands on."""
    happened(
        breaker.stream,
        type_,
        by=by,
        payload={
            "class": breaker.answer,
            "segment": breaker.segment,
            "state": str(breaker.state),
            "armed_at": breaker.armed_at.isoformat(),
            "evidence": breaker.evidence,
            **more,
        },
        subject=f"breaker:{breaker.pk}",
    )


def told(breaker: Breaker) -> str:
    """A breaker's evidence in one sentence."""
    return wording.breaker(breaker.state, breaker.evidence)
