"""The most similar cases that were settled before: by a person or an outcome, in one model's space, by exact search."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from reviewapp.cases.models import Case, Embedding, Prediction

WANTED = 5
# Distances this close count as alike; among them the labels given unseen come first.
ALIKE = 0.05

# A case that somebody is still to read unseen is left out: its answer is what that reader must not know.
_NEAREST = """
SELECT c.id, c.external_id, l.class, l.source, l.is_honest, e.vector <-> q.vector AS distance, i.features
FROM cases_embedding q
JOIN cases_embedding e ON e.stream_id = q.stream_id AND e.space = q.space AND e.case_id <> q.case_id
JOIN cases_case c ON c.id = e.case_id AND c.generation = e.generation AND c.state = 'decided'
JOIN cases_label l ON l.case_id = e.case_id AND l.generation = e.generation AND l.class IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM cases_label later WHERE later.supersedes_id = l.id)
JOIN cases_caseinput i ON i.case_id = e.case_id AND i.generation = e.generation
WHERE q.id = %s AND NOT EXISTS (
    SELECT 1 FROM cases_review r WHERE r.case_id = e.case_id AND r.state = 'open' AND r.mode <> 'assisted')
ORDER BY distance, c.id
LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class SimilarCase:
    """A settled case near to another. `distance` is Euclidean in the space of importance-weighted features."""

    features: dict[str, Any]
    case_id: UUID
    external_id: str
    answer: str
    source: str
    is_honest: bool
    distance: float


def similar_cases(case: Case, prediction: Prediction | None, *, limit: int = WANTED) -> list[SimilarCase]:
    """Up to `limit` settled cases, nearest first; fewer when fewer are settled, none without a vector."""
    vector = _vector(case, prediction)
    if vector is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_NEAREST, [vector.pk, limit])
        found = [SimilarCase(_decoded(features), *row) for *row, features in cursor.fetchall()]
    return sorted(found, key=lambda one: (round(one.distance / ALIKE), not one.is_honest, one.distance))


def _vector(case: Case, prediction: Prediction | None) -> Embedding | None:
    if prediction is None or prediction.model_version.bundle_id is None:
        return None
    return Embedding.objects.filter(
        case=case, generation=prediction.generation, space=prediction.model_version.bundle_id
    ).first()


def _decoded(value: Any) -> dict[str, Any]:

    decoded: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return decoded
