"""Drawing up an epoch's ladder and start rungs: once, from confidences and volumes, before its labels are read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from reviewapp.domain.policy import Promise
from reviewapp.gating import proof
from reviewapp.gating.epochs import Epoch
from reviewapp.gating.models import Certificate, LabelledHistory
from reviewapp.registry.models import ModelVersion

# Of δ, what a first exam may spend; live looks have the rest.
EXAM_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Served:
    """A class as it was served lately: confidences (n,), and the honest labels a day that its volume gives."""

    scores: Sequence[float] = ()
    labels_per_day: float = 0.0


def draw(
    epoch: Epoch, *, version: ModelVersion, answer: str, promise: Promise, delta: float, served: Served, days: float
) -> Epoch:
    """The epoch with its terms, and its exam where a labelled history is there; unchanged while confidences lack."""
    history = history_for(version, answer, epoch)
    rows = rows_of(history, answer) if history else []
    scores = [*served.scores, *(confidence for confidence, _ in rows)]
    if len(scores) < proof.MIN_SCORES and len(rows) < rows_needed(promise, delta):
        return epoch
    terms = proof.plan(
        scores,
        expected_labels=served.labels_per_day * days,
        target_error=promise.target_error,
        delta=delta,
        live_share=1 - EXAM_SHARE if history else 1.0,
    )
    return replace(epoch, terms=terms, exam=taken(terms, history, rows) if history else None)


def rows_needed(promise: Promise, delta: float) -> int:
    """The rows of a class that a labelled history needs to be its exam at once, before more cases are scored."""
    return proof.scores_needed(target_error=promise.target_error, exam_delta=delta * EXAM_SHARE)


def history_for(version: ModelVersion, answer: str, epoch: Epoch) -> LabelledHistory | None:
    """The labelled history that is a class's exam; a version is examined once, and not by what an epoch left behind.

    The first epoch left nothing behind: its history counts also where it came before the guardrails in force, and that
    it shows the cases which pass them is its owner's to declare.
    """
    history = proving(version)
    if history is None:
        return None
    if epoch.number > 1 and epoch.since is not None and history.created_at < epoch.since:
        return None
    taken_already = Certificate.objects.filter(model_version=version, scope=answer, evidence__exam__isnull=False)
    return None if taken_already.exclude(evidence__exam=None).exists() else history


def proving(version: ModelVersion) -> LabelledHistory | None:
    """The version's first history that can prove something."""
    drawn = LabelledHistory.Drawn
    return (
        LabelledHistory.objects.filter(model_version=version, drawn__in=[drawn.EVERYTHING, drawn.RANDOM])
        .order_by("pk")
        .first()
    )


def rows_of(history: LabelledHistory, answer: str) -> list[tuple[float, bool]]:
    return [(confidence, is_wrong) for predicted, confidence, is_wrong in history.rows if predicted == answer]


def taken(
    terms: proof.Terms, history: LabelledHistory, rows: Sequence[tuple[float, bool]], *, starts: Sequence[int] = ()
) -> dict[str, Any]:
    """The exam of one class, with all that is needed to take it again, at another confidence by the same `starts`."""
    walked, counts = proof.examine(terms, rows, starts=starts)
    delta = terms.delta - terms.live_delta
    return {
        "history": str(history.pk),
        "digest": bytes(history.digest).hex(),
        "delta": delta,
        "starts": list(starts or proof.exam_starts(terms, counts)),
        "rows": len(rows),
        "threshold": None if walked.index is None else terms.ladder[walked.index],
        "rungs": [
            {
                "threshold": threshold,
                "audits": audits,
                "wrong": wrong,
                "bound": proof.exam_bound(wrong, audits, delta=delta),
                "passed": passed,
            }
            for threshold, (wrong, audits), passed in zip(terms.ladder, counts, walked.passed, strict=True)
        ],
    }
