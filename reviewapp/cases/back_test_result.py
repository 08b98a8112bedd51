"""What the counts of a back-test say: shares, errors with their intervals, work, and what cannot be known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import connection

from reviewapp.cases.back_test_tally import ClassCount, Counts, Side, estimate
from reviewapp.cases.moments import first_id_at
from reviewapp.domain.policy import Policy
from reviewapp.domain.sampling import rate_of_day
from reviewapp.gating.models import BackTest

DAY = 86_400.0

_MINUTES = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) / 60, count(*) FROM (
    SELECT sum(v.seconds) AS seconds FROM cases_review r JOIN cases_verdict v ON v.review_id = r.id
    WHERE r.stream_id = %(stream)s AND r.id > %(first)s AND r.created_at >= %(start)s AND r.created_at < %(end)s
      AND v.status = 'counted'
      -- What a program answers for a demonstration takes no person's time.
      AND NOT EXISTS (SELECT 1 FROM cases_label l WHERE l.case_id = r.case_id AND l.source = 'demo')
    GROUP BY r.id
) one
"""


def result_of(test: BackTest, counts: Counts, state: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """The finished result of a back-test, as it is stored."""
    classes = dict(sorted(counts.classes.items()))
    scored = sum(one.cases for one in classes.values())
    first_at = datetime.fromisoformat(state["first_at"])
    days = max(1.0, (test.period_end - max(first_at, test.period_start)).total_seconds() / DAY)
    minutes, timed = _minutes(test)
    sides = {
        "before": [one.before for one in classes.values()],
        "after": [one.after for one in classes.values()],
    }
    rates = {name: _audit_rate(policy, name, one.after.automatic / days) for name, one in classes.items()}
    audits = {
        "before": counts.audits_before / days,
        "after": sum(rates[name] * one.after.automatic for name, one in classes.items()) / days,
    }
    total = scored + counts.unscored
    return {
        "body": state["body"],
        "plan": [one for planned in state["plan"].values() for one in planned],
        "cases": total,
        "unscored": counts.unscored,
        "days": days,
        "minutes_per_review": minutes,
        "reviews_timed": timed,
        "changed": {
            "to_automatic": sum(one.to_automatic for one in classes.values()),
            "to_people": sum(one.to_people for one in classes.values()),
            "listed": state["changes"],
        },
        **{
            when: {
                **_side(side, least=counts.pooled_least, is_pooled=True, of=total),
                **_work(total - sum(one.automatic for one in side), audits[when], days, minutes),
            }
            for when, side in sides.items()
        },
        "classes": [_class(name, one, counts, rates[name]) for name, one in classes.items()],
        "unknown": [*_unknown(counts, minutes), *_to_be_earned(state)],
    }


def _class(name: str, one: ClassCount, counts: Counts, rate: float) -> dict[str, Any]:
    least = counts.least.get(name, 0.0)
    return {
        "class": name,
        "cases": one.cases,
        "to_automatic": one.to_automatic,
        "to_automatic_unlabelled": one.to_automatic_unlabelled,
        "to_people": one.to_people,
        "audit_rate": rate,
        "before": _side([one.before], least=least, is_pooled=False, of=one.cases),
        "after": _side([one.after], least=least, is_pooled=False, of=one.cases),
    }


def _side(sides: Sequence[Side], *, least: float, is_pooled: bool, of: int) -> dict[str, Any]:
    automatic = sum(side.automatic for side in sides)
    return {
        "automatic": automatic,
        "share": automatic / of if of else None,
        "labelled": sum(side.labelled for side in sides),
        "contradicted": sum(side.contradicted for side in sides),
        "error": asdict(estimate(sides, least=least, is_pooled=is_pooled)),
    }


def _work(reviewed: int, audits: float, days: float, minutes: float | None) -> dict[str, Any]:
    reviews = reviewed / days
    return {
        "reviews_per_day": reviews,
        "audits_per_day": audits,
        "minutes_per_day": None if minutes is None else (reviews + audits) * minutes,
    }


def _audit_rate(policy: Policy, name: str, automatic_per_day: float) -> float:
    if name in policy.audit_rates:
        return policy.audit_rates[name]
    return rate_of_day(automatic_per_day=automatic_per_day, rule=policy.audit)


def _minutes(test: BackTest) -> tuple[float | None, int]:
    """Median minutes of a person on a review of the stream in the period, and of how many reviews."""
    values: dict[str, Any] = {
        "stream": test.policy_version.stream_id,
        "first": first_id_at(test.period_start),
        "start": test.period_start,
        "end": test.period_end,
    }
    with connection.cursor() as cursor:
        cursor.execute(_MINUTES, values)
        median, number = cursor.fetchone()
    return median, number


def _unknown(counts: Counts, minutes: float | None) -> Iterator[str]:
    """What the stored cases cannot tell, in sentences."""
    classes = counts.classes.values()
    fresh, unlabelled = sum(c.to_automatic for c in classes), sum(c.to_automatic_unlabelled for c in classes)
    if unlabelled:
        yield f"No label exists for {unlabelled:,} of the {_cases(fresh)} that would become automatic."
    after = [one.after for one in classes]
    automatic = sum(side.automatic for side in after)
    if mute := sum(side.mute for side in after):
        yield (
            f"{mute:,} of the {automatic:,} automatic decisions can be no evidence: a guardrail of the time stopped "
            "them, or they may have trained the model. The estimate leaves them out."
        )
    if unreadable := sum(side.unreadable for side in after):
        yield (
            f"{unreadable:,} of the {automatic:,} automatic decisions had no chance to be read blind (an audit rate or "
            "blind share of 0); the estimate leaves them out."
        )
    drawn = sum(side.drawn for side in after)
    if missing := drawn - sum(side.right + side.wrong for side in after):
        yield f"{missing:,} of the {drawn:,} cases drawn for a blind reading have no settled answer yet."
    if counts.unscored:
        yield f"{_cases(counts.unscored)} had no score; people decide them under any policy."
    if minutes is None:
        yield "No person answered a review of the period, so the minutes a day cannot be told."


def _to_be_earned(state: Mapping[str, Any]) -> Iterator[str]:
    """Thresholds that the figures take for granted and an activation would not."""
    names = {one["answer"] for planned in state["plan"].values() for one in planned if one["is_to_be_earned"]}
    if not names:
        return
    listed = ", ".join(f"“{name}”" for name in sorted(names))
    why = (
        f"it changes {' and '.join(state['changed_guardrails'])}" if state["changed_guardrails"] else "it promises anew"
    )
    yield (
        f"The threshold of {listed} is what the labels so far support. Because {why}, it must be earned by new labels "
        "once the version is active; until then more cases go to people than shown."
    )


def _cases(number: int) -> str:
    return f"{number:,} case" if number == 1 else f"{number:,} cases"
