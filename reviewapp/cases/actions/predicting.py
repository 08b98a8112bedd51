"""From a batch to its predictions: tiers, kept results, and the ladder down to people."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from reviewapp.cases.actions import caching, fallback, tiering
from reviewapp.cases.actions.fallback import Ask, Deadline, Unavailable
from reviewapp.cases.actions.routing import Scored
from reviewapp.cases.actions.serving import Role, ServingPlan
from reviewapp.cases.loading import loaded
from reviewapp.registry.models import ModelVersion

if TYPE_CHECKING:
    from inference.predict import Predictions

FALLBACK = "fallback"


class Waiting(Protocol):
    """A case that waits for its score; see `scoring`."""

    @property
    def row(self) -> "Row": ...

    features: str
    case_id: str
    external_id: str
    generation: int
    coin: float
    due_at: str
    rollout_coin: float


class Row(Protocol):
    """Its work row."""

    id: int
    traceparent: str


@dataclass(slots=True)
class Outcome:
    """What became of a batch.

    `scored` pairs cases with the predictions that route them. `unsure` are the first tier's predictions that route
    nothing. `unserved` cases no version could score: people get them.
    """

    scored: list[tuple[Waiting, Scored]] = field(default_factory=list)
    unsure: list[tuple[Waiting, Scored]] = field(default_factory=list)
    unserved: list[Waiting] = field(default_factory=list)


def predict(plan: ServingPlan, group: Sequence[Waiting]) -> Outcome:
    """Each case by the version that its coin gives it to, in the order in which they came.

    Raises Unavailable while a failing version is still to be tried again, TooSlow when rows are to be tried apart, and
    what the model raised when the rows are at fault.
    """
    outcome = Outcome()
    deadline = Deadline()
    for version, role, part in plan.arms(group):
        if role == Role.CANARY:
            _by_canary(plan, version, part, outcome, deadline)
        else:
            _by_primary(plan, part, outcome, deadline)
    if plan.canary is not None or plan.tier is not None:
        outcome.scored.sort(key=lambda pair: pair[0].row.id)
    return outcome


def _by_canary(
    plan: ServingPlan, version: ModelVersion, group: list[Waiting], outcome: Outcome, deadline: Deadline
) -> None:
    try:
        outcome.scored += _scored(plan, version, group, role=Role.CANARY.value, deadline=deadline)
    except Unavailable:
        # The primary is live as well, so what it says may act.
        _by_primary(plan, group, outcome, deadline)


def _by_primary(plan: ServingPlan, group: list[Waiting], outcome: Outcome, deadline: Deadline) -> None:
    assert plan.primary is not None
    unsure = _by_first_tier(plan, group, outcome, deadline)
    left = [one for one in group if one.row.id in unsure] if unsure is not None else group
    if not left:
        return
    try:
        outcome.scored += _scored(plan, plan.primary, left, role=Role.PRIMARY.value, deadline=deadline)
    except Unavailable as refusal:
        if not refusal.is_resting:
            raise
        if unsure is not None:
            outcome.scored += [(one, replace(unsure[one.row.id], role=FALLBACK)) for one in left]
        else:
            _by_previous(plan, left, outcome, deadline)
        return
    if unsure is not None:
        outcome.unsure += [(one, unsure[one.row.id]) for one in left]


def _by_first_tier(
    plan: ServingPlan, group: list[Waiting], outcome: Outcome, deadline: Deadline
) -> dict[int, Scored] | None:
    """Route what the first tier is sure of; answers its predictions of the rest by row, None where it said nothing."""
    if plan.tier is None or plan.tier.bundle is None:
        return None
    try:
        said = _scored(plan, plan.tier, group, role=tiering.ROLE, deadline=deadline)
    except Unavailable:
        return None
    sure = [(one, scored) for one, scored in said if scored.confidence >= plan.tier_sure_from]
    outcome.scored += [(one, replace(scored, role=Role.PRIMARY.value)) for one, scored in sure]
    return {one.row.id: scored for one, scored in said if scored.confidence < plan.tier_sure_from}


def _by_previous(plan: ServingPlan, group: list[Waiting], outcome: Outcome, deadline: Deadline) -> None:
    """The version before informs people and does not act: its thresholds were never the present policy's."""
    if plan.previous is None or plan.previous.bundle is None:
        outcome.unserved += group
        return
    try:
        outcome.scored += _scored(plan, plan.previous, group, role=FALLBACK, deadline=deadline)
    except (Unavailable, fallback.TooSlow):
        outcome.unserved += group


def _scored(
    plan: ServingPlan, version: ModelVersion, group: Sequence[Waiting], *, role: str, deadline: Deadline
) -> list[tuple[Waiting, Scored]]:
    assert version.bundle is not None
    ask = Ask(version, [one.features.encode() for one in group], deadline)
    predictions, kept = _answered(plan, ask)
    best = predictions.probabilities.argmax(axis=1).tolist()
    probabilities, novelty = predictions.probabilities.tolist(), predictions.novelty.tolist()
    return [
        (
            one,
            Scored(
                case_id=one.case_id,
                external_id=one.external_id,
                generation=one.generation,
                coin=one.coin,
                due_at=one.due_at,
                role=role,
                model_version_id=version.pk,
                model_number=version.number,
                answer=predictions.classes[best[i]],
                probabilities=probabilities[i],
                confidence=min(max(probabilities[i][best[i]], 0.0), 1.0),
                novelty=novelty[i],
                provider=kept[i][1] + caching.CACHED if i in kept else predictions.provider,
                latency=predictions.seconds,
                space=version.bundle.digest,
                embedding=predictions.embedding[i],
                features=one.features,
                traceparent=one.row.traceparent,
            ),
        )
        for i, one in enumerate(group)
    ]


def _answered(plan: ServingPlan, ask: Ask) -> "tuple[Predictions, caching.Kept]":
    """The ladder's answer; where the rollout keeps results of costly models, only for rows not seen before."""
    version = ask.version
    assert version.bundle is not None
    prints = _fingerprints(ask) if plan.caches_results and not fallback.is_resting(plan, version) else None
    if prints is None:
        return fallback.run(plan, ask), {}
    kept = caching.look_up(version, prints)
    predictions = fallback.run(plan, replace(ask, known={row: values for row, (values, _) in kept.items()}))
    caching.keep(version, prints, predictions, known=kept)
    return predictions, kept


def _fingerprints(ask: Ask) -> list[bytes] | None:
    """Of the rows, where keeping this model's results pays."""
    assert ask.version.bundle is not None
    try:
        model = loaded(ask.version.bundle)
    except Exception:  # noqa: BLE001 the ladder meets it again, and counts it
        return None
    return caching.fingerprints(ask.rows) if caching.pays(model) else None
