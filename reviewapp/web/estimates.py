"""What a promise or a threshold would mean for a class: from its recent traffic and its honest labels. No database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reviewapp.domain import calibration, evidence
from reviewapp.domain.evidence import Tally
from reviewapp.domain.policy import AuditRule, Promise
from reviewapp.domain.sampling import rate_of_day
from reviewapp.gating import proof
from reviewapp.gating.epochs import Epoch

BINS = 20
BAND_DRAWS = 200
BAND_LEVEL = 0.9

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Labels:
    """The honest labels of a class on one model version, in any order; all arrays are (n,).

    weights: the least π of the case's rung at that time over its own π. probabilities: its own π. waiting: later ones,
    which count once every earlier case that was drawn is answered.
    """

    confidences: Floats
    weights: Floats
    probabilities: Floats
    is_wrong: NDArray[np.bool_]
    waiting: int = 0

    @classmethod
    def of(cls, rows: Sequence[tuple[float, float, float, bool]], *, waiting: int = 0) -> "Labels":
        """From rows of confidence, π, least π and whether the model was wrong."""
        confidences = np.array([row[0] for row in rows], dtype=np.float64)
        probabilities = np.array([row[1] for row in rows], dtype=np.float64)
        least = np.array([row[2] for row in rows], dtype=np.float64)
        weights = least / probabilities if rows else probabilities
        return cls(confidences, weights, probabilities, np.array([row[3] for row in rows], dtype=np.bool_), waiting)

    @property
    def count(self) -> int:
        return int(self.confidences.size)

    def tallies(self, threshold: float) -> list[Tally]:
        """Those at or above a threshold, counted by weight."""
        above = self.confidences >= threshold
        weights, of = np.unique(self.weights[above], return_inverse=True)
        wrong = np.bincount(of, self.is_wrong[above], minlength=weights.size)
        total = np.bincount(of, minlength=weights.size)
        return [
            Tally(float(weight), int(all_ - bad), int(bad))
            for weight, all_, bad in zip(weights, total, wrong, strict=True)
        ]

    def counts_on(self, ladder: Sequence[float]) -> list[proof.Count]:
        """All of them on the rungs of a ladder."""
        # Rungs fall: the strictest that a confidence reaches is the first one not above it.
        rung = np.searchsorted(-np.asarray(ladder), -self.confidences)
        keys = np.column_stack([rung, self.weights, self.is_wrong])[rung < len(ladder)]
        if not keys.size:
            return []
        found, number = np.unique(keys, axis=0, return_counts=True)
        outcomes = (proof.Outcome.RIGHT, proof.Outcome.WRONG)
        return [
            proof.Count(int(at), float(weight), outcomes[int(is_wrong)], int(times))
            for (at, weight, is_wrong), times in zip(found, number, strict=True)
        ]

    def counts(self, threshold: float) -> tuple[int, int]:
        """How many lie at or above a threshold, and how many of them found the model wrong."""
        above = self.confidences >= threshold
        return int(above.sum()), int(self.is_wrong[above].sum())

    def point(self, threshold: float) -> float | None:
        """The error rate at or above a threshold as the labels estimate it, each weighed by 1/π."""
        above = self.confidences >= threshold
        if not above.any():
            return None
        inverse = 1 / self.probabilities[above]
        return float((inverse * self.is_wrong[above]).sum() / inverse.sum())


@dataclass(frozen=True)
class Traffic:
    """What a model version said lately. `confidences` (n,) are the class's cases that passed the guardrails.

    cases: all cases of the stream in the window; of_class: those of the class, `stopped` of them by a guardrail;
    days: the window's length, at least one. others_automatic: cases a day of other classes that act alone now.
    """

    cases: int
    of_class: int
    stopped: int
    days: float
    confidences: Floats
    is_automatic: NDArray[np.bool_]
    others_automatic: float = 0.0
    others_audits: float = 0.0

    @property
    def per_day(self) -> float:
        return self.of_class / self.days

    def share_from(self, threshold: float) -> float | None:
        """The share of the class's cases that would act alone from a threshold on."""
        return float((self.confidences >= threshold).sum()) / self.of_class if self.of_class else None


@dataclass(frozen=True)
class Rung:
    """One threshold of the ladder: what it would automate, and what its labels say of its error rate.

    examined: the bound that the first exam found there, at its own confidence; None without one.
    """

    threshold: float
    share: float | None
    labels: int
    wrong: int
    point: float | None
    bound: float
    examined: float | None = None


@dataclass(frozen=True)
class Estimate:
    """What a draft would mean for the class. Per day where it says so; None where nothing is known yet."""

    threshold: float | None
    share: float | None
    automatic_per_day: float
    audits_per_day: float
    people_per_day: float
    stream_people_per_day: float
    stream_automatic_share: float | None
    minutes_per_day: float | None
    labels: int = 0
    wrong: int = 0
    point: float | None = None
    bound: float | None = None
    more_clean: int | None = None
    state: proof.State | None = None


def rungs_of(
    labels: Labels, traffic: Traffic, look: proof.Look, *, exam: Mapping[str, Any] | None = None
) -> list[Rung]:
    """Error rate against automation, rung by rung; each bound holds for itself, at any look."""
    examined = {rung["threshold"]: rung["bound"] for rung in exam["rungs"]} if exam else {}
    return [
        Rung(
            threshold=rung.threshold,
            share=traffic.share_from(rung.threshold),
            labels=rung.audits,
            wrong=rung.wrong,
            point=labels.point(rung.threshold),
            bound=rung.bound,
            examined=examined.get(rung.threshold),
        )
        for rung in look.rungs
    ]


