"""Replays: a stored prediction made again by the same bundle from the same stored input, and set beside the original.

A replay writes no prediction and moves no case: its result is an event of the case.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, transaction

from reviewapp import inference_client
from reviewapp.cases import permissions
from reviewapp.cases.actions import trail, work
from reviewapp.cases.loading import loaded
from reviewapp.cases.models import Case, Prediction, Work
from reviewapp.celery import enqueue
from reviewapp.domain.errors import Conflict, NotFound
from reviewapp.domain.states import CaseState
from reviewapp.registry.actors import SYSTEM, Actor
from reviewapp.registry.models import Bundle

log = structlog.get_logger(__name__)

REPLAY_TASK = "cases.drain_replays"
REQUESTED, REPLAYED, FAILED = "case.replay_requested", "case.replayed", "case.replay_failed"
BATCH = 32
CPU = "CPUExecutionProvider"
# Probabilities may differ by so much where both runs were on the CPU, and where one was not.
TOLERANCE_CPU, TOLERANCE_OTHER = 1e-6, 1e-4


@dataclass(frozen=True, slots=True)
class Waiting:
    """A prediction to be made again, with its work row; `features` is the stored JSON, unread."""

    row: work.Claimed
    prediction: Prediction
    features: str


@transaction.atomic
def ask(*, case_id: UUID, by: Actor, prediction_id: UUID | None = None) -> UUID:
    """Have a prediction of the case replayed, without an id the one that routed it; answers the request's event.

    Raises Conflict `not_replayable` for an external model's prediction, and where the input is erased.
    """
    case = trail.locked(case_id)
    permissions.check_replay(by, case)
    if case.state == CaseState.ERASED:
        raise Conflict("The case's input is erased, so nothing can be replayed.", code="not_replayable")
    prediction = _chosen(case, prediction_id)
    if prediction.model_version.bundle_id is None:
        raise Conflict(
            "Upstream's own model made this prediction; it is not here to be replayed.", code="not_replayable"
        )
    event_id = trail.happened(case, REQUESTED, by=by, payload={"prediction": str(prediction.pk)})
    work.add(kind=Work.Kind.REPLAY, subjects=[str(prediction.pk)], priority=work.URGENT)
    enqueue(REPLAY_TASK)
    return event_id


def replay_batch() -> int:
    """Claim predictions to be replayed and replay them; answers how many rows were taken. Safe to run twice."""
    lease = work.claim(kind=Work.Kind.REPLAY, limit=BATCH)
    if not lease.rows:
        return 0
    groups = _load(lease)
    found = {one.row.id for group in groups.values() for one in group}
    for place, (bundle, group) in enumerate(groups.items()):
        if place:
            work.extend(token=lease.token)
        _replay(lease.token, bundle, group)
    # What is left has lost its prediction or its input to an erasure.
    work.finish(token=lease.token, ids=sorted(set(lease.ids) - found))
    return len(lease.rows)


def replayable(case: Case, predictions: Iterable[Prediction]) -> list[Prediction]:
    """Those of the case's predictions that a bundle of ours made, the one that routed it before its shadows."""
    if case.state == CaseState.ERASED:
        return []
    return sorted(
        (one for one in predictions if one.model_version.bundle_id is not None),
        key=lambda one: (one.generation != case.generation, one.role == Prediction.Role.SHADOW),
    )


def _chosen(case: Case, prediction_id: UUID | None) -> Prediction:
    predictions = Prediction.objects.filter(case=case).select_related("model_version")
    if prediction_id is not None:
        found = predictions.filter(pk=prediction_id).first()
        if found is None:
            raise NotFound("The case has no such prediction.", code="prediction_unknown")
        return found
    routed = predictions.filter(generation=case.generation).filter(route__isnull=False)
    latest = routed.order_by("-created_at", "-pk").first()
    if latest is None:
        raise Conflict("The case is not scored yet, so there is nothing to replay.", code="prediction_pending")
    return latest


