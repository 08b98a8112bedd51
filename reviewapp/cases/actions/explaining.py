"""Explanations: a work item of their own after routing, so that no decision ever waits for one."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from django.db import transaction

from reviewapp import inference_client
from reviewapp.cases.actions import work
from reviewapp.cases.loading import loaded
from reviewapp.cases.models import CaseInput, Explanation, Prediction
from reviewapp.crashpoints import crashpoint
from reviewapp.registry.models import Bundle

if TYPE_CHECKING:
    from inference.explain import Explanation as Explained

log = structlog.get_logger(__name__)

BATCH = 16
UNAVAILABLE = "unavailable"


def explain_batch() -> int:
    """Claim predictions that people will look at and explain them, those on a screen first; answers how many."""
    lease = work.claim(kind="explain", limit=BATCH)
    if not lease.rows:
        return 0
    crashpoint("explaining.after_claim")
    rows = {row.subject: row for row in lease.rows}
    predictions = Prediction.objects.filter(pk__in=list(rows)).select_related("model_version__bundle")
    by_bundle: dict[str, list[Prediction]] = defaultdict(list)
    bundles: dict[str, Bundle] = {}
    for prediction in predictions:
        bundle = prediction.model_version.bundle
        if bundle is not None:
            by_bundle[bundle.digest].append(prediction)
            bundles[bundle.digest] = bundle
    for digest, group in by_bundle.items():
        work.extend(token=lease.token)
        _explain(lease.token, bundles[digest], [(rows[str(p.pk)], p) for p in group])
    orphans = set(lease.ids) - {rows[str(p.pk)].id for group in by_bundle.values() for p in group}
    if orphans:
        work.finish(token=lease.token, ids=sorted(orphans))
    return len(lease.rows)


def _explain(token: UUID, bundle: Bundle, group: Sequence[tuple[work.Claimed, Prediction]]) -> None:
    try:
        features = _features([prediction for _, prediction in group])
        explained = inference_client.explain(
            loaded(bundle), features, classes=[prediction.answer for _, prediction in group]
        )
    except Exception as error:
        if len(group) > 1:
            for one in group:
                _explain(token, bundle, [one])
            return
        log.exception("explanation.failed", prediction_id=str(group[0][1].pk))
        _give_up_or_back(token, *group[0], error)
        return
    with transaction.atomic():
        kept = work.finish(token=token, ids=[row.id for row, _ in group])
        Explanation.objects.bulk_create(
            (
                _row(prediction, result)
                for (row, prediction), result in zip(group, explained, strict=True)
                if row.id in kept
            ),
            ignore_conflicts=True,
        )
        crashpoint("explaining.before_commit")


def _features(predictions: Sequence[Prediction]) -> list[Any]:
    """Each prediction's own input: an amendment since then has another generation."""
    inputs = CaseInput.objects.filter(case__in=[prediction.case_id for prediction in predictions])
    found = {(one.case_id, one.generation): one.features for one in inputs}
    return [found[prediction.case_id, prediction.generation] for prediction in predictions]


def _row(prediction: Prediction, result: "Explained") -> Explanation:
    attributions = [
        {"column": column, "value": value, "attribution": attribution}
        for column, value, attribution in result.attributions
    ]
    attributions.sort(key=lambda entry: -abs(entry["attribution"]))
    return Explanation(
        prediction=prediction,
        method=result.method,
        state=Explanation.State.READY,
        answer=result.explained_class,
        output_space=result.output_space,
        base_value=result.base_value,
        output_value=result.output_value,
        residual=result.residual,
        is_additive=result.additive,
        background=result.background_digest,
        attributions=attributions,
    )


def _give_up_or_back(token: UUID, row: work.Claimed, prediction: Prediction, error: Exception) -> None:
    if row.attempts < work.MAX_ATTEMPTS:
        work.give_back(token=token, ids=[row.id], error=repr(error), wait=work.BACK_OFF * row.attempts)
        return
    with transaction.atomic():
        if work.finish(token=token, ids=[row.id]):
            Explanation.objects.get_or_create(
                prediction=prediction,
                method=UNAVAILABLE,
                defaults={
                    "state": Explanation.State.FAILED,
                    "failure": f"{type(error).__name__}: {error}"[:500],
                    "answer": prediction.answer,
                },
            )
