"""Recalls: the automatic decisions of a bad version go back to people; what was not sent yet is never heard of."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from reviewapp.cases.actions import deciding, reopening, trail
from reviewapp.cases.models import Case, CaseInput, Recall
from reviewapp.cases.moments import first_id_at
from reviewapp.celery import enqueue
from reviewapp.domain.errors import Conflict, Invalid
from reviewapp.domain.policy import Policy
from reviewapp.domain.states import CaseState
from reviewapp.gating import rulebook
from reviewapp.gating.actions import holds
from reviewapp.gating.guardrails import segment_of
from reviewapp.gating.models import Breaker, Hold
from reviewapp.registry.actions import rollouts
from reviewapp.registry.actions.policies import active_policy
from reviewapp.registry.actions.rollouts import lineup_of
from reviewapp.registry.actors import SYSTEM, Actor, check_role
from reviewapp.registry.models import ModelVersion, Role, Rollout, RolloutMember, Stream
from reviewapp.registry.policies import read_body
from reviewapp.registry.trail import happened, lock

RECALL_TASK = "webhooks.recall"
BATCH = 100
# What a breaker saw go wrong began before it opened.
BEFORE_OPENING = timedelta(days=7)

# The decisions of a version that stand. Their ids follow time, so a walk along the primary key needs no other index.
_STANDING = """
FROM cases_decision d
WHERE d.id > %(reached)s AND d.model_version_id = %(version)s AND d.source = 'auto' AND d.decided_at >= %(since)s
  AND (%(answer)s = '' OR d.class = %(answer)s)
  AND NOT EXISTS (SELECT 1 FROM cases_decision n WHERE n.supersedes_id = d.id)
