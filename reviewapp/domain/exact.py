"""What counts of right and wrong say about an error rate, exactly: the binomial and the hypergeometric distribution.

Everything takes whole counts, never rates: a count rebuilt from a rate can be off by one, and one wrong answer decides.
"""

from collections.abc import Callable
from decimal import Decimal
from math import floor, isfinite

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincc, betaincinv, gammaln

from reviewapp.domain.errors import Invalid

# No plan is longer than this: a promise that needs more audits asks for a number no stream will see.
_LONGEST = 2**62


def p_value(*, wrong: int, audits: int, target_error: float) -> float:
    """P(Bin(audits, target_error) ≤ wrong): small where an error rate of `target_error` or more is hard to believe."""
    check_target(target_error)
    check_counts(wrong, audits)
    return 1.0 if wrong >= audits else float(betaincc(wrong + 1, audits - wrong, target_error))


def p_values(wrong: ArrayLike, audits: ArrayLike, *, target_error: float) -> NDArray[np.float64]:
    """`p_value` of many counts at once, in their shape."""
    check_target(target_error)
    found, right = np.asarray(wrong), np.asarray(audits) - np.asarray(wrong)
    # Where nothing was found right, everything may be wrong; the function below is not defined there.
    return np.where(right > 0, betaincc(found + 1, np.maximum(right, 1), target_error), 1.0)


def upper_bound(*, wrong: int, audits: int, confidence: float) -> float:
    """The error rate that is not exceeded with this confidence (Clopper and Pearson 1934, one-sided)."""
    check_confidence(confidence)
    check_counts(wrong, audits)
    return 1.0 if wrong >= audits else float(betaincinv(wrong + 1, audits - wrong, confidence))


def lower_bound(*, wrong: int, audits: int, confidence: float) -> float:
    """The error rate that is reached with this confidence (Clopper and Pearson 1934, one-sided)."""
    check_confidence(confidence)
    check_counts(wrong, audits)
    return 0.0 if wrong == 0 else float(betaincinv(wrong, audits - wrong + 1, 1 - confidence))


def audits_needed(*, target_error: float, confidence: float, wrong: int = 0) -> int:
    """The least audits that prove an error rate of at most `target_error` when `wrong` of them find an error."""
    check_target(target_error)
    check_confidence(confidence)
    check_counts(wrong, wrong)
    risk = 1 - confidence

    def is_enough(audits: int) -> bool:
        return audits > wrong and bool(betaincc(wrong + 1, audits - wrong, target_error) <= risk)

    return _least(is_enough, start=wrong + 1, most=_LONGEST)


def more_clean_audits(*, wrong: int, audits: int, target_error: float, confidence: float) -> int:
    """How many more audits without an error prove the promise; 0 where the counts do already."""
    check_counts(wrong, audits)
    return max(0, audits_needed(target_error=target_error, confidence=confidence, wrong=wrong) - audits)


def finite_p_value(*, wrong: int, audits: int, population: int, target_error: float) -> float:
    """P(H ≤ wrong), H the errors in a simple random sample of `audits` from a population that just breaks the promise.

    The promise is that at most `target_error` of these very `population` decisions are wrong; the sample is without
    replacement, so no assumption about other decisions is needed.
    """
    check_target(target_error)
    _check_population(wrong, audits, population)
    return _finite_tail(wrong, audits, population, _most_allowed(population, target_error) + 1)


def finite_upper_bound(*, wrong: int, audits: int, population: int, confidence: float) -> int:
    """The most decisions of the population that can be wrong, with this confidence, given the errors in the sample."""
    check_confidence(confidence)
    _check_population(wrong, audits, population)
    risk = 1 - confidence
    most = population - (audits - wrong)
    # The tail falls with the errors in the population: the first number that is hard to believe, less one.
    first = _least(
        lambda bad: bad > most or _finite_tail(wrong, audits, population, bad) <= risk, start=wrong, most=most + 1
    )
    return max(wrong, first - 1)


def finite_audits_needed(*, population: int, target_error: float, confidence: float, wrong: int = 0) -> int | None:
    """The least audits that prove the promise for this population; None where `wrong` errors break it outright."""
    check_target(target_error)
    check_confidence(confidence)
    _check_population(wrong, wrong, population)
    allowed = _most_allowed(population, target_error)
    if wrong > allowed:
        return None
    risk = 1 - confidence
    return _least(
        lambda audits: _finite_tail(wrong, audits, population, allowed + 1) <= risk, start=wrong, most=population
    )


def check_target(target_error: float) -> None:
    """Raises Invalid unless the target error lies strictly between 0 and 1."""
    if not (isfinite(target_error) and 0 < target_error < 1):
        raise _refusal(
            "target_error",
            f"The target error must lie between 0 and 1, both excluded, such as 0.01 for 1%; it is {target_error:g}.",
        )


def check_confidence(confidence: float) -> None:
    """Raises Invalid unless the confidence lies strictly between 0 and 1."""
    if not (isfinite(confidence) and 0 < confidence < 1):
        raise _refusal(
            "confidence",
            f"The confidence must lie between 0 and 1, both excluded, such as 0.95 for 95%; it is {confidence:g}.",
        )


def check_counts(wrong: int, audits: int) -> None:
    """Raises Invalid unless 0 ≤ wrong ≤ audits."""
    if wrong < 0 or audits < 0:
        raise _refusal("wrong" if wrong < 0 else "audits", "A count of audits or of errors cannot be negative.")
    if wrong > audits:
        raise _refusal("wrong", f"{wrong} errors cannot come from {audits} audits: give at least {wrong} audits.")


def _check_population(wrong: int, audits: int, population: int) -> None:
    check_counts(wrong, audits)
    if population < 1 or audits > population:
        raise _refusal(
            "population", f"{audits} audits need a population of at least {max(1, audits)}; it is {population}."
        )


def _refusal(field: str, message: str) -> Invalid:
    code = f"{field}_out_of_range"
    return Invalid(message, code=code, errors=[{"field": field, "code": code, "message": message}])


def _most_allowed(population: int, target_error: float) -> int:
    # The decimal as it was typed: 0.29 × 100 is 28.999… in binary, and the promise would lose a case.
    return floor(Decimal(repr(float(target_error))) * population)


def _finite_tail(wrong: int, audits: int, population: int, bad: int) -> float:
    good = population - bad
    fewest = max(0, audits - good)
    if wrong >= min(audits, bad):
        return 1.0
    if wrong < fewest:
        return 0.0
    found = np.arange(fewest, wrong + 1)
    logs = _log_choose(bad, found) + _log_choose(good, audits - found) - _log_choose(population, np.asarray(audits))
    return min(1.0, float(np.exp(logs).sum()))


def _log_choose(total: int, taken: NDArray[np.int_]) -> NDArray[np.float64]:
    return np.asarray(gammaln(total + 1) - gammaln(taken + 1) - gammaln(total - taken + 1))


def _least(is_enough: Callable[[int], bool], *, start: int, most: int) -> int:
    """The least number from `start` to `most` that is enough, where more is always enough too; `most` if none is."""
    low, step = start, 1
    while low + step < most and not is_enough(low + step - 1):
        low, step = low + step, step * 2
    high = min(low + step - 1, most) if low + step < most else most
    while low < high:
        middle = (low + high) // 2
        if is_enough(middle):
            high = middle
        else:
            low = middle + 1
    return low
