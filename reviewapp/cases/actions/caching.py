"""Results of costly models, kept for inputs that come again. A cheap model answers faster than this looks up."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import connection

from reviewapp.registry.models import ModelVersion

if TYPE_CHECKING:
    from inference.model import Model
    from inference.predict import Predictions

# Of a run, per row. Looking up costs 0.06 ms per row of a full batch and 1.4 ms for a row alone, on two busy cores.
COSTLY_SECONDS = 1e-3
KEPT = timedelta(days=7)
CACHED = " (cached)"

Kept = dict[int, tuple[list[float], str]]  # row → probabilities and the provider that gave them


def pays(model: "Model") -> bool:
    """Whether a run costs more than asking the database: another server runs it, or it is slow."""
    return not model.gives_vectors and (model.is_remote or model.seconds_per_row >= COSTLY_SECONDS)


def fingerprints(rows: Sequence[bytes]) -> list[bytes]:
    """One per row of features as PostgreSQL writes them, which is the same for the same content."""
    return [hashlib.sha256(row).digest() for row in rows]


def look_up(version: ModelVersion, prints: Sequence[bytes]) -> Kept:
    """What is kept for these inputs; counts the question and its luck."""
    assert version.bundle is not None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT fingerprint, probabilities, provider FROM cases_cachedresult "
            "WHERE bundle = %s AND fingerprint = ANY(%s)",
            [version.bundle.digest, list(set(prints))],
        )
        found = {bytes(fingerprint): (probabilities, provider) for fingerprint, probabilities, provider in cursor}
        kept = {row: found[key] for row, key in enumerate(prints) if key in found}
        cursor.execute(
            "INSERT INTO cases_cacheuse AS u (model_version_id, lookups, hits) VALUES (%s, %s, %s) "
            "ON CONFLICT (model_version_id) DO UPDATE SET lookups = u.lookups + excluded.lookups, "
            "hits = u.hits + excluded.hits",
            [version.pk, len(prints), len(kept)],
        )
    return kept


def keep(version: ModelVersion, prints: Sequence[bytes], predictions: "Predictions", *, known: Kept) -> None:
    """Keep what the model has just answered, beside what was known."""
    assert version.bundle is not None
    probabilities = predictions.probabilities.tolist()
    fresh = {key: probabilities[row] for row, key in enumerate(prints) if row not in known}
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO cases_cachedresult (bundle, fingerprint, probabilities, provider) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (bundle, fingerprint) DO NOTHING",
            [(version.bundle.digest, key, values, predictions.provider) for key, values in fresh.items()],
        )


def drop_old() -> int:
    """Forget results that were kept long enough; answers how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM cases_cachedresult WHERE created_at < clock_timestamp() - make_interval(secs => %s)",
            [KEPT.total_seconds()],
        )
        return int(cursor.rowcount)