_INPUTS = """
SELECT p.id, i.features::text
FROM cases_prediction p
JOIN cases_caseinput i ON i.case_id = p.case_id AND i.generation = p.generation
WHERE p.id = ANY(%s::uuid[])
"""


def _load(lease: work.Lease) -> Mapping[Bundle, list[Waiting]]:
    rows = {row.subject: row for row in lease.rows}
    with connection.cursor() as cursor:
        cursor.execute(_INPUTS, [list(rows)])
        features = dict(cursor.fetchall())
    groups: dict[Bundle, list[Waiting]] = defaultdict(list)
    predictions = Prediction.objects.filter(pk__in=features).select_related("model_version__bundle")
    for prediction in predictions.order_by("pk"):
        bundle = prediction.model_version.bundle
        if bundle is not None:
            groups[bundle].append(Waiting(rows[str(prediction.pk)], prediction, features[prediction.pk]))
    return groups


def _replay(token: UUID, bundle: Bundle, group: Sequence[Waiting]) -> None:
    try:
        again = inference_client.predict_json(loaded(bundle), [one.features.encode() for one in group])
        results = [
            _compared(
                one,
                bundle,
                classes=again.classes,
                probabilities=again.probabilities[i].tolist(),
                novelty=float(again.novelty[i]),
                provider=again.provider,
            )
            for i, one in enumerate(group)
        ]
    except Exception as error:
        if len(group) > 1:
            for one in group:
                _replay(token, bundle, [one])
            return
        log.exception("replay.failed", prediction_id=str(group[0].prediction.pk))
        _give_up_or_back(token, group[0], error)
        return
    for one, result in zip(group, results, strict=True):
        _finish(token, one, REPLAYED, result)


def _compared(
    one: Waiting,
    bundle: Bundle,
    *,
    classes: Sequence[str],
    probabilities: Sequence[float],
    novelty: float,
    provider: str,
) -> dict[str, Any]:
    """Both results side by side. The difference is the largest of any class's probability."""
    original = one.prediction
    differences = [abs(new - old) for new, old in zip(probabilities, original.probabilities, strict=True)]
    worst = max(range(len(differences)), key=differences.__getitem__)
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    tolerance = TOLERANCE_CPU if {provider, original.provider} == {CPU} else TOLERANCE_OTHER
    return {
        "bundle": bundle.digest,
        "classes": list(classes),
        "original": {
            "class": original.answer,
            "probabilities": list(original.probabilities),
            "novelty": original.novelty,
            "provider": original.provider,
        },
        "again": {
            "class": classes[best],
            "probabilities": list(probabilities),
            "novelty": novelty,
            "provider": provider,
        },
        "difference": differences[worst],
        "difference_in": classes[worst],
        "tolerance": tolerance,
        "is_same": differences[worst] <= tolerance and classes[best] == original.answer,
    }


def _finish(token: UUID, one: Waiting, type_: str, result: Mapping[str, Any]) -> None:
    """Record the result, unless the lease was lost: then another worker's result is the one that counts."""
    prediction = one.prediction
    with transaction.atomic():
        # Asking locks the case first as well, so a request is always older than the result that answers it.
        case = trail.locked(prediction.case_id)
        if not work.finish(token=token, ids=[one.row.id]):
            return
        said = {
            "prediction": str(prediction.pk),
            "model_version": prediction.model_version.number,
            "input_generation": prediction.generation,
        }
        trail.happened(case, type_, by=SYSTEM, payload={"replay": {**said, **result}, "prediction": said["prediction"]})


def _give_up_or_back(token: UUID, one: Waiting, error: Exception) -> None:
    row = one.row
    if row.attempts < work.MAX_ATTEMPTS:
        work.give_back(token=token, ids=[row.id], error=repr(error), wait=work.BACK_OFF * row.attempts)
    else:
        _finish(token, one, FAILED, {"failure": f"{type(error).__name__}: {error}"[:500]})
