"""What a trial tells: a line per class and day, and a summary."""

from collections.abc import Iterator, Sequence
from typing import Any

from reviewapp.gating.wording import count, share
from reviewapp.monitoring.trial import oracle
from reviewapp.monitoring.trial.day import Day, Ruled
from reviewapp.monitoring.trial.run import Trial

HEAD = (
    "day  arrived   auto  wrong so far  read  audits  class             state       threshold  bound    wrong so far"
    "  more  audit rate  breaker"
)


def lines(trial: Trial) -> Iterator[str]:
    """The last day: one line for all, going on with its classes, one line each."""
    day = trial.days[-1]
    past = [one for before in trial.days for one in before.ruled]
    whole = (
        f"{day.number:>3}  {len(day.ruled):>7,}  {_automatic(day.ruled):>5,}  {_wrong(past):>12}"
        f"  {day.reads:>4,}  {day.audits:>6,}"
    )
    for number, (name, one) in enumerate(day.classes.items()):
        own = [ruled for ruled in past if ruled.answer == name]
        threshold = "–" if one.threshold is None else f"{one.threshold:.4f}"
        bound = "–" if one.bound is None else share(one.bound)
        rate = "–" if one.rate is None else share(one.rate)
        yield (
            f"{whole if not number else ' ' * len(whole)}  {name[:16]:<16}  {one.state:<10}  {threshold:>9}  {bound:<7}"
            f"  {_wrong(own):>12}  {one.more_needed:>4,}  {rate:>10}  {one.breaker}"
        )


def summary(trial: Trial) -> dict[str, Any]:
    """The figures of a whole trial."""
    plan, stream = trial.deployment.plan, trial.deployment.stream
    ruled = [one for day in trial.days for one in day.ruled]
    wrong = [one.is_wrong for one in ruled]
    said, scores = [one.answer for one in ruled], [one.confidence for one in ruled]
    best, thresholds = oracle.automation(said, scores, wrong, classes=stream.classes, target_error=plan.promise)
    automatic = _automatic(ruled)
    return {
        "file": plan.data.name,
        "trained_on": trial.deployment.trained_on,
        "arrived": len(ruled),
        "refused": trial.deployment.refused,
        "days": len(trial.days),
        "promise": plan.promise,
        "model_wrong": sum(wrong) / len(wrong),
        "automated": automatic / len(ruled),
        "automated_on_last_day": _automatic(trial.days[-1].ruled) / len(trial.days[-1].ruled),
        "automatic": automatic,
        "automatic_wrong": sum(one.is_wrong for one in ruled if one.is_automatic),
        "oracle": best,
        "oracle_thresholds": thresholds,
        "reads": sum(day.reads for day in trial.days),
        "audits": sum(day.audits for day in trial.days),
        "certified_on_day": {name: _first(trial.days, name, "state", "certified") for name in stream.classes},
        "breaker_opened_on_day": {name: _first(trial.days, name, "breaker", "open") for name in stream.classes},
        "since_shift": _since_shift(trial),
        "seconds": round(trial.seconds, 1),
    }


def _first(days: Sequence[Day], name: str, part: str, value: str) -> int | None:
    return next((day.number for day in days if getattr(day.classes[name], part) == value), None)


def _since_shift(trial: Trial) -> dict[str, Any] | None:
    """By class: the automatic decisions from the shift on and the wrong ones of them."""
    shift = trial.deployment.plan.shift
    if shift is None:
        return None
    since = [one for day in trial.days if day.number >= shift.day for one in day.ruled if one.is_automatic]
    classes = trial.deployment.stream.classes
    return {
        "day": shift.day,
        "factor": shift.factor,
        "automatic": {name: sum(one.answer == name for one in since) for name in classes},
        "wrong": {name: sum(one.answer == name and one.is_wrong for one in since) for name in classes},
    }


def told(summary: dict[str, Any]) -> list[str]:
    """The summary in sentences."""
    wrong = summary["automatic_wrong"] / summary["automatic"] if summary["automatic"] else 0.0
    arrived, days = count(summary["arrived"], "case"), count(summary["days"], "day")
    lines = [
        (
            f"{summary['file']}: trained on {count(summary['trained_on'], 'row')}, then {arrived} in {days}; "
            f"the model is wrong in {share(summary['model_wrong'])} of them."
        ),
        (
            f"Promised: at most {share(summary['promise'])} of the automatic decisions of each class wrong. Automatic "
            f"were {count(summary['automatic'], 'case')} ({share(summary['automated'])}; on the last day "
            f"{share(summary['automated_on_last_day'])}), of which {summary['automatic_wrong']:,} were wrong "
            f"({share(wrong)})."
        ),
        f"Who knows every answer could automate {share(summary['oracle'])}.",
        f"People gave {count(summary['reads'], 'answer')}, {summary['audits']:,} of them first readings of audits.",
    ]
    for name, day in summary["certified_on_day"].items():
        lines.append(f"“{name}”: first certified on day {day}." if day else f"“{name}”: never certified.")
    for name, day in summary["breaker_opened_on_day"].items():
        if day:
            lines.append(f"The breaker of “{name}” opened on day {day}.{_harm(summary, name)}")
    return [*lines, f"It took {summary['seconds']:,.0f} seconds."]


def _harm(summary: dict[str, Any], name: str) -> str:
    since = summary["since_shift"]
    if since is None:
        return ""
    wrong, acted = since["wrong"][name], since["automatic"][name]
    return f" From the shift on day {since['day']}, {wrong:,} of its {acted:,} automatic decisions were wrong."


def as_json(day: Day) -> dict[str, Any]:
    """A day's figures."""
    return {
        "day": day.number,
        "arrived": len(day.ruled),
        "automatic": _automatic(day.ruled),
        "automatic_wrong": sum(one.is_wrong for one in day.ruled if one.is_automatic),
        "reads": day.reads,
        "audits": day.audits,
        "classes": {
            name: {
                "state": one.state,
                "threshold": one.threshold,
                "bound": one.bound,
                "audits": one.audits,
                "wrong": one.wrong,
                "more_needed": one.more_needed,
                "audit_rate": one.rate,
                "breaker": one.breaker,
            }
            for name, one in day.classes.items()
        },
    }


def _automatic(ruled: Sequence[Ruled]) -> int:
    return sum(one.is_automatic for one in ruled)


def _wrong(ruled: Sequence[Ruled]) -> str:
    acted = _automatic(ruled)
    return share(sum(one.is_wrong for one in ruled if one.is_automatic) / acted) if acted else "–"
