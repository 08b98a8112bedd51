"""The most similar cases that were settled before, by a person or an outcome: never the model's own answers.

Near-duplicates do not fill the list, at like distance the answers given unseen come first, and the nearest cases that
were settled otherwise are set beside it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import TextField
from django.db.models.functions import Cast

from reviewapp.cases import nearest
from reviewapp.cases.models import Case, CaseInput, Embedding, Prediction, VectorBuild
from reviewapp.cases.moments import moment_of
from reviewapp.cases.nearest import Filters, Place, Precedent
from reviewapp.domain import diversity

WANTED = 5
CONTRASTED = 2
# So many are read to choose from, and so far the other answer is looked for.
CONSIDERED = 60
CONTRAST_WITHIN = 5_000

ANY = Filters()


@dataclass(frozen=True, slots=True)
class SimilarCase:
    """A settled case near to another. `distance` is Euclidean in the space of importance-weighted features.

    `num_alike`: so many more cases, nearly the same and settled alike, it stands for.
    """

    features: dict[str, Any]
    case_id: UUID
    external_id: str
    received_at: datetime
    answer: str
    source: str
    is_honest: bool
    distance: float
    num_alike: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """One answer among the similar cases: how many were settled so, and how near the nearest of them lies."""

    answer: str
    number: int
    nearest: float


@dataclass(frozen=True, slots=True)
class Similar:
    """`cases`, nearest first; `contrast`, the nearest settled otherwise than most of them and not among them.

    `is_building`: vectors of earlier cases are still being made for this model, so nearer ones may turn up.
    """

    cases: Sequence[SimilarCase] = ()
    contrast: Sequence[SimilarCase] = ()
    mix: Sequence[Share] = ()
    is_building: bool = False
    has_vector: bool = False


def similar(
    case: Case,
    prediction: Prediction | None,
    *,
    filters: Filters = ANY,
    limit: int = WANTED,
    contrasted: int = CONTRASTED,
) -> Similar:
    """What was settled before that resembles this case, in the space of the model that made the prediction."""
    place = _place(case, prediction)
    if place is None:
        return Similar()
    found = nearest.nearest(place, filters=filters, wanted=max(CONSIDERED, limit))
    chosen = _chosen(found, place.space, limit=limit)
    mix = _mix([one for one, _ in chosen])
    others = _contrast(place, filters, found=found, shown=chosen, mix=mix, wanted=contrasted)
    features = _features([*(one for one, _ in chosen), *others])
    return Similar(
        cases=[_shown(one, features, num_alike=number) for one, number in chosen],
        contrast=[_shown(one, features) for one in others],
        mix=mix,
        is_building=VectorBuild.objects.filter(
            stream=place.stream_id, space=place.space, completed_at__isnull=True
        ).exists(),
        has_vector=True,
    )


def similar_cases(case: Case, prediction: Prediction | None, *, limit: int = WANTED) -> list[SimilarCase]:
    """Up to `limit` settled cases, nearest first; fewer when fewer are settled, none without a vector."""
    return list(similar(case, prediction, limit=limit, contrasted=0).cases)


def _place(case: Case, prediction: Prediction | None) -> Place | None:
    if prediction is None or prediction.model_version.bundle is None:
        return None
    bundle = prediction.model_version.bundle
    vector = (
        Embedding.objects.filter(case=case, generation=prediction.generation, space=bundle.digest)
        .values_list(Cast("vector", TextField()), flat=True)
        .first()
    )
    if vector is None:
        return None
    cut_off = bundle.manifest.get("lineage", {}).get("training_cut_off")
    return Place(case.pk, case.stream_id, bundle.digest, vector, trained_until=moment_of(cut_off))


def _chosen(found: Sequence[Precedent], space: str, *, limit: int) -> list[tuple[Precedent, int]]:
    """The cases to show, each with how many near-duplicates it stands for."""
    candidates = [diversity.Candidate(one.distance, one.answer, one.is_honest) for one in found]
    places = None
    if len(found) > limit:
        vectors = nearest.vectors(found, space=space)
        places = np.stack([vectors[one.case_id] for one in found])
    return [(found[index], number) for index, number in diversity.choose(candidates, places, limit=limit)]


def _mix(shown: Sequence[Precedent]) -> list[Share]:
    """The answers among the cases shown, the most frequent first, then the nearer."""
    numbers = Counter(one.answer for one in shown)
    mixed = [
        Share(answer, number, min(one.distance for one in shown if one.answer == answer))
        for answer, number in numbers.items()
    ]
    return sorted(mixed, key=lambda share: (-share.number, share.nearest))


def _contrast(
    place: Place,
    filters: Filters,
    *,
    found: Sequence[Precedent],
    shown: Sequence[tuple[Precedent, int]],
    mix: Sequence[Share],
    wanted: int,
) -> list[Precedent]:
    """The nearest cases settled otherwise than most of those shown, and not shown among them."""
    if not mix or not wanted:
        return []
    number = wanted + len(shown)
    others = [one for one in found if one.answer != mix[0].answer]
    if len(others) < number:
        within = replace(filters, answer=None, other_than=mix[0].answer)
        others = nearest.nearest(place, filters=within, wanted=number, deepest=CONTRAST_WITHIN)
    known = {one.case_id for one, _ in shown}
    return [one for one in others if one.case_id not in known][:wanted]


def _features(precedents: Sequence[Precedent]) -> dict[tuple[UUID, int], dict[str, Any]]:
    inputs = CaseInput.objects.filter(case__in=[one.case_id for one in precedents])
    return {(one.case_id, one.generation): one.features for one in inputs}


def _shown(one: Precedent, features: Mapping[tuple[UUID, int], dict[str, Any]], *, num_alike: int = 0) -> SimilarCase:
    return SimilarCase(
        features=features[one.case_id, one.generation],
        case_id=one.case_id,
        external_id=one.external_id,
        received_at=one.received_at,
        answer=one.answer,
        source=one.source,
        is_honest=one.is_honest,
        distance=one.distance,
        num_alike=num_alike,
    )
