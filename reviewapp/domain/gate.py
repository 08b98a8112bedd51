"""The gate: which of a model's answers may act alone. Pure: no clock, no settings, no randomness."""

from dataclasses import dataclass
from enum import StrEnum

from reviewapp.domain.durations import in_words
from reviewapp.domain.novelty import why_reviewed
from reviewapp.domain.policy import Cap, Policy


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
class Facts:
    """What the gate needs to know of the case beside its prediction.

    raised: the guardrails that the case's own values raise (missing, stale, out of range, a rule).
    open_breakers: the classes whose breaker is open for this case, by its segment too.
    """

    coin: float
    review_mode: ReviewMode
    blind_share: float
    is_held: bool = False
    raised: tuple[Reason, ...] = ()
    open_breakers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ruling:
    """The gate's result. `inclusion_probability` is π: the chance this case had to be read blind on this route.

    certificate: id of the certificate that `threshold` comes from; None where it was set by hand or there is none.
    """

    route: Route
    reasons: tuple[Reason, ...]
    threshold: float | None
    is_audited: bool
    is_blind: bool
    inclusion_probability: float
    certificate: str | None = None


# These say that a case's input is not of the kind a threshold is proven on: such cases are no evidence for one. Every
# other reason (a hold, a breaker, a cap) says nothing of the input.
GUARDRAIL_CODES = frozenset({"novel_input", "missing_feature", "stale_features", "out_of_range", "rule", "rule_failed"})

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
    certificate = policy.certificates.get(predicted) if policy else None
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
        rate = policy.audit_rates.get(predicted, 0.0) if policy else 0.0
        return to_review(tuple(reasons), facts=facts, threshold=threshold, audit_rate=rate, certificate=certificate)
    rate = policy.audit_rates.get(predicted, 0.0)
    reason = Reason(
        "above_threshold",
        f"Confidence {confidence:.1%} reaches the {threshold:.1%} that “{predicted}” needs.",
    )
    return Ruling(
        Route.AUTO,
        (reason,),
        threshold,
        facts.coin < rate,
        is_blind=True,
        inclusion_probability=rate,
        certificate=certificate,
    )


def to_review(
    reasons: tuple[Reason, ...],
    *,
    facts: Facts,
    threshold: float | None = None,
    audit_rate: float = 0.0,
    certificate: str | None = None,
) -> Ruling:
    """The ruling for a case that people decide; the blind share is drawn with the audit coin.

    The share is no smaller than the audit rate: so the cases whose coin is below the rate are an honest sample on both
    sides of the threshold.
    """
    if facts.review_mode is ReviewMode.ASSISTED:
        probability = max(facts.blind_share, audit_rate)
        is_blind = facts.coin < probability
    else:
        # Every first answer is given before anything of the model is shown.
        is_blind, probability = facts.review_mode is ReviewMode.BLIND, 1.0
    return Ruling(Route.REVIEW, reasons, threshold, False, is_blind, probability, certificate)


def capped(ruling: Ruling, *, facts: Facts, cap: Cap) -> Ruling:
    """The ruling for a case that would have acted alone, had not as many as the cap allows done so already."""
    sentence = f"The policy lets {cap.limit:,} cases act alone in {in_words(cap.seconds)}, and they have."
    return to_review(
        (Reason("cap_reached", sentence),),
        facts=facts,
        threshold=ruling.threshold,
        audit_rate=ruling.inclusion_probability,
        certificate=ruling.certificate,
    )


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
    if predicted in facts.open_breakers:
        reasons.append(Reason("breaker_open", f"The breaker of “{predicted}” is open: its promise failed."))
    return [*reasons, *facts.raised]
