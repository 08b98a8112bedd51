"""A case as the API shows it."""

from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework import serializers

from reviewapp.cases.actions.intake import Receipt
from reviewapp.cases.models import Case, Decision, Label, Prediction
from reviewapp.cases.models.case import STATES
from reviewapp.cases.permissions import hides_model
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Stream


class ReasonOutput(serializers.Serializer[Any]):
    code = serializers.CharField()
    sentence = serializers.CharField()


class PredictionSent(serializers.Serializer[Any]):
    model = serializers.CharField(help_text="Name of the stream's external primary.")
    probabilities = serializers.DictField(
        child=serializers.FloatField(min_value=0, max_value=1), help_text="One per class of the stream."
    )


class CaseInputBody(serializers.Serializer[Any]):
    external_id = serializers.CharField(max_length=200, help_text="Your own id, unique in the stream for ever.")
    features = serializers.DictField(help_text="As the stream's contract says.")
    observed_at = serializers.DateTimeField(required=False, allow_null=True)
    prediction = PredictionSent(required=False, allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        # `context` is a property of every serializer, so it cannot be declared as an attribute.
        shown = serializers.DictField(required=False, allow_null=True, help_text="Shown to people, not scored.")
        return {**super().get_fields(), "context": shown}


class DecisionOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    sequence = serializers.IntegerField()
    source = serializers.ChoiceField(Decision.Source.choices)  # type: ignore[assignment]
    generation = serializers.IntegerField()
    decided_at = serializers.DateTimeField()

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "class": serializers.CharField(allow_null=True)}


class LabelOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    sequence = serializers.IntegerField()
    source = serializers.ChoiceField(Label.Source.choices)  # type: ignore[assignment]
    is_honest = serializers.BooleanField()
    inclusion_probability = serializers.FloatField(allow_null=True)
    half = serializers.ChoiceField(Label.Half.choices)
    generation = serializers.IntegerField()
    created_at = serializers.DateTimeField()

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "class": serializers.CharField(allow_null=True)}


class PredictionOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    role = serializers.ChoiceField(Prediction.Role.choices)
    model_version = serializers.IntegerField()
    probabilities = serializers.DictField(child=serializers.FloatField())
    confidence = serializers.FloatField()
    novelty = serializers.FloatField(allow_null=True)
    route = serializers.ChoiceField(["auto", "review"], allow_null=True)
    reasons = ReasonOutput(many=True)
    threshold = serializers.FloatField(allow_null=True)
    certificate_state = serializers.ChoiceField(
        ["certified", "uncertified"], allow_null=True, help_text="What stood behind the threshold; null without one."
    )
    certificate = serializers.UUIDField(allow_null=True)
    policy_version = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "class": serializers.CharField()}


class InputOutput(serializers.Serializer[Any]):
    features = serializers.DictField()
    observed_at = serializers.DateTimeField(allow_null=True)
    received_at = serializers.DateTimeField()

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "context": serializers.DictField()}


class CaseSummary(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    external_id = serializers.CharField()
    stream = serializers.CharField()
    state = serializers.ChoiceField(STATES)
    generation = serializers.IntegerField()
    received_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField()
    decision = DecisionOutput(allow_null=True)
    url = serializers.CharField()


class CaseOutput(CaseSummary):
    input = InputOutput()
    prediction = PredictionOutput(allow_null=True)
    label = LabelOutput(allow_null=True)  # type: ignore[assignment]


def arrived(stream: Stream, receipt: Receipt) -> dict[str, Any]:
    """The summary of a case that was written this moment: nothing has to be read back."""
    assert receipt.received_at is not None
    return {
        "id": receipt.case_id,
        "external_id": receipt.external_id,
        "stream": stream.slug,
        "state": "scoring",
        "generation": 1,
        "received_at": receipt.received_at,
        "due_at": receipt.received_at + stream.sla,
        "decision": None,
        "url": url_of(receipt.case_id),
    }


def summary(case: Case) -> dict[str, Any]:
    return summaries([case])[0]


def summaries(cases: Iterable[Case]) -> list[dict[str, Any]]:
    """Cases with their live decisions, in one query for all of them."""
    found = list(cases)
    live = Decision.objects.live().filter(case__in=[case.pk for case in found])
    decisions = {decision.case_id: decision for decision in live}
    return [_summary(case, decisions.get(case.pk)) for case in found]


def full(case: Case, actor: Actor) -> dict[str, Any]:
    """Everything of a case that the actor may see."""
    given = case.inputs.get(generation=case.generation)
    label = Label.objects.live().filter(case=case).first()
    is_hidden = hides_model(actor, case)
    return {
        **summary(case),
        "input": {
            "features": given.features,
            "context": given.context,
            "observed_at": given.observed_at,
            "received_at": given.received_at,
        },
        "prediction": None if is_hidden else prediction_of(latest_prediction(case), case.stream.classes),
        "label": None if label is None else label_of(label),
    }


def latest_prediction(case: Case) -> Prediction | None:
    """The one that routed the present generation."""
    return (
        Prediction.objects.filter(case=case, generation=case.generation)
        .filter(route__isnull=False)
        .select_related("model_version", "policy_version")
        .order_by("-created_at", "-pk")
        .first()
    )


def prediction_of(prediction: Prediction | None, classes: list[str]) -> Mapping[str, Any] | None:
    if prediction is None:
        return None
    return {
        "id": prediction.pk,
        "role": prediction.role,
        "model_version": prediction.model_version.number,
        "class": prediction.answer,
        "probabilities": dict(zip(classes, prediction.probabilities, strict=True)),
        "confidence": prediction.confidence,
        "novelty": prediction.novelty,
        "route": prediction.route,
        "reasons": prediction.reasons,
        "threshold": prediction.threshold,
        "certificate_state": _certificate_state(prediction),
        "certificate": prediction.certificate_id,
        "policy_version": prediction.policy_version.number if prediction.policy_version else None,
        "created_at": prediction.created_at,
    }


def _certificate_state(prediction: Prediction) -> str | None:
    if prediction.threshold is None:
        return None
    return "certified" if prediction.certificate_id else "uncertified"


def decision_of(decision: Decision | None) -> Mapping[str, Any] | None:
    if decision is None:
        return None
    return {
        "id": decision.pk,
        "sequence": decision.sequence,
        "class": decision.answer,
        "source": decision.source,
        "generation": decision.generation,
        "decided_at": decision.decided_at,
    }


def label_of(label: Label) -> Mapping[str, Any]:
    return {
        "id": label.pk,
        "sequence": label.sequence,
        "class": label.answer,
        "source": label.source,
        "is_honest": label.is_honest,
        "inclusion_probability": label.inclusion_probability,
        "half": label.half,
        "generation": label.generation,
        "created_at": label.created_at,
    }


def _summary(case: Case, decision: Decision | None) -> dict[str, Any]:
    return {
        "id": case.pk,
        "external_id": case.external_id,
        "stream": case.stream.slug,
        "state": case.state,
        "generation": case.generation,
        "received_at": case.received_at,
        "due_at": case.due_at,
        "decision": decision_of(decision),
        "url": url_of(case.pk),
    }


def url_of(case_id: Any) -> str:
    return f"/api/v1/cases/{case_id}"
