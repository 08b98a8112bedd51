"""Why a review exists and how it is answered, as far as its reader may know now."""

from collections.abc import Sequence

from reviewapp.cases.models import Review
from reviewapp.registry.models import Stream

# These say nothing of what the model answered or how sure it was. That a case is audited, or came too late for the cap,
# would: the model was sure. A rule may look at the answer, so no rule is told.
NEUTRAL = frozenset(
    {
        *("no_policy", "held", "scoring_failed", "model_unavailable"),
        *("missing_feature", "stale_features", "out_of_range"),
    }
)
UNSEEN = {"code": "unseen", "sentence": "People answer this case without knowing what the model says."}
REOPENED = {"code": "reopened", "sentence": "The case was decided before and has been reopened."}


def visible_reasons(review: Review, *, sees_evidence: bool) -> Sequence[dict[str, str]]:
    """The review's reasons; those that would betray the model's answer are replaced until it may be seen."""
    if sees_evidence:
        return list(review.reasons)
    shown = [reason for reason in review.reasons if reason["code"] in NEUTRAL]
    if any(reason["code"] == "reopened" for reason in review.reasons):
        shown.append(REOPENED)
    return shown or [UNSEEN]


def visible_mode(review: Review, *, is_told: bool) -> str:
    """The review's mode, or the one of its stream where only audits are blind: until that may be told."""
    stream_mode = review.stream.review_mode
    is_betraying = review.mode == Stream.Mode.BLIND and stream_mode == Stream.Mode.COMMIT_THEN_REVEAL
    return str(stream_mode if is_betraying and not is_told else review.mode)
