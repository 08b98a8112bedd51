"""The ledger: honest labels as evidence on model versions. Every change of it is an event that says all of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from reviewapp.events import actions as events
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Stream

RECORDED, WITHDRAWN = "evidence.recorded", "evidence.withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one honest label says of one model version; `truth` is None while the reading is overdue.

    answer: what the model said. Probabilities are in (0, 1], the least one no greater than the case's own.
    """

    model_version_id: UUID
    case_id: UUID
    answer: str
    truth: str | None
    confidence: float
    coin: float
    inclusion_probability: float
    least_probability: float
    is_automatic: bool
    segment: str = ""
    value: float | None = None

    def with_truth(self, truth: str | None) -> "Entry":
        return replace(self, truth=truth)

    @property
    def is_wrong(self) -> bool:
        """A reading that nobody gives in time counts against the model."""
        return self.truth != self.answer

    @property
    def is_overdue(self) -> bool:
        return self.truth is None


_COLUMNS = (
    *("model_version_id", "case_id", "class", "truth", "confidence", "coin", "inclusion_probability"),
    *("least_probability", "is_wrong", "is_overdue", "is_automatic", "segment", "value"),
)
_CHANGED = ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS[2:])
# A label stays what it was: only a reading that was overdue is replaced, by the answer that came after all. The time
# of the events is taken once the last of the rows is locked, so that the events of each entry are in order.
_RECORD = f"""
INSERT INTO gating_ledgerentry AS e ({", ".join(_COLUMNS)}) VALUES {{rows}}
ON CONFLICT (model_version_id, case_id) DO UPDATE SET {_CHANGED}, recorded_at = now()
WHERE e.is_overdue AND NOT excluded.is_overdue
RETURNING model_version_id, case_id, clock_timestamp()
"""  # noqa: S608 our own
_PLACES = "(" + ", ".join(["%s"] * len(_COLUMNS)) + ")"
_AT_ONCE = 500


def record(*, stream: Stream, entries: Sequence[Entry], by: Actor) -> int:
    """Enter labels, each with its event; what is entered already stays, but for overdue ones. Answers how many were.

    Call it in the transaction that brings the labels.
    """
    recorded = 0
    for start in range(0, len(entries), _AT_ONCE):
        some = entries[start : start + _AT_ONCE]
        with connection.cursor() as cursor:
            statement = _RECORD.format(rows=", ".join([_PLACES] * len(some)))
            cursor.execute(statement, [value for entry in some for value in _values(entry)])
            kept = {row[:2]: row[2] for row in cursor.fetchall()}
        changed = [entry for entry in some if (entry.model_version_id, entry.case_id) in kept]
        if changed:
            _tell(stream, RECORDED, [_told(entry) for entry in changed], by=by, at=max(kept.values()))
        recorded += len(changed)
    return recorded


_WITHDRAW = """
DELETE FROM gating_ledgerentry
WHERE case_id = ANY(%s) AND model_version_id IN (SELECT id FROM registry_modelversion WHERE stream_id = %s)
    AND (is_overdue OR NOT %s)
RETURNING model_version_id, case_id, clock_timestamp()
"""


def withdraw(*, stream: Stream, case_ids: Iterable[UUID], why: str, by: Actor, only_overdue: bool = False) -> int:
    """Take back what cases of a stream say of its model versions; answers how many entries that were."""
    with connection.cursor() as cursor:
        cursor.execute(_WITHDRAW, [list(case_ids), stream.pk, only_overdue])
        gone = cursor.fetchall()
    if gone:
        told = [{"model_version": str(version), "case": str(case), "reason": why} for version, case, _ in gone]
        _tell(stream, WITHDRAWN, told, by=by, at=max(at for _, _, at in gone))
    return len(gone)


def replay(happened: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The ledger as its events tell it, in the order in which they were committed: type and payload of each.

    By model version and case, what `evidence.recorded` said of them last; other types are passed over.
    """
    ledger: dict[tuple[str, str], Mapping[str, Any]] = {}
    for type_, payload in happened:
        if type_ == RECORDED:
            key = (payload["model_version"], payload["case"])
            # An answer never becomes overdue again, whatever a clock that was set back says.
            if not payload["is_overdue"] or key not in ledger:
                ledger[key] = payload
        elif type_ == WITHDRAWN:
            ledger.pop((payload["model_version"], payload["case"]), None)
    return ledger


def _values(entry: Entry) -> Iterator[Any]:
    yield from (entry.model_version_id, entry.case_id, entry.answer, entry.truth, entry.confidence, entry.coin)
    yield from (entry.inclusion_probability, entry.least_probability, entry.is_wrong, entry.is_overdue)
    yield from (entry.is_automatic, entry.segment, entry.value)


def _told(entry: Entry) -> dict[str, Any]:
    facts = asdict(entry)
    return {
        "model_version": str(facts.pop("model_version_id")),
        "case": str(facts.pop("case_id")),
        "class": facts.pop("answer"),
        **facts,
        "is_wrong": entry.is_wrong,
        "is_overdue": entry.is_overdue,
    }


def _tell(stream: Stream, type_: str, payloads: Sequence[Mapping[str, Any]], *, by: Actor, at: datetime) -> None:
    events.record_many(
        [
            events.Happening(
                type=type_,
                subject=f"model_version:{payload['model_version']}",
                actor=str(by),
                payload=payload,
                team_id=stream.team_id,
                stream_id=stream.pk,
            )
            for payload in payloads
        ],
        at=at,
    )
