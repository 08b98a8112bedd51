"""The gate: which of a model's answers may act alone. Pure: no clock, no settings, no randomness."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reviewapp.domain.novelty import why_reviewed


class Route(StrEnum):
    AUTO = "auto"
    REVIEW = "review"


class ReviewMode(StrEnum):
    ASSISTED = "assisted"
    COMMIT_THEN_REVEAL = "commit_then_reveal"
    BLIND = "blind"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a case took its route: a code for machines, a sentence for people."""

    code: str
    sentence: str

    def as_dict(self) -> dict[str, str]:
        return {"code": self.code, "sentence": self.sentence}


@dataclass(frozen=True, slots=True)
class Policy:
    """What the gate needs of an active policy version.

    thresholds: class → confidence in (0, 1] at or above which it may act alone; a class without one is reviewed.
    audit_rates: class → share r of automatic decisions that are audited blind.
    """

    thresholds: Mapping[str, float]
    audit_rates: Mapping[str, float] = field(default_factory=dict)
    never_automate: frozenset[str] = frozenset()
    novelty_floor: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the gate needs to know of the case beside its prediction."""

    coin: float
    review_mode: ReviewMode
    blind_share: float
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Ruling:
    """The gate's result. `inclusion_probability` is π: the chance this case had to be read blind on this route."""

    route: Route
    reasons: tuple[Reason, ...]
    threshold: float | None
    is_audited: bool
    is_blind: bool
    inclusion_probability: float


NO_POLICY = Reason("no_policy", "The stream has no active policy, so nothing is decided automatically.")
HELD = Reason("held", "Automation is on hold.")
SCORING_FAILED = Reason("scoring_failed", "The case could not be scored.")
MODEL_UNAVAILABLE = Reason("model_unavailable", "No model was available to score the case.")
# The same to a machine: what another version says informs people and never acts.
ANOTHER_ANSWERED = Reason(
    "model_unavailable", "The current model was not available; another version answered, so a person decides."
)


def rule(*, predicted: str, confidence: float, novelty: float | None, facts: Facts, policy: Policy | None) -> Ruling:
    """Route one prediction: automatic only where every guardrail is silent and the confidence reaches its threshold."""
    threshold = policy.thresholds.get(predicted) if policy else None
    reasons = _guardrails(predicted, novelty, facts, policy)
    if policy and not reasons:
        if threshold is None:
            reasons = [Reason("no_threshold", f"“{predicted}” has no threshold, so people decide it.")]
        elif confidence < threshold:
            reasons = [
                Reason(
                    "below_threshold",
                    f"Confidence {confidence:.1%} is below the {threshold:.1%} that “{predicted}” needs.",
                )
            ]
    if reasons or policy is None:
        return to_review(tuple(reasons), facts=facts, threshold=threshold)
    rate = policy.audit_rates.get(predicted, 0.0)
    reason = Reason(
        "above_threshold",
        f"Confidence {confidence:.1%} reaches the {threshold:.1%} that “{predicted}” needs.",
    )
    return Ruling(Route.AUTO, (reason,), threshold, facts.coin < rate, is_blind=True, inclusion_probability=rate)


def to_review(reasons: tuple[Reason, ...], *, facts: Facts, threshold: float | None = None) -> Ruling:
    """The ruling for a case that people decide; the blind share is drawn with the audit coin."""
    if facts.review_mode is ReviewMode.ASSISTED:
        is_blind, probability = facts.coin < facts.blind_share, facts.blind_share
    else:
        # Every first answer is given before anything of the model is shown.
        is_blind, probability = facts.review_mode is ReviewMode.BLIND, 1.0
    return Ruling(Route.REVIEW, reasons, threshold, False, is_blind, probability)


def _guardrails(predicted: str, novelty: float | None, facts: Facts, policy: Policy | None) -> list[Reason]:
    if policy is None:
        return [NO_POLICY]
    reasons = []
    if facts.is_held:
        reasons.append(HELD)
    if predicted in policy.never_automate:
        reasons.append(Reason("never_automate", f"“{predicted}” is never decided automatically."))
    if policy.novelty_floor is not None and novelty is not None and novelty < policy.novelty_floor:
        reasons.append(Reason("novel_input", why_reviewed(novelty, policy.novelty_floor)))
    return reasons
