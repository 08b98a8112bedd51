"""The day's audit rates: how large a share of a class's automatic decisions is read blind, set before its cases.

A rate may follow from all that was seen before the day and from nothing of the day itself: so each case's chance of
being audited is known before the case, whatever its score. It is a coin's probability and never a quota.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import structlog
from django.db import connection, transaction

from reviewapp.cases.moments import first_id_at
from reviewapp.domain.gate import GUARDRAIL_CODES
from reviewapp.domain.policy import AuditRule
from reviewapp.domain.sampling import rate_of_day
from reviewapp.gating import rulebook as rulebooks
from reviewapp.gating.models import Breaker
from reviewapp.gating.rulebook import Rulebook
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion, RolloutMember, Stream
from reviewapp.registry.trail import happened
from reviewapp.writing import fresh_id

log = structlog.get_logger(__name__)

HISTORY = timedelta(days=14)
# The newest predictions that tell a day's volume; more would only take longer.
MOST = 200_000
# In the last hour (UTC) the next day's rates are looked at again: a breaker may have come to doubt since they were set.
_LAST_LOOK = timedelta(hours=1)
_ACTING = (RolloutMember.Role.PRIMARY, RolloutMember.Role.CANARY, RolloutMember.Role.TIER)


@dataclass(frozen=True, slots=True)
class _Rate:
    answer: str
    rate: float
    cause: str


@dataclass(frozen=True, slots=True)
class _Acting:
    """A version that routes cases, and the thresholds of its classes whose rates are ours to set."""

    stream: Stream
    version: ModelVersion
    thresholds: dict[str, float]
    rule: AuditRule


def set_rates(*, stream: Stream | None = None, day: date | None = None) -> int:
    """Set the rates that the classes which may act alone still lack for today and tomorrow; answers how many were.

    With `day`, for that day alone, which must not have begun in the stream. Days are UTC's. A rate that the policy
    names itself goes before, and the rate of a day that has begun never changes. A stream that fails is logged.
    """
    served = Stream.objects.filter(live_rollout__isnull=False, policy_versions__state="active").order_by("pk")
    if stream is not None:
        return _set_rates(stream.pk, day)
    changed = 0
    for one in served:
        try:
            changed += _set_rates(one.pk, day)
        except Exception:
            log.exception("audit_rates.failed", stream=one.slug)
    return changed


@transaction.atomic
def _set_rates(stream_id: UUID, day: date | None) -> int:
    # Under its lock neither policy nor rollout changes.
    acting = _acting(rulebooks.read_locked(stream_id))
    now, is_last_look = _clock()
    today, tomorrow = now.date(), now.date() + timedelta(days=1)
    changed = 0
    for one in acting:
        if day is not None:
            changed += _write(one, day, _computed(one, list(one.thresholds), now))
            continue
        unset = _unset(one, today)
        has_begun = bool(unset) and _has_routed(one, since=now.replace(hour=0, minute=0, second=0, microsecond=0))
        changed += _write(one, today, _most(one, unset) if has_begun else _computed(one, unset, now))
        changed += _write(
            one, tomorrow, _computed(one, list(one.thresholds) if is_last_look else _unset(one, tomorrow), now)
        )
    return changed


def _acting(rulebook: Rulebook) -> list[_Acting]:
    if rulebook.policy is None or rulebook.rollout_id is None:
        return []
    by_hand, rule = rulebook.policy.audit_rates, rulebook.policy.audit
    members = RolloutMember.objects.filter(rollout=rulebook.rollout_id, role__in=_ACTING)
    found = []
    for member in members.select_related("model_version").order_by("pk"):
        policy = rulebook.policy_for(member.model_version_id)
        assert policy is not None, "the rulebook has one"
        thresholds = {
            name: threshold
            for name, threshold in policy.thresholds.items()
            if name not in by_hand and name not in policy.never_automate
        }
        if thresholds:
            found.append(_Acting(rulebook.stream, member.model_version, thresholds, rule))
    return found


def _clock() -> tuple[datetime, bool]:
    """The database's time in UTC, and whether its day is nearly over."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
        now: datetime = cursor.fetchone()[0]
    return now.replace(tzinfo=UTC), (now + _LAST_LOOK).date() > now.date()


def _unset(acting: _Acting, day: date) -> list[str]:
    known = acting.version.audit_rates.filter(stream=acting.stream, day=day).values_list("answer", flat=True)
    return [name for name in acting.thresholds if name not in set(known)]


def _has_routed(acting: _Acting, *, since: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM cases_prediction WHERE id >= %s AND model_version_id = %s "
            "AND route IS NOT NULL AND created_at >= %s)",
            [first_id_at(since), acting.version.pk, since],
        )
        return bool(cursor.fetchone()[0])


