"""Promises beyond the error rate: money lost per automatic decision, wrong automatic decisions per 1,000 arrivals."""

from dataclasses import dataclass
from math import ceil, log, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reviewapp.domain.errors import Invalid
from reviewapp.domain.exact import check_confidence, check_counts, finite_upper_bound, upper_bound


@dataclass(frozen=True, slots=True)
class PerThousand:
    """Wrong automatic decisions per 1,000 arrivals: as estimated from the audits, and the bound."""

    estimate: float
    bound: float


def mean_loss_bound(losses: ArrayLike, weights: ArrayLike | None = None, *, cap: float, confidence: float) -> float:
    """The mean loss of an automatic decision that is not exceeded with this confidence, in the unit of `cap`.

    losses (n,) of the audited cases in order of arrival, each in [0, cap]; weights (n,) in (0, 1], the least π that any
    case had over the case's own, None: all alike. Betting with a predictable stake (Waudby-Smith and Ramdas 2024,
    theorem 3 and section 4); the number of losses must not have been chosen by looking at them.
    """
    check_confidence(confidence)
    shares, weight = _losses(losses, weights, cap)
    if not shares.size:
        return cap
    need = -log(1 - confidence)
    stakes = _stakes(shares * weight, need)

    def is_refuted(mean: float) -> bool:
        wealth = np.cumsum(np.log1p(-stakes * weight * (shares - mean)))
        return bool(wealth.max() >= need)

    low, high = 0.0, 1.0
    if not is_refuted(high):
        return cap
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if is_refuted(middle) else (middle, high)
    return high * cap


def per_thousand_bound(
    *, wrong: int, audits: int, automatic: int, arrivals: int, confidence: float, is_finite: bool = True
) -> PerThousand:
    """Wrong automatic decisions per 1,000 of `arrivals`, from `audits` drawn at random from `automatic` decisions.

    Finite: of these very decisions, exactly (hypergeometric). Otherwise of the process behind them, at the share that
    is automatic now.
    """
    check_counts(wrong, audits)
    if not audits <= automatic <= arrivals or arrivals < 1:
        message = (
            f"Audits ({audits}) cannot exceed automatic decisions ({automatic}), nor these the arrivals ({arrivals}), "
            "of which there must be at least 1."
        )
        raise Invalid(message, code="arrivals_out_of_range")
    if not automatic:
        return PerThousand(0.0, 0.0)
    if is_finite:
        most = float(finite_upper_bound(wrong=wrong, audits=audits, population=automatic, confidence=confidence))
    else:
        most = automatic * upper_bound(wrong=wrong, audits=audits, confidence=confidence)
    estimate = automatic * wrong / audits if audits else most
    return PerThousand(1000 * estimate / arrivals, 1000 * most / arrivals)


def loosest_threshold(confidences: ArrayLike, is_wrong: ArrayLike, *, per_thousand: float) -> float | None:
    """The loosest threshold that keeps the expected wrong automatic decisions per 1,000 arrivals; None if none does.

    Conformal risk control (Angelopoulos et al. 2024): confidences (n,) and errors (n,) of a simple random sample of
    *all* arrivals. The promise holds on average over such samples, not with a confidence, so this proposes only.
    """
    scores, errors = np.asarray(confidences, dtype=np.float64), np.asarray(is_wrong, dtype=np.bool_)
    if scores.shape != errors.shape or scores.ndim != 1:
        raise Invalid("Every confidence needs to be known as right or wrong.", code="lengths_differ")
    most = per_thousand / 1000 * (scores.size + 1) - 1
    if most < 0:
        return None
    order = np.argsort(-scores, kind="stable")
    ranked, count = scores[order], np.cumsum(errors[order])
    # Cases that tie act together, so only the last of them can be the threshold.
    is_last = np.append(ranked[1:] != ranked[:-1], True)
    kept = ranked[is_last & (count <= most + 1e-9)]
    return float(kept[-1]) if kept.size else None


def labels_for_threshold(*, per_thousand: float) -> int:
    """The least labels with which `loosest_threshold` can propose one."""
    if not 0 < per_thousand < 1000:
        message = f"Wrong decisions per 1,000 arrivals must lie between 0 and 1,000; they are {per_thousand:g}."
        raise Invalid(message, code="per_thousand_out_of_range")
    return max(1, ceil(1000 / per_thousand - 1e-9) - 1)


def _stakes(seen: NDArray[np.float64], need: float) -> NDArray[np.float64]:
    """The stake of every bet from what came before it: small where losses vary much, never more than all (1)."""
    count = np.arange(1, seen.size + 1)
    mean = (0.5 + np.cumsum(seen)) / (count + 1)
    variance = (0.25 + np.cumsum((seen - mean) ** 2)) / (count + 1)
    before = np.concatenate([[0.25], variance[:-1]])
    return np.asarray(np.minimum(1.0, sqrt(2 * need / seen.size) / np.sqrt(before)))


def _losses(
    losses: ArrayLike, weights: ArrayLike | None, cap: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if not cap > 0:
        raise Invalid(f"The cap of a loss must be above 0; it is {cap:g}.", code="cap_out_of_range")
    shares = np.asarray(losses, dtype=np.float64) / cap
    weight = np.ones_like(shares) if weights is None else np.asarray(weights, dtype=np.float64)
    if shares.shape != weight.shape or shares.ndim != 1:
        raise Invalid("Every loss needs one weight.", code="lengths_differ")
    if not ((shares >= 0) & (shares <= 1 + 1e-12)).all():
        raise Invalid(f"A loss must lie between 0 and the cap of {cap:g}.", code="loss_out_of_range")
    if not ((weight > 0) & (weight <= 1)).all():
        raise Invalid("A weight must lie above 0 and not above 1.", code="weight_out_of_range")
    return np.minimum(shares, 1.0), weight
