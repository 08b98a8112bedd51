"""A certificate once more, from the audit trail alone: the event that issued it and those that brought its labels."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import Q

from reviewapp.events.models import Event
from reviewapp.gating import proof
from reviewapp.gating.actions import ledger
from reviewapp.gating.epochs import first_id_at, terms_of
from reviewapp.gating.proof import Look, Terms

ISSUED = ("certificate.issued", "certificate.renewed")


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of the trail: the transaction that wrote it, its type and payload."""

    transaction: int
    type: str
    payload: Mapping[str, Any]


def recompute(issued: Mapping[str, Any], trail: Iterable[Happened]) -> Look | None:
    """The look behind a certificate, by the payload of the event that issued it and the events of its ledger.

    The events come in the order in which they were written; what the look could not see yet is left out. None for a
    certificate without a ladder: it says that nothing was looked at.
    """
    evidence = issued["evidence"]
    terms = terms_of(evidence, target_error=issued["target_error"])
    if terms is None:
        return None
    sees = _snapshot(evidence["snapshot"])
    entries = ledger.replay((one.type, one.payload) for one in trail if sees(one.transaction))
    first = str(first_id_at(datetime.fromisoformat(issued["since"]) if issued["since"] else None))
    labels = [
        entry
        for entry in entries.values()
        if entry["model_version"] == issued["model_version"]
        and entry["class"] == issued["class"]
        and first <= entry["case"]
        and (evidence["cut"] is None or entry["case"] < evidence["cut"])
    ]
    counts = proof.counted(terms.ladder, labels)
    return proof.look(terms, counts, held=evidence["held"], examined=_examined(terms, evidence["exam"]))


def _examined(terms: Terms, exam: Mapping[str, Any] | None) -> float | None:
    """The threshold that the exam's counts earn."""
    if exam is None:
        return None
    counts = [(rung["wrong"], rung["audits"]) for rung in exam["rungs"]]
    walked = proof.exam_walk(terms, counts, starts=exam.get("starts", ()))
    return None if walked.index is None else terms.ladder[walked.index]


def agrees(issued: Mapping[str, Any], look: Look | None) -> bool:
    """Whether a look comes to what the certificate says; one without a ladder has nothing to compare."""
    if look is None:
        return issued["evidence"].get("ladder") is None
    evidence = issued["evidence"]
    is_sticky = bool(evidence["violated"]) and issued["state"] == proof.State.VIOLATED
    return (
        (look.state.value == issued["state"] or is_sticky)
        and look.threshold == issued["threshold"]
        and [(rung.audits, rung.wrong) for rung in look.rungs]
        == [(rung["audits"], rung["wrong"]) for rung in evidence["rungs"]]
    )


def trail_of(model_version_id: str) -> list[Happened]:
    """The ledger's events of a model version, in the order in which they were written."""
    found = (
        Event.objects.filter(id__gte=_id_beside(model_version_id, -_CLOSE), subject=f"model_version:{model_version_id}")
        .filter(Q(type=ledger.RECORDED) | Q(type=ledger.WITHDRAWN))
        .order_by("created_at", "id")
    )
    return [Happened(int(one.xid), one.type, msgspec.json.decode(bytes(one.payload))) for one in found.iterator(2_000)]


def issuing(certificate_id: str) -> Mapping[str, Any] | None:
    """What the event said that issued a certificate."""
    # It was written together with the certificate.
    found = (
        Event.objects.filter(
            id__gte=_id_beside(certificate_id, -_CLOSE),
            id__lt=_id_beside(certificate_id, _CLOSE),
            subject=f"certificate:{certificate_id}",
            type__in=ISSUED,
        )
        .order_by("created_at")
        .first()
    )
    return msgspec.json.decode(bytes(found.payload)) if found else None


# No index leads to a subject, but ids follow time (UUID 7). In milliseconds, for two processes' clocks.
_CLOSE = 300_000


def _id_beside(id_: str, milliseconds: int) -> UUID:
    """An id from so much later, or earlier."""
    return UUID(int=(UUID(id_).int >> 80) + milliseconds << 80)


def _snapshot(text: str) -> Any:
    """Whether a transaction was visible, by PostgreSQL's text of a snapshot: xmin:xmax:those under way between."""
    low, high, under_way = text.split(":")
    hidden = {int(one) for one in under_way.split(",") if one}
    return lambda transaction: transaction < int(low) or (transaction < int(high) and transaction not in hidden)
