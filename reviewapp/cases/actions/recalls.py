"""Recalls: the automatic decisions of a bad version go back to people; what was not sent yet is never heard of."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from reviewapp.cases.actions import deciding, reopening, trail
from reviewapp.cases.models import Case, Recall
from reviewapp.cases.moments import first_id_at
from reviewapp.celery import enqueue
from reviewapp.domain.errors import Conflict, Invalid
from reviewapp.domain.states import CaseState
from reviewapp.gating import rulebook
from reviewapp.gating.actions import holds
from reviewapp.gating.models import Hold
from reviewapp.registry.actions import rollouts
from reviewapp.registry.actions.rollouts import lineup_of
from reviewapp.registry.actors import SYSTEM, Actor, check_role
from reviewapp.registry.models import ModelVersion, Role, Rollout, RolloutMember, Stream
from reviewapp.registry.trail import happened, lock

RECALL_TASK = "webhooks.recall"
BATCH = 100

# The decisions of a version that stand. Their ids follow time, so a walk along the primary key needs no other index.
_STANDING = """
FROM cases_decision d
WHERE d.id > %(reached)s AND d.model_version_id = %(version)s AND d.source = 'auto' AND d.decided_at >= %(since)s
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
    if Recall.objects.filter(model_version=version, finished_at__isnull=True).exists():
        raise Conflict(f"The decisions of model {version.number} are being recalled already.", code="recall_under_way")
    since = since or began(version)
    if since is None:
        raise Conflict(f"Model {version.number} never decided anything.", code="nothing_to_recall")
    is_held = rulebook.is_held(stream, Hold.Scope.DELIVERIES)
    sentence = f"Model {version.number}'s automatic decisions are being recalled: {reason.strip()}"
    recall = Recall.objects.create(
        stream=stream,
        model_version=version,
        since=since,
        reason=reason.strip(),
        created_by=str(by),
        hold=None if is_held else holds.place(stream=stream, scope=Hold.Scope.DELIVERIES, reason=sentence, by=by),
        reached=first_id_at(since),
    )
    happened(
        stream,
        "recall.started",
        by=by,
        payload={"model": version.number, "since": since.isoformat(), "reason": recall.reason},
        subject=f"recall:{recall.pk}",
    )
    enqueue(RECALL_TASK)
    return recall


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
            {"reached": first_id_at(since), "version": version.pk, "since": since},
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
        unsent = [_recall(case_id, decision_id, recall, take_back) for decision_id, case_id in found]
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
                "limit": BATCH,
            },
        )
        found: list[tuple[UUID, UUID]] = cursor.fetchall()
    return found


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
    review = reopening.review_again(case, f"Decided by a model that was rolled back: {recall.reason}")
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
        holds.lift(hold=recall.hold, by=SYSTEM)
    happened(
        recall.stream,
        "recall.finished",
        by=SYSTEM,
        payload={
            "model": recall.model_version.number,
            "recalled": recall.num_recalled,
            "unsent": recall.num_unsent,
        },
        subject=f"recall:{recall.pk}",
    )
