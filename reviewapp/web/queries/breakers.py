"""A stream's breakers: their evidence, what acted lately, and what is missing before they are armed again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.utils import timezone

from reviewapp.cases.models import Decision, Label, Recall, Review
from reviewapp.cases.moments import first_id_at
from reviewapp.cases.permissions import oversees
from reviewapp.domain.errors import NotFound
from reviewapp.gating import wording
from reviewapp.gating.models import Breaker
from reviewapp.registry.actions.policies import active_policy
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Role, Stream
from reviewapp.registry.policies import read_body
from reviewapp.web.actor_names import ActorNames

LISTED = 50
LATELY = timedelta(days=30)
# Who may do what about an open breaker.
MAY_ASK = (Role.POLICY_OWNER,)
MAY_AGREE = (Role.POLICY_OWNER, Role.LEAD)
MAY_RECALL = (Role.MODEL_OWNER, Role.POLICY_OWNER, Role.LEAD)
_ORDER = [Breaker.State.OPEN, Breaker.State.AMBER, Breaker.State.CLOSED]


@dataclass(frozen=True)
class Listed:
    breaker: Breaker
    sentence: str


@dataclass(frozen=True)
class Shown:
    """One breaker. fresh: what is known since it opened, empty while it is not open; decisions: None where the person
    may not know of single cases."""

    breaker: Breaker
    sentence: str
    fresh: str
    may_be_asked: bool
    asked_by: str
    is_own_asking: bool
    may_ask: bool
    may_agree: bool
    may_recall: bool
    decisions: Sequence[Decision] | None
    recalls: Sequence[Recall]

    @property
    def is_open(self) -> bool:
        return self.breaker.state == Breaker.State.OPEN

    @property
    def opened_at(self) -> datetime | None:
        text = self.breaker.evidence.get("opened_at")
        return datetime.fromisoformat(text) if text else None


def breakers_of(stream: Stream) -> Sequence[Listed]:
    """All of them, those that are open or in doubt first."""
    found = Breaker.objects.filter(stream=stream).order_by("answer", "segment")
    ordered = sorted(found, key=lambda one: _ORDER.index(Breaker.State(one.state)))
    return [Listed(one, told(one)) for one in ordered]


def told(breaker: Breaker) -> str:
    return wording.breaker(breaker.state, breaker.evidence)


def found(stream: Stream, breaker_id: int) -> Breaker:
    """A breaker of the stream. Raises NotFound."""
    one = Breaker.objects.select_related("stream__team").filter(stream=stream, pk=breaker_id).first()
    if one is None:
        raise NotFound("There is no such breaker.")
    return one


def shown(breaker: Breaker, actor: Actor) -> Shown:
    # Evidence is weighed with numpy; a process that never shows this page never loads it.
    from reviewapp.cases.actions import rearming

    stream, is_open = breaker.stream, breaker.state == Breaker.State.OPEN
    fresh = rearming.fresh_evidence(breaker) if is_open else None
    asked_by = breaker.rearm_asked_by
    return Shown(
        breaker=breaker,
        sentence=told(breaker),
        fresh=fresh.sentence if fresh else "",
        may_be_asked=fresh is not None and fresh.is_enough,
        asked_by=ActorNames([asked_by])[asked_by] if asked_by else "",
        is_own_asking=asked_by == str(actor),
        may_ask=actor.has_role(stream, MAY_ASK),
        may_agree=actor.has_role(stream, MAY_AGREE) and asked_by != str(actor),
        may_recall=actor.has_role(stream, MAY_RECALL),
        decisions=list(_decisions(breaker, actor)[:LISTED]) if oversees(actor, stream) else None,
        recalls=list(
            Recall.objects.filter(stream=stream, answer=breaker.answer, segment=breaker.segment)
            .select_related("model_version")
            .order_by("-pk")[:LISTED]
        ),
    )


def _decisions(breaker: Breaker, actor: Actor) -> QuerySet[Decision]:
    """The newest automatic decisions of the class or segment, each with what people found since.

    None of a case that the person is about to answer unseen.
    """
    unseen = (
        Review.objects.open().filter(case=OuterRef("case"), claimed_by=actor.user).exclude(mode=Stream.Mode.ASSISTED)
    )
    settled = Label.objects.live().filter(case=OuterRef("case")).order_by("-sequence").values("answer")[:1]
    decisions: QuerySet[Decision] = Decision.objects.filter(
        pk__gte=first_id_at(timezone.now() - LATELY),
        case__stream=breaker.stream_id,
        source=Decision.Source.AUTO,
        answer=breaker.answer,
    )
    if breaker.segment:
        decisions = _of_segment(decisions, breaker)
    decisions = decisions.exclude(Exists(unseen)).annotate(truth=Subquery(settled))
    return decisions.select_related("case", "prediction", "superseded_by").order_by("-pk")


def _of_segment(decisions: QuerySet[Decision], breaker: Breaker) -> QuerySet[Decision]:
    policy = active_policy(breaker.stream)
    column = read_body(policy.body).segment if policy else None
    if column is None:
        return decisions.none()
    of_case = decisions.filter(case__inputs__generation=F("case__generation"))
    return of_case.annotate(segment=KeyTextTransform(column, "case__inputs__features")).filter(segment=breaker.segment)
