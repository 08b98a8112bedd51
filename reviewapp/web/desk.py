"""The reviewer's desk: what one person may see of one review at this moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from reviewapp.cases import permissions
from reviewapp.cases.models import CaseInput, Review, Verdict
from reviewapp.cases.reasons import visible_mode, visible_reasons
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Stream, StreamRevision
from reviewapp.web.evidence import Evidence, evidence_on, prediction_of
from reviewapp.web.queries import desk as queries
from reviewapp.web.queries.displays import display_of, revisions_in_force
from reviewapp.web.subjects import Display, Group, Matrix, Picture, matrix_of, written

# Keys that mean something else at the desk.
TAKEN = frozenset("?gknsu")


@dataclass(frozen=True)
class Choice:
    answer: str
    key: str
    is_first: bool


@dataclass(frozen=True)
class Desk:
    review: Review
    input: CaseInput
    picture: Picture | None
    groups: Sequence[Group]
    matrix: Matrix | None
    context: Sequence[dict[str, Any]]
    reasons: Sequence[dict[str, str]]
    guideline: str
    choices: Sequence[Choice]
    stage: str
    note: str
    claim_until: datetime | None
    is_mine: bool
    shows_kind: bool
    mode: str
    first: Verdict | None = None
    evidence: Evidence | None = None

    @property
    def is_revealed(self) -> bool:
        """The second look of commit-then-reveal: the first answer is kept, the evidence is on the table."""
        return self.stage == Verdict.Stage.FINAL and self.first is not None

    @property
    def is_expired(self) -> bool:
        until = self.claim_until
        return self.is_mine and until is not None and until <= self.review.database_now  # type: ignore[attr-defined]


def desk_for(actor: Actor, review_id: UUID) -> Desk:
    """Everything the desk shows. Evidence is read only where this person may see it now."""
    review = queries.review_at_desk(actor, review_id)
    is_mine = review.claimed_by is not None and review.claimed_by == actor.user
    sees = is_mine and permissions.may_see_evidence(actor, review) and not permissions.hides_model(actor, review.case)
    # That a review is an audit says that the model was sure.
    shows_kind = sees or (review.state != Review.State.OPEN and not permissions.hides_model(actor, review.case))
    first = queries.first_answer(review, actor) if review.mode != Stream.Mode.ASSISTED else None
    revisions = revisions_in_force(review.stream)
    display = display_of(review.stream, revisions)
    shown = queries.input_of(review)
    picture = display.picture(shown.features, f"case {review.case.external_id}")
    groups = [] if picture else display.groups(shown.features)
    return Desk(
        review=review,
        input=shown,
        picture=picture,
        groups=groups,
        matrix=matrix_of(groups),
        context=[{"label": key.replace("_", " "), "value": written(v), "unit": ""} for key, v in shown.context.items()],
        reasons=visible_reasons(review, sees_evidence=sees),
        guideline=_guideline(revisions),
        choices=_choices(review.stream.classes, first),
        stage=_stage(review, first),
        note=queries.draft_note(review, actor) or (first.note if first else ""),
        claim_until=review.claim_until,
        is_mine=is_mine,
        shows_kind=shows_kind,
        mode=visible_mode(review, is_told=shows_kind),
        first=first,
        evidence=_evidence(review, shown, display) if sees else None,
    )


def _evidence(review: Review, shown: CaseInput, display: Display) -> Evidence | None:
    prediction = prediction_of(review.prediction_id) if review.prediction_id else None
    if prediction is None:
        return None
    return evidence_on(review.case, prediction, features=shown.features, display=display)


def _stage(review: Review, first: Verdict | None) -> str:
    if review.mode == Stream.Mode.ASSISTED:
        return Verdict.Stage.FINAL
    if review.mode == Stream.Mode.COMMIT_THEN_REVEAL and first is not None:
        return Verdict.Stage.FINAL
    return Verdict.Stage.FIRST


def _guideline(revisions: dict[str, StreamRevision]) -> str:
    revision = revisions.get(StreamRevision.Kind.GUIDELINE)
    body = revision.body if revision else ""
    return str(body.get("text", "")) if isinstance(body, dict) else str(body)


def _choices(classes: Sequence[str], first: Verdict | None) -> list[Choice]:
    keys = keys_for(classes)
    return [
        Choice(name, key, first is not None and first.answer == name) for name, key in zip(classes, keys, strict=True)
    ]


def keys_for(classes: Sequence[str]) -> list[str]:
    """One key per class: the class itself where all are one character, else first letters, else 1…9 and 0."""
    for keys in ([name.lower() for name in classes], [name[:1].lower() for name in classes]):
        if all(len(key) == 1 for key in keys) and len(set(keys)) == len(keys) and not set(keys) & TAKEN:
            return keys
    return [*"1234567890"[: len(classes)], *("" for _ in classes[10:])]
