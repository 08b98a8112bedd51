"""Labelled histories from outside: the one first exam that a model version may take."""

import hashlib
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from reviewapp.domain.errors import Conflict, Invalid
from reviewapp.gating import history_files, wording
from reviewapp.gating.actions import certificates, ladders
from reviewapp.gating.epochs import delta_of
from reviewapp.gating.history_files import Columns, Row
from reviewapp.gating.models import Certificate, LabelledHistory
from reviewapp.gating.proof import MIN_SCORES
from reviewapp.registry.actions.policies import active_policy
from reviewapp.registry.actors import Actor, check_role
from reviewapp.registry.models import ModelVersion, Role
from reviewapp.registry.policies import read_body
from reviewapp.registry.trail import happened, lock

Drawn = LabelledHistory.Drawn
MAX_NAME = 200
BEGUN_ANEW = "A labelled history begins the evidence anew."


@dataclass(frozen=True, slots=True)
class Upload:
    """A file, and what its owner declares about it: how it was drawn, and that in words."""

    content: bytes
    file_name: str
    drawn: str
    declaration: str
    columns: Columns | None = None


def history_import(*, version: ModelVersion, upload: Upload, by: Actor, begin_anew: bool = False) -> LabelledHistory:
    """Keep a labelled history; one that was drawn as a proof needs is taken as the version's exam by the next look.

    Where live labels count already, `begin_anew` agrees that they are set aside, for the exam takes half of the allowed
    error from them; certified classes are left as they are. Raises Conflict for a second exam.
    """
    stream = version.stream
    check_role(by, stream, Role.POLICY_OWNER, Role.MODEL_OWNER)
    _check(upload)
    rows = history_files.read(upload.content, classes=stream.classes, columns=upload.columns)
    is_proof = upload.drawn != Drawn.OTHERWISE
    try:
        with transaction.atomic():
            lock(stream)
            if is_proof:
                _make_room(version, begin_anew=begin_anew, by=by)
            history = LabelledHistory.objects.create(
                stream=stream,
                model_version=version,
                digest=hashlib.sha256(upload.content).digest(),
                file_name=upload.file_name[-MAX_NAME:],
                drawn=upload.drawn,
                declaration=upload.declaration.strip(),
                rows=[[row.predicted, row.confidence, row.is_wrong] for row in rows],
                num_rows=len(rows),
                created_by=str(by),
            )
            _record(history, rows, by)
    except IntegrityError as error:
        raise Conflict("This very file was imported for this model already.", code="history_known") from error
    return history


def told(history: LabelledHistory) -> str:
    """What a history is good for, in a sentence."""
    if history.drawn == Drawn.OTHERWISE:
        return f"{wording.count(history.num_rows, 'row')}, picked in another way than at random: shown, and no proof."
    told = f"{wording.count(history.num_rows, 'row')} for the first exam."
    lacking = "; ".join(
        f"“{answer}” has {number:,} of {needed:,} rows" for answer, (number, needed) in _few(history).items()
    )
    return f"{told} Too few to draw up thresholds from before more cases are scored: {lacking}." if lacking else told


def _few(history: LabelledHistory) -> dict[str, tuple[int, int]]:
    """The classes that a history has too few rows of to be examined at once: how many, and how many are needed."""
    active = active_policy(history.stream)
    policy = read_body(active.body if active else {})
    needed = dict.fromkeys(history.stream.classes, MIN_SCORES) | {
        answer: ladders.rows_needed(promise, delta_of(policy, answer)) for answer, promise in policy.promises.items()
    }
    rows = {answer: len(ladders.rows_of(history, answer)) for answer in needed}
    return {answer: (rows[answer], needed[answer]) for answer in needed if rows[answer] < needed[answer]}


def _check(upload: Upload) -> None:
    if upload.drawn not in Drawn.values:
        raise Invalid(
            f"“{upload.drawn[:40]}” is no way of drawing; use {', '.join(Drawn.values)}.",
            code="drawn_unknown",
            errors=[{"field": "drawn", "code": "drawn_unknown", "message": f"use {', '.join(Drawn.values)}"}],
        )
    if not upload.declaration.strip():
        raise Invalid(
            "Declare how the history was drawn, in words: from which period, that the model did not learn from it, "
            "and that the promise was not chosen by it.",
            code="declaration_missing",
            errors=[{"field": "declaration", "code": "declaration_missing", "message": "say how it was drawn"}],
        )


def _make_room(version: ModelVersion, *, begin_anew: bool, by: Actor) -> None:
    """Refuse a second exam; end the epochs that began without one, where their owner agrees to that."""
    if ladders.proving(version) is not None:
        raise Conflict(
            f"Model {version.number} has had its exam. Import this as drawn “otherwise” to look at it.",
            code="exam_taken",
        )
    begun = [
        one
        for one in certificates.in_force(version.stream, version).exclude(state=Certificate.State.CERTIFIED)
        if one.evidence.get("ladder") is not None
    ]
    labels = sum(one.evidence.get("labels", 0) for one in begun)
    if labels and not begin_anew:
        raise Conflict(
            f"Model {version.number} has gathered {wording.count(labels, 'honest label')}. An exam now sets them aside "
            "and spends half of the allowed error; send `begin_anew` to agree.",
            code="labels_set_aside",
            labels=labels,
        )
    for one in begun:
        certificates.void(certificate=one, reason=BEGUN_ANEW, by=by, follows=certificates.BY_HAND)


def _record(history: LabelledHistory, rows: list[Row], by: Actor) -> None:
    happened(
        history.stream,
        "history.imported",
        by=by,
        payload={
            "model": history.model_version.number,
            "model_version": str(history.model_version_id),
            "history": str(history.pk),
            "digest": bytes(history.digest).hex(),
            "file_name": history.file_name,
            "drawn": history.drawn,
            "declaration": history.declaration,
            "rows": len(rows),
            "wrong": sum(row.is_wrong for row in rows),
        },
        subject=f"model_version:{history.model_version_id}",
    )
