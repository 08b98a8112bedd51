"""Cases that upstream has scored itself: gated and audited like any other, at once."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.conf import settings

from reviewapp.cases.actions import routing, serving, shadowing
from reviewapp.cases.submissions import Submission
from reviewapp.domain import sampling
from reviewapp.domain.errors import Invalid
from reviewapp.gating import rulebook as rulebooks
from reviewapp.registry.actions.versions import primary_of
from reviewapp.registry.models import ModelVersion, Stream


def route(*, stream: Stream, predictions: Mapping[UUID, Submission], now: datetime, generation: int = 1) -> None:
    """Gate predictions that came with their cases. Raises Invalid when they are not the stream's external primary's."""
    rulebook = rulebooks.read_locked(stream.pk)
    version = primary_of(rulebook.stream)
    for submission in predictions.values():
        check_model(version, submission)
    assert version is not None
    key = settings.COIN_KEY.encode()
    batch = [
        _scored(rulebook, version, case_id, submission, sampling.draw(key, case_id).audit, now, generation)
        for case_id, submission in predictions.items()
    ]
    routing.apply(rulebook=rulebook, batch=batch, now=now)
    shadowing.ask(plan=serving.versions_for(stream.pk), batch=batch)


def check_model(version: ModelVersion | None, submission: Submission) -> None:
    """Only the stream's own external primary may be quoted: another model's scores were never gated here."""
    if version is not None and version.kind == ModelVersion.Kind.EXTERNAL and version.name == submission.model:
        return
    expected = f"it must be “{version.name}”" if version and version.kind == "external" else "this stream scores itself"
    message = f"A prediction of “{submission.model}” cannot be used: {expected}."
    raise Invalid(
        message,
        code="prediction_unexpected",
        errors=[{"field": "prediction.model", "code": "prediction_unexpected", "message": message}],
    )


def _scored(  # noqa: PLR0917 one case's facts, all of them
    rulebook: rulebooks.Rulebook,
    version: ModelVersion,
    case_id: UUID,
    submission: Submission,
    coin: float,
    now: datetime,
    generation: int,
) -> routing.Scored:
    probabilities = submission.probabilities or ()
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    return routing.Scored(
        case_id=str(case_id),
        external_id=submission.external_id,
        generation=generation,
        coin=coin,
        due_at=(now + rulebook.stream.sla).isoformat(),
        role="external",
        model_version_id=version.pk,
        model_number=version.number,
        answer=rulebook.stream.classes[best],
        probabilities=probabilities,
        confidence=probabilities[best],
        novelty=None,
        provider="external",
        latency=0.0,
        features=submission.features_json,
        is_explainable=False,
    )