def _most(acting: _Acting, names: list[str]) -> list[_Rate]:
    """What has been in force since the day began, for want of a rate."""
    return [
        _Rate(name, acting.rule.ceiling, "The day began without a rate: as many as the policy allows.")
        for name in names
    ]


def _computed(acting: _Acting, names: list[str], now: datetime) -> list[_Rate]:
    if not names:
        return []
    rule, volumes = acting.rule, _automatic_per_day(acting, now)
    doubted = set(
        Breaker.objects.filter(stream=acting.stream, state__in=[Breaker.State.AMBER, Breaker.State.OPEN])
        .order_by("pk")
        .values_list("answer", flat=True)
    )
    rates = []
    for name in names:
        volume, doubts = volumes.get(name, 0.0), name in doubted
        cause = (
            f"{rule.expected_per_day:g} audits a day, of about {volume:,.0f} automatic decisions"
            if volume > 0
            else "No history yet: as many as the policy allows"
        )
        if doubts and volume > 0:
            cause += f"; times {rule.amber_factor:g}, for its breaker doubts"
        rates.append(_Rate(name, rate_of_day(automatic_per_day=volume, rule=rule, doubts=doubts), f"{cause}."))
    return rates


# What would act under the present thresholds, whoever decided it: before a threshold is earned, people do.
_VOLUME = """
WITH newest AS (
    SELECT class, confidence, route, reasons, created_at FROM cases_prediction
    WHERE id >= %(first)s AND model_version_id = %(version)s AND role IN ('primary', 'canary', 'external', 'shadow')
        AND created_at >= %(since)s
    ORDER BY id DESC LIMIT %(most)s
), span AS (
    SELECT count(*) AS number, extract(epoch FROM %(now)s - min(created_at)) / 86400 AS days FROM newest
)
SELECT n.class, count(*) / min(CASE WHEN span.number < %(most)s THEN greatest(span.days, 1) ELSE span.days END)
FROM newest n
JOIN unnest(%(names)s::text[], %(thresholds)s::float8[]) AS t(class, threshold) USING (class)
CROSS JOIN span
WHERE n.confidence >= t.threshold AND (n.route = 'auto' OR NOT EXISTS (
    SELECT 1 FROM jsonb_to_recordset(n.reasons) AS told(code text) WHERE told.code = ANY(%(guardrails)s)))
GROUP BY n.class
"""


def _automatic_per_day(acting: _Acting, now: datetime) -> dict[str, float]:
    since = now - HISTORY
    with connection.cursor() as cursor:
        cursor.execute(
            _VOLUME,
            {
                "first": first_id_at(since),
                "since": since,
                "now": now,
                "version": acting.version.pk,
                "most": MOST,
                "names": list(acting.thresholds),
                "thresholds": list(acting.thresholds.values()),
                "guardrails": sorted(GUARDRAIL_CODES),
            },
        )
        return {name: float(volume) for name, volume in cursor.fetchall()}


# Only a day that has not begun may still change, and a minute's distance keeps the clocks of batches out of it.
_WRITE = """
INSERT INTO gating_auditrate AS r (id, stream_id, model_version_id, class, day, rate, cause)
SELECT new.id, %(stream)s, %(version)s, new.class, %(day)s, new.rate, new.cause
FROM unnest(%(ids)s::uuid[], %(names)s::text[], %(rates)s::float8[], %(causes)s::text[]) AS new(id, class, rate, cause)
ON CONFLICT (stream_id, model_version_id, class, day) DO UPDATE SET rate = excluded.rate, cause = excluded.cause
WHERE r.rate <> excluded.rate AND r.day > ((clock_timestamp() + interval '1 minute') AT TIME ZONE 'UTC')::date
RETURNING class
"""


def _write(acting: _Acting, day: date, rates: list[_Rate]) -> int:
    if not rates:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            _WRITE,
            {
                "stream": acting.stream.pk,
                "version": acting.version.pk,
                "day": day,
                "ids": [fresh_id() for _ in rates],
                "names": [one.answer for one in rates],
                "rates": [one.rate for one in rates],
                "causes": [one.cause for one in rates],
            },
        )
        written = {row[0] for row in cursor.fetchall()}
    for one in rates:
        if one.answer in written:
            happened(
                acting.stream,
                "audit_rate.set",
                by=SYSTEM,
                payload={
                    "model_version": str(acting.version.pk),
                    "number": acting.version.number,
                    "class": one.answer,
                    "day": day.isoformat(),
                    "rate": one.rate,
                    "cause": one.cause,
                },
                subject=f"model_version:{acting.version.pk}",
            )
    return len(written)
