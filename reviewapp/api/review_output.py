"""A review as the API shows it: nothing that hints at the model before it may be seen."""

from typing import Any

from rest_framework import serializers

from reviewapp.api.case_output import DecisionOutput, PredictionOutput, ReasonOutput, prediction_of
from reviewapp.api.evidence import ExplanationOutput, explanation, explanation_of
from reviewapp.api.similar import SimilarList, similar_to
from reviewapp.cases.models import Prediction, Review, Verdict
from reviewapp.cases.permissions import hides_model, may_see_evidence
from reviewapp.cases.reasons import visible_mode
from reviewapp.domain.errors import NotFound
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Stream


class ClaimOutput(serializers.Serializer[Any]):
    token = serializers.UUIDField(help_text="Sent back with the answer.")
    until = serializers.DateTimeField()


class ReviewSummary(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    stream = serializers.CharField()
    case = serializers.UUIDField()
    external_id = serializers.CharField()
    generation = serializers.IntegerField()
    kind = serializers.ChoiceField(
        Review.Kind.choices, allow_null=True, help_text="Null while the model is hidden: an audit must not be told."
    )
    mode = serializers.ChoiceField(
        Stream.Mode.choices,
        help_text="An audit has the mode of its stream's other unseen reviews until it may be told.",
    )
    state = serializers.ChoiceField(Review.State.choices)
    due_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    is_claimed = serializers.BooleanField()
    claim = ClaimOutput(allow_null=True, help_text="Your own claim.")


class EvidenceOutput(serializers.Serializer[Any]):
    reasons = ReasonOutput(many=True)
    prediction = PredictionOutput(allow_null=True)
    explanation = ExplanationOutput(allow_null=True)
    explanation_note = serializers.CharField(allow_null=True, help_text="Why there is no explanation.")
    similar = SimilarList()


class ReviewOutput(ReviewSummary):
    classes = serializers.ListField(child=serializers.CharField())
    features = serializers.DictField()
    evidence = EvidenceOutput(allow_null=True, help_text="Null until it may be seen.")

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "context": serializers.DictField()}


class SubmittedOutput(serializers.Serializer[Any]):
    result = serializers.CharField(help_text="saved, committed or replayed.")
    message = serializers.CharField()
    kept = serializers.BooleanField()
    verdict = serializers.UUIDField()
    stage = serializers.ChoiceField(Verdict.Stage.choices)
    decision = DecisionOutput(allow_null=True)
    review = ReviewOutput()


def is_shown(review: Review, actor: Actor) -> bool:
    """Whether the model's part may be shown; another review of the same case can still forbid it."""
    return may_see_evidence(actor, review) and not hides_model(actor, review.case)


def summary(review: Review, actor: Actor, *, shows_kind: bool | None = None) -> dict[str, Any]:
    """A review with its stream and case selected."""
    shown = is_shown(review, actor) if shows_kind is None else shows_kind
    is_mine = actor.user is not None and review.claimed_by_id == actor.user.pk
    return {
        "id": review.pk,
        "stream": review.stream.slug,
        "case": review.case_id,
        "external_id": review.case.external_id,
        "generation": review.generation,
        "kind": review.kind if shown else None,
        "mode": visible_mode(review, is_told=shown),
        "state": review.state,
        "due_at": review.due_at,
        "created_at": review.created_at,
        "is_claimed": review.claimed_by_id is not None,
        "claim": {"token": review.claim_token, "until": review.claim_until} if is_mine else None,
    }


def full(review: Review, actor: Actor) -> dict[str, Any]:
    """A review with what its reviewer needs to answer."""
    given = review.case.inputs.get(generation=review.generation)
    shown = is_shown(review, actor)
    return {
        **summary(review, actor, shows_kind=shown),
        "classes": review.stream.classes,
        "features": given.features,
        "context": given.context,
        "evidence": _evidence(review) if shown else None,
    }


def _evidence(review: Review) -> dict[str, Any]:
    predictions = Prediction.objects.select_related("model_version", "policy_version")
    prediction = predictions.filter(reviews=review).first()
    made, note = None, None
    try:
        made = explanation_of(explanation(review.case, prediction))
    except NotFound as why:
        note = str(why)
    return {
        "reasons": review.reasons,
        "prediction": prediction_of(prediction, review.stream.classes),
        "explanation": made,
        "explanation_note": note,
        "similar": similar_to(review.case, prediction),
    }
