"""How often a bound lies below the truth, and how wide it is."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri

from bench.simulate.cells import Cell, Figure, frequency
from reviewapp.domain import evidence, exact, losses

CONFIDENCE = 0.95
# rate, audits, and what is expected: misses in %, mean bound
RATES = (
    (0.005, 300, 0.0, 0.0180),
    (0.005, 1000, 4.1, 0.0104),
    (0.01, 100, 0.0, 0.0458),
    (0.01, 1000, 3.0, 0.0168),
    (0.02, 100, 0.0, 0.0607),
    (0.02, 300, None, None),
    (0.05, 300, 3.4, 0.0759),
    (0.1, 30, 4.1, 0.2363),
)
# volume above the new threshold, share of the band, error rates in the band and above, audit rate; misses, bound/rate
BANDS = (
    (10_000, 0.15, 0.04, 0.004, 0.10, 1.70, 1.89),
    (10_000, 0.15, 0.04, 0.0005, 0.05, 2.47, 2.32),
    (10_000, 0.40, 0.02, 0.002, 0.10, 1.72, 1.68),
    (3_000, 0.15, 0.04, 0.004, 0.10, 2.65, 2.99),
)
_Z = float(ndtri(CONFIDENCE))


def run(rng: Generator, *, worlds: int, is_small: bool) -> Iterator[Cell]:
    """Error rates from a simple random sample, then from reviews and audits together, then losses in money."""
    for rate, audits, missed, width in RATES[:: 4 if is_small else 1]:
        yield _sampled(rng, rate, audits, max(worlds, 20_000), (missed, width))
    for band in BANDS[: 1 if is_small else None]:
        yield _weighted(rng, band, worlds)
    yield from _money(rng, worlds // 8 if is_small else worlds)


def _sampled(
    rng: Generator, rate: float, audits: int, worlds: int, expected: tuple[float | None, float | None]
) -> Cell:
    wrong = rng.binomial(audits, rate, size=worlds)
    counts, times = np.unique(wrong, return_counts=True)

    def judged(name: str, bound: Callable[[int], float], *, is_ours: bool = False) -> list[Figure]:
        bounds = np.array([bound(int(count)) for count in counts])
        missed = int(times[bounds < rate].sum())
        mean = float((bounds * times).sum() / worlds)
        if not is_ours:
            return [frequency(f"{name}: missed", missed, worlds), Figure(f"{name}: mean bound", 100 * mean, "% wrong")]
        share, width = expected
        width = None if width is None else 100 * width
        return [
            frequency(f"{name}: missed", missed, worlds, most=1 - CONFIDENCE, expected=share),
            Figure(f"{name}: mean bound", 100 * mean, "% wrong", width, 0.01, is_relative=True),
        ]

    return Cell(
        "bounds",
        f"{100 * rate:g} % wrong, {audits} audits",
        worlds,
        [
            *judged("exact", lambda k: exact.upper_bound(wrong=k, audits=audits, confidence=CONFIDENCE), is_ours=True),
            *judged("Wald", lambda k: k / audits + _Z * (k / audits * (1 - k / audits) / audits) ** 0.5),
            *judged("Wilson", lambda k: _wilson(k, audits)),
            *judged("Jeffreys", lambda k: float(betaincinv(k + 0.5, audits - k + 0.5, CONFIDENCE))),
        ],
    )


def _wilson(wrong: int, audits: int) -> float:
    share, scale = wrong / audits, 1 + _Z**2 / audits
    half = _Z / scale * (share * (1 - share) / audits + _Z**2 / (4 * audits**2)) ** 0.5
    return float((share + _Z**2 / (2 * audits)) / scale + half)


def _weighted(rng: Generator, band: tuple[float, ...], worlds: int) -> Cell:
    """People have read all of the band below the old threshold, and a share r of what acted above it."""
    volume, share, in_band, above, r, thinned_width, live_width = band
    rate = share * in_band + (1 - share) * above
    num_band = rng.binomial(int(volume), share, size=worlds)
    wrong_band = rng.binomial(num_band, in_band)
    audits = rng.binomial(int(volume) - num_band, r)
    wrong_above = rng.binomial(audits, above)
    # The same coin that picks audits thins the band to their rate.
    kept_wrong = rng.binomial(wrong_band, r)
    wrong = kept_wrong + wrong_above
    total = audits + kept_wrong + rng.binomial(num_band - wrong_band, r)
    thinned = betaincinv(wrong + 1, total - wrong, CONFIDENCE)
    right = np.stack([audits - wrong_above, num_band - wrong_band], axis=1)
    bad = np.stack([wrong_above, wrong_band], axis=1)
    live = evidence.e_upper_bounds([1.0, r], right, bad, confidence=CONFIDENCE)
    estimate = (wrong_band + wrong_above / r) / volume
    spread = np.sqrt((wrong_band + wrong_above / r**2) / volume**2)
    normal = estimate + _Z * spread
    return Cell(
        "weighted",
        f"{int(volume):,} cases, {100 * share:g} % at {100 * in_band:g} %, rest {100 * above:g} %, r {100 * r:g} %",
        worlds,
        [
            *_missed("thinned exact", thinned, rate, thinned_width),
            *_missed("betting", live, rate, live_width),
            frequency("normal approximation: missed", int((normal < rate).sum()), worlds),
            Figure("normal approximation: bound/rate", float(normal.mean() / rate), "×"),
        ],
    )


def _missed(name: str, bounds: NDArray[np.float64], rate: float, width: float) -> list[Figure]:
    return [
        frequency(f"{name}: missed", int((bounds < rate).sum()), len(bounds), most=1 - CONFIDENCE),
        Figure(f"{name}: bound/rate", float(bounds.mean() / rate), "×", width, 0.05, is_relative=True, better="less"),
    ]


def _money(rng: Generator, worlds: int) -> Iterator[Cell]:
    """Losses of a skewed size, audited alike or in proportion to the amount at stake."""
    cap, audits, wrong = 1000.0, 1000, 0.02
    for name, is_proportional in (("audited alike", False), ("audited by value", True)):
        missed, ratios = 0, []
        for _ in range(worlds):
            amounts = np.minimum(cap, rng.lognormal(4.5, 1.0, size=40_000 if is_proportional else audits))
            lost = np.where(rng.random(amounts.size) < wrong, amounts, 0.0)
            weights = np.ones(amounts.size)
            if is_proportional:
                pi = np.maximum(0.01, np.minimum(1.0, amounts / 5000))
                is_read = rng.random(amounts.size) < pi
                lost, weights = lost[is_read], 0.01 / pi[is_read]
            bound = losses.mean_loss_bound(lost, weights, cap=cap, confidence=CONFIDENCE)
            truth = wrong * _MEAN_AMOUNT
            missed += bound < truth
            ratios.append(bound / truth)
        yield Cell(
            "money",
            f"losses of up to 1,000 in 2 % of decisions, {name}",
            worlds,
            [
                frequency("betting: missed", missed, worlds, most=1 - CONFIDENCE),
                Figure("betting: bound/mean", float(np.mean(ratios)), "×"),
            ],
        )


def _capped_mean(location: float, scale: float, cap: float) -> float:
    from scipy.special import ndtr

    place = (np.log(cap) - location) / scale
    return float(np.exp(location + scale**2 / 2) * ndtr(place - scale) + cap * (1 - ndtr(place)))


_MEAN_AMOUNT = _capped_mean(4.5, 1.0, 1000.0)
