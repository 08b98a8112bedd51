"""Honest labels in the ledger, without the cases they come from."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import uuid_utils.compat as uuid

from reviewapp.gating.actions import ledger
from reviewapp.gating.actions.ledger import Entry
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion


def arrival(moment: datetime | None = None) -> UUID:
    """The id of a case that arrives now, or at a moment of the past."""
    if moment is None:
        return uuid.uuid7()
    return UUID(int=(int(moment.astimezone(UTC).timestamp() * 1000) << 80) | (uuid.uuid7().int & (1 << 80) - 1))


def labels(
    version: ModelVersion,
    *,
    right: int = 0,
    wrong: int = 0,
    answer: str = "intact",
    confidences: Sequence[float] = (0.95,),
    at: datetime | None = None,
    probability: float = 1.0,
    least: float | None = None,
    is_automatic: bool = False,
    is_overdue: bool = False,
    segment: str = "",
    value: float | None = None,
) -> list[Entry]:
    """Labels of one class on a version; confidences are given in turn. The wrong ones come last."""
    other = next(name for name in version.stream.classes if name != answer)
    entries = [
        Entry(
            model_version_id=version.pk,
            case_id=arrival(at),
            answer=answer,
            truth=None if is_overdue else (answer if number < right else other),
            confidence=confidences[number % len(confidences)],
            coin=0.5,
            inclusion_probability=probability,
            least_probability=probability if least is None else least,
            is_automatic=is_automatic,
            segment=segment,
            value=value,
        )
        for number in range(right + wrong)
    ]
    ledger.record(stream=version.stream, entries=entries, by=SYSTEM)
    return entries
