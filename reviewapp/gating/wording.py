"""What a certificate and a breaker say, in sentences."""

from collections.abc import Mapping
from math import ceil
from typing import Any

# A wait that is longer than this is no plan.
_LONGEST_DAYS = 10_000


def share(value: float) -> str:
    """A share in per cent, with as many places as a small one needs."""
    percent = 100 * value
    if 99 < percent < 100:
        return f"{percent:.4g}%"
    return f"{percent:.0f}%" if percent >= 10 else f"{percent:.2g}%"


def number(value: float) -> str:
    """An amount with three figures."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def meaning(confidence: float) -> str:
    """What the confidence of a certificate is about: the method, not this month."""
    return f"{share(confidence)} of certificates like this one are right."


def promise(target_error: float, confidence: float) -> str:
    return f"At most {share(target_error)} of the automatic decisions wrong, with {share(confidence)} confidence."


def begun_anew(restarts: int, delta: float) -> str:
    """Why an attempt is judged more strictly than the promise says; empty for the first one."""
    if not restarts:
        return ""
    before = "the attempt before was" if restarts == 1 else f"{restarts:,} attempts before were"
    return f"Judged at {100 * (1 - delta):.4g}% confidence, because {before} ended by hand."


def standing(state: str, evidence: Mapping[str, Any]) -> str:
    """The counts behind a certificate, what they rule out, and what is missing."""
    broken = evidence.get("violated")
    before = ""
    if state == "violated" and broken:
        before = (
            f"{broken['wrong']:,} of {count(broken['audits'], 'audit')} above {broken['threshold']:.3g} were wrong: "
            "more than was promised. "
        )
    if evidence.get("ladder") is None:
        scored = count(evidence.get("scores", 0), "case")
        return f"{before}{scored} of this class scored; thresholds are drawn up from {evidence['scores_needed']:,}."
    if state == "certified" and (examined := _examined(evidence)) is not None:
        return examined
    needed = evidence["more_needed"]
    told = (
        f"{count(evidence['audits'], 'audit')}, {evidence['wrong']:,} wrong, bound now {share(evidence['bound'])}, "
        f"{count(needed, 'more clean audit')} needed"
    )
    return f"{before}{told}{_wait(evidence)}." if needed else f"{before}{told}."


def _examined(evidence: Mapping[str, Any]) -> str | None:
    """What the first exam showed, where it is what the threshold rests on; later labels alone say less."""
    exam = evidence.get("exam")
    if not exam or exam["threshold"] is None or exam["threshold"] != evidence["at"]:
        return None
    rung = next(one for one in exam["rungs"] if one["threshold"] == exam["threshold"])
    told = f"First exam: {count(rung['audits'], 'row')}, {rung['wrong']:,} wrong, bound {share(rung['bound'])}."
    if not evidence["audits"]:
        return told
    return f"{told} Since then {count(evidence['audits'], 'audit')}, {evidence['wrong']:,} wrong."


def _wait(evidence: Mapping[str, Any]) -> str:
    """Where the missing audits are awaited, and for how long."""
    at = f" at a threshold of {share(evidence['at'])}"
    a_day = evidence.get("labels_per_day", 0.0) * evidence.get("share", 0.0)
    days = ceil(evidence["more_needed"] / a_day) if a_day > 0 else _LONGEST_DAYS + 1
    if days > _LONGEST_DAYS:
        return f"{at}, where hardly any arrive"
    told = f"{at}: about {count(days, 'day')} at {a_day:.2g} a day"
    if days > evidence["certificate_days"]:
        lasts = count(round(evidence["certificate_days"]), "day")
        return f"{told}, more than the {lasts} that a certificate lasts; a looser promise or more blind answers help"
    return told


def watched(answer: str, segment: str) -> str:
    """What a breaker watches: a class, or one segment of it."""
    return f"“{answer}” in “{segment}”" if segment else f"“{answer}”"


def breaker(state: str, evidence: Mapping[str, Any]) -> str:
    """What the audits since a breaker was armed say."""
    audits = evidence.get("audits", 0)
    if not audits:
        return "No automatic decision was audited since it was armed."
    counts = f"{evidence['wrong']:,} of {count(audits, 'audit')} wrong"
    promised = f"{share(evidence['target_error'])} promised"
    level = f"evidence {evidence['level']:,.0f} of the {evidence['limit']:,.0f} that open it"
    endings = {
        "closed": f"{counts}, {promised}; {level}.",
        "amber": f"{counts}, {promised}: in doubt, so more are audited; {level}.",
        "open": f"{counts}, {promised}: the class goes to people until it is re-armed.",
    }
    return endings[state]