"""
_NOT_BEFORE_PEOPLE = "AND EXISTS (SELECT 1 FROM cases_case c WHERE c.id = d.case_id AND c.state = 'decided')"


@transaction.atomic
def start(*, version: ModelVersion, by: Actor, reason: str, since: datetime | None = None) -> Recall:
    """Hold the stream's deliveries, then send the version's automatic decisions since `since` back to people.

    Without `since` from the moment it last began to decide. Raises Conflict while the version still decides.
    """
    stream = version.stream
    check_role(by, stream, Role.MODEL_OWNER)
    if not reason.strip():
        raise Invalid("Say why the decisions are recalled.", code="reason_missing")
    lock(stream)
    stream.refresh_from_db(fields=["live_rollout"])
    live = lineup_of(stream)
    if live is not None and version.pk in {one.pk for one in (live.primary, live.canary) if one is not None}:
        raise Conflict(f"Model {version.number} still decides; roll it back first.", code="still_serving")
    if Recall.objects.filter(model_version=version, answer="", finished_at__isnull=True).exists():
        raise Conflict(f"The decisions of model {version.number} are being recalled already.", code="recall_under_way")
    since = since or began(version)
    if since is None:
        raise Conflict(f"Model {version.number} never decided anything.", code="nothing_to_recall")
    sentence = f"Model {version.number}'s automatic decisions are being recalled"
    return _begin(Recall(stream=stream, model_version=version, since=since), sentence, reason.strip(), by)


@transaction.atomic
def start_class(*, breaker: Breaker, by: Actor, reason: str, since: datetime | None = None) -> list[Recall]:
    """The same for the class or segment of an open breaker, of every version whose audits opened it.

    Without `since` from a week before it opened. Raises Conflict while the class may still act.
    """
    stream = breaker.stream
    check_role(by, stream, Role.MODEL_OWNER, Role.POLICY_OWNER, Role.LEAD)
    if not reason.strip():
        raise Invalid("Say why the decisions are recalled.", code="reason_missing")
    lock(stream)
    current = Breaker.objects.get(pk=breaker.pk)
    if current.state != Breaker.State.OPEN:
        raise Conflict(f"The breaker of “{current.answer}” is not open: the class still acts.", code="still_serving")
    segment_column = _segment_column(stream) if current.segment else ""
    under_way = Recall.objects.filter(
        stream=stream, answer__in=["", current.answer], segment__in=["", current.segment], finished_at__isnull=True
    )
    versions = ModelVersion.objects.select_related("stream").filter(pk__in=current.evidence["versions"])
    found = versions.exclude(pk__in=under_way.values("model_version")).order_by("number")
    if not found:
        raise Conflict("These decisions are being recalled already.", code="recall_under_way")
    since = since or _opened_at(current) - BEFORE_OPENING
    sentence = f"Automatic decisions for “{current.answer}” are being recalled"
    return [
        _begin(
            Recall(
                stream=stream,
                model_version=version,
                answer=current.answer,
                segment=current.segment,
                segment_column=segment_column,
                since=since,
            ),
            sentence,
            reason.strip(),
            by,
        )
        for version in found
    ]


def _begin(recall: Recall, sentence: str, reason: str, by: Actor) -> Recall:
    is_held = rulebook.is_held(recall.stream, Hold.Scope.DELIVERIES)
    if not is_held:
        recall.hold = holds.place(
            stream=recall.stream, scope=Hold.Scope.DELIVERIES, reason=f"{sentence}: {reason}", by=by
        )
    recall.reason, recall.created_by, recall.reached = reason, str(by), first_id_at(recall.since)
    recall.save(force_insert=True)
    happened(
        recall.stream,
        "recall.started",
        by=by,
        payload={**_scope(recall), "since": recall.since.isoformat(), "reason": reason},
        subject=f"recall:{recall.pk}",
    )
    enqueue(RECALL_TASK)
    return recall


def _scope(recall: Recall) -> dict[str, Any]:
    scope: dict[str, Any] = {"model": recall.model_version.number}
    if recall.answer:
        scope["class"] = recall.answer
    if recall.segment:
        scope["segment"] = recall.segment
    return scope


def _opened_at(breaker: Breaker) -> datetime:
    return datetime.fromisoformat(breaker.evidence["opened_at"])


def _segment_column(stream: Stream) -> str:
    """The column by which the stream is cut into segments. Raises Conflict when its policy names none any more."""
    policy = active_policy(stream)
    column = read_body(policy.body).segment if policy else None
    if column is None:
        raise Conflict("The active policy names no segment any more.", code="segment_unknown")
    return column


@transaction.atomic
def roll_back(*, stream: Stream, by: Actor, reason: str, send_to_review: bool = False) -> Rollout:
    """Take the stream's last step back and, where asked, the automatic decisions of the version that leaves."""
    check_role(by, stream, Role.MODEL_OWNER)
    lock(stream)
    stream.refresh_from_db(fields=["live_rollout"])
    live = lineup_of(stream)
    rollout = rollouts.roll_back(stream=stream, by=by, reason=reason)
    if send_to_review and live is not None:
        start(version=live.canary or live.primary, by=by, reason=reason)
    return rollout


def began(version: ModelVersion) -> datetime | None:
    """When the version last began to decide: the first rollout of its last unbroken run as primary or canary."""
    numbers = set(
        RolloutMember.objects.filter(
            model_version=version, role__in=[RolloutMember.Role.PRIMARY, RolloutMember.Role.CANARY]
        ).values_list("rollout__generation", flat=True)
    )
    if not numbers:
        return None
    first = max(numbers)
    while first - 1 in numbers:
        first -= 1
    return Rollout.objects.get(stream=version.stream_id, generation=first).created_at