def rung_at(labels: Labels, traffic: Traffic, threshold: float, *, confidence: float) -> Rung:
    """The same of any threshold, on the ladder or not."""
    number, wrong = labels.counts(threshold)
    return Rung(
        threshold=threshold,
        share=traffic.share_from(threshold),
        labels=number,
        wrong=wrong,
        point=labels.point(threshold),
        bound=evidence.e_upper_bound(labels.tallies(threshold), confidence=confidence),
    )


def look_at(
    labels: Labels, traffic: Traffic, promise: Promise, *, expected_labels: float, epoch: Epoch | None = None
) -> proof.Look | None:
    """What a look under this promise finds in the labels there are; None before the first case.

    epoch: the one that earns this very promise already; otherwise a first one is drawn up from the recent confidences.
    """
    if epoch is not None and epoch.terms is not None:
        counts = labels.counts_on(epoch.terms.ladder)
        return proof.look(epoch.terms, counts, held=epoch.held, examined=epoch.examined)
    if not traffic.confidences.size:
        return None
    terms = proof.plan(
        traffic.confidences.tolist(),
        expected_labels=expected_labels,
        target_error=promise.target_error,
        delta=promise.delta,
    )
    return proof.look(terms, labels.counts_on(terms.ladder))


def estimate(
    *,
    labels: Labels,
    traffic: Traffic,
    threshold: float | None,
    confidence: float,
    audit: AuditRule,
    rate_by_hand: float | None = None,
    minutes_per_review: float | None = None,
    look: proof.Look | None = None,
) -> Estimate:
    """What a threshold would mean, day by day, at the volume of the window; other classes stay as they are."""
    share = 0.0 if threshold is None else traffic.share_from(threshold)
    automatic = (share or 0.0) * traffic.per_day
    audits = automatic * audit_rate(automatic, audit, rate_by_hand)
    of_stream = traffic.cases / traffic.days
    acting = automatic + traffic.others_automatic
    people = of_stream - acting + audits + traffic.others_audits
    rung = None if threshold is None else rung_at(labels, traffic, threshold, confidence=confidence)
    return Estimate(
        threshold=threshold,
        share=share if traffic.of_class else None,
        automatic_per_day=automatic,
        audits_per_day=audits,
        people_per_day=traffic.per_day - automatic + audits,
        stream_people_per_day=people,
        stream_automatic_share=acting / of_stream if of_stream else None,
        minutes_per_day=None if minutes_per_review is None else people * minutes_per_review,
        labels=rung.labels if rung else labels.count,
        wrong=rung.wrong if rung else int(labels.is_wrong.sum()),
        point=rung.point if rung else None,
        bound=rung.bound if rung else None,
        more_clean=look.more_needed if look else None,
        state=look.state if look else None,
    )


def audit_rate(automatic_per_day: float, audit: AuditRule, by_hand: float | None = None) -> float:
    """The share of automatic decisions that would be read blind at this volume: by hand, else by the audit rule."""
    return rate_of_day(automatic_per_day=automatic_per_day, rule=audit) if by_hand is None else by_hand


@dataclass(frozen=True)
class Reliability:
    """The reliability curve with the band that calibrated confidences would stay in, and its parts."""

    curve: list[tuple[float, float]]
    band: list[tuple[float, float, float]]
    corp: calibration.Corp
    p_value: float


def reliability(labels: Labels) -> Reliability | None:
    """How often the model was right against how sure it was; None without labels."""
    if not labels.count:
        return None
    inverse = 1 / labels.probabilities
    found = calibration.corp(labels.confidences, ~labels.is_wrong, inverse)
    # The same labels give the same band on every visit.
    rng = np.random.default_rng(labels.count)
    band = calibration.consistency_band(
        labels.confidences, weights=inverse, draws=BAND_DRAWS, level=BAND_LEVEL, rng=rng
    )
    return Reliability(
        curve=list(zip(found.x.tolist(), found.y.tolist(), strict=True)),
        band=_thinned(list(zip(band.x.tolist(), band.low.tolist(), band.high.tolist(), strict=True))),
        corp=found,
        p_value=band.p_value(found.mcb),
    )


@dataclass(frozen=True)
class Bin:
    low: float
    high: float
    automatic: int
    reviewed: int


def histogram(traffic: Traffic, *, bins: int = BINS) -> list[Bin]:
    """How sure the model was, and what acted alone; from the least confidence seen up to 1."""
    if not traffic.confidences.size:
        return []
    low = float(np.floor(traffic.confidences.min() * bins) / bins)
    edges = np.linspace(min(low, 1 - 1 / bins), 1, bins + 1)
    every, _ = np.histogram(traffic.confidences, edges)
    automatic, _ = np.histogram(traffic.confidences[traffic.is_automatic], edges)
    return [
        Bin(float(edges[at]), float(edges[at + 1]), int(automatic[at]), int(every[at] - automatic[at]))
        for at in range(bins)
    ]


def _thinned(points: list[tuple[float, float, float]], *, most: int = 200) -> list[tuple[float, float, float]]:
    """Few enough points to be drawn and sent; the first and the last stay."""
    if len(points) <= most:
        return points
    return [points[round(at * (len(points) - 1) / (most - 1))] for at in range(most)]