def count_standing(version: ModelVersion, since: datetime) -> int:
    """How many automatic decisions of the version since a moment stand and are not before people already."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) {_STANDING} {_NOT_BEFORE_PEOPLE}",
            {"reached": first_id_at(since), "version": version.pk, "since": since, "answer": ""},
        )
        return int(cursor.fetchone()[0])


def recall_batch(*, take_back: Callable[[UUID], bool]) -> int:
    """Recall the next decisions of the oldest recall under way; answers how many were looked at, 0 when none is left.

    `take_back` removes what was made of an event and sent to nobody, and answers whether that was all of it.
    """
    with transaction.atomic():
        recall = (
            Recall.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
            .select_related("model_version", "stream", "hold__stream")
            .filter(finished_at__isnull=True)
            .order_by("pk")
            .first()
        )
        if recall is None:
            return 0
        found = _next(recall)
        if not found:
            _finish(recall)
            return 1
        mine = _of_segment(recall, found)
        unsent = [_recall(case_id, decision_id, recall, take_back) for decision_id, case_id in mine]
        Recall.objects.filter(pk=recall.pk).update(
            reached=found[-1][0],
            num_recalled=F("num_recalled") + sum(one is not None for one in unsent),
            num_unsent=F("num_unsent") + sum(one is True for one in unsent),
        )
    return len(found)


def is_due() -> bool:
    """Whether a recall is under way."""
    return Recall.objects.filter(finished_at__isnull=True).exists()


def _next(recall: Recall) -> Sequence[tuple[UUID, UUID]]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT d.id, d.case_id {_STANDING} ORDER BY d.id LIMIT %(limit)s",
            {
                "reached": recall.reached,
                "version": recall.model_version_id,
                "since": recall.since,
                "answer": recall.answer,
                "limit": BATCH,
            },
        )
        found: list[tuple[UUID, UUID]] = cursor.fetchall()
    return found


def _of_segment(recall: Recall, found: Sequence[tuple[UUID, UUID]]) -> Sequence[tuple[UUID, UUID]]:
    """Those of the decisions whose case belongs to the recalled segment."""
    if not recall.segment:
        return found
    policy = Policy(thresholds={}, segment=recall.segment_column)
    newest = CaseInput.objects.filter(case__in=[case_id for _, case_id in found]).order_by("case", "-generation")
    features = dict(newest.distinct("case").values_list("case", "features"))
    return [
        (decision_id, case_id)
        for decision_id, case_id in found
        if segment_of(policy, features.get(case_id) or {}) == recall.segment
    ]


def _recall(case_id: UUID, decision_id: UUID, recall: Recall, take_back: Callable[[UUID], bool]) -> bool | None:
    """Back to people; True when nobody outside had heard of it, None when it was superseded or reopened meanwhile."""
    case = trail.locked(case_id)
    decision = deciding.last_decision(case)
    if case.state != CaseState.DECIDED or decision is None or decision.pk != decision_id:
        return None
    kind, _, id_ = recall.created_by.partition(":")
    by = Actor(kind, id_)
    is_unsent = take_back(decision.event_id)
    if is_unsent:
        deciding.withdraw(case=case, by=by)
    else:
        # Upstream acts on it already: it stands until people supersede it.
        Case.objects.transition(case.pk, CaseState.DECIDED, CaseState.IN_REVIEW)
    why = "The breaker of its class opened" if recall.answer else "Decided by a model that was rolled back"
    review = reopening.review_again(case, f"{why}: {recall.reason}")
    trail.happened(
        case,
        "case.recalled" if is_unsent else "case.reopened",
        by=by,
        payload={"reason": recall.reason, "review": str(review.pk), "model_version": recall.model_version.number},
    )
    return is_unsent


def _finish(recall: Recall) -> None:
    Recall.objects.filter(pk=recall.pk).update(finished_at=Now())
    recall.refresh_from_db(fields=["num_recalled", "num_unsent"])
    if recall.hold is not None:
        following = Recall.objects.filter(stream=recall.stream, finished_at__isnull=True).order_by("pk").first()
        if following is not None and following.hold_id is None:
            Recall.objects.filter(pk=following.pk).update(hold=recall.hold)
        else:
            holds.lift(hold=recall.hold, by=SYSTEM)
    happened(
        recall.stream,
        "recall.finished",
        by=SYSTEM,
        payload={**_scope(recall), "recalled": recall.num_recalled, "unsent": recall.num_unsent},
        subject=f"recall:{recall.pk}",
    )
