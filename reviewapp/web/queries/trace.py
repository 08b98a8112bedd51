"""Everything that is known of one case, in the order it happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Prefetch
from django.db.models.functions import Now

from reviewapp.cases import permissions
from reviewapp.cases.models import Case, CaseInput, Decision, Label, Prediction, Review, Verdict
from reviewapp.domain.errors import NotFound
from reviewapp.events.models import Event
from reviewapp.registry.actors import Actor
from reviewapp.web.access import SEES_INTEGRATION
from reviewapp.web.actor_names import ActorNames
from reviewapp.web.evidence import Evidence, evidence_on
from reviewapp.web.happenings import Happened, told
from reviewapp.web.queries.displays import display_of, revisions_in_force
from reviewapp.web.queries.provenance import ModelBehind, PolicyBehind, models_behind, policies_behind
from reviewapp.web.subjects import Display, Group, Matrix, Picture, matrix_of
from reviewapp.webhooks.models import Delivery

# What a reader who may yet have to answer the case unseen still sees of its history.
NEUTRAL_EVENTS = frozenset({"case.received", "case.amended"})
SHOWN_EVENTS = 200


@dataclass(frozen=True)
class ShownInput:
    row: CaseInput
    picture: Picture | None
    groups: Sequence[Group]
    matrix: Matrix | None


@dataclass(frozen=True)
class Signed:
    """A decision or label with the name of who made it."""

    row: Any
    by: str


@dataclass(frozen=True)
class Trace:
    """`is_hidden`: the model's part and what others answered are withheld from this reader for now.

    `sees_endpoints`: whether the reader may know where the team's events are sent.
    """

    case: Case
    is_hidden: bool
    inputs: Sequence[ShownInput]
    predictions: Sequence[Prediction]
    decisions: Sequence[Signed]
    reviews: Sequence[Review]
    labels: Sequence[Signed]
    events: Sequence[Happened]
    deliveries: Sequence[Delivery]
    evidence: Evidence | None
    models: Sequence[ModelBehind]
    policies: Sequence[PolicyBehind]
    sees_endpoints: bool


def case_for(actor: Actor, case_id: UUID) -> Case:
    case = (
        Case.objects.visible_to(actor)
        .select_related("stream__team")
        .annotate(database_now=Now())
        .filter(pk=case_id)
        .first()
    )
    if case is None:
        raise NotFound("There is no such case.")
    return case


def trace_of(case: Case, actor: Actor) -> Trace:
    """The case's whole trace, or what the reader may see of it."""
    is_hidden = permissions.hides_model(actor, case)
    display = display_of(case.stream, revisions_in_force(case.stream))
    inputs = [_shown(row, case, display) for row in case.inputs.order_by("-generation")]
    predictions = [] if is_hidden else predictions_of(case)
    decisions = [] if is_hidden else list(_decisions(case))
    labels = [] if is_hidden else list(Label.objects.filter(case=case).order_by("-sequence"))
    events = _events(case, is_hidden=is_hidden)
    names = ActorNames([row.actor for row in (*decisions, *labels, *events)])
    latest = next((one for one in predictions if one.route and one.generation == case.generation), None)
    return Trace(
        case=case,
        is_hidden=is_hidden,
        inputs=inputs,
        predictions=predictions,
        decisions=[Signed(row, names[row.actor]) for row in decisions],
        reviews=[] if is_hidden else _reviews(case),
        labels=[Signed(row, names[row.actor]) for row in labels],
        events=[told(event, names) for event in events],
        deliveries=[] if is_hidden else _deliveries(events),
        evidence=evidence_on(case, latest, features=inputs[0].row.features, display=display) if latest else None,
        models=models_behind(predictions),
        policies=policies_behind(case.stream, predictions),
        sees_endpoints=actor.has_team_role(case.stream.team_id, SEES_INTEGRATION),
    )


def _shown(row: CaseInput, case: Case, display: Display) -> ShownInput:
    picture = display.picture(row.features, f"case {case.external_id}")
    groups = [] if picture else display.groups(row.features)
    return ShownInput(row, picture, groups, matrix_of(groups))


def predictions_of(case: Case) -> list[Prediction]:
    """The predictions of a case with their models and policies, the latest first."""
    return list(
        case.predictions.select_related("model_version__bundle", "policy_version").order_by(
            "-generation", "-created_at", "pk"
        )
    )


def _decisions(case: Case) -> Any:
    return Decision.objects.filter(case=case).select_related("model_version", "policy_version").order_by("-sequence")


def _reviews(case: Case) -> list[Review]:
    verdicts = Verdict.objects.select_related("reviewer").order_by("created_at", "pk")
    return list(
        case.reviews.select_related("claimed_by")
        .prefetch_related(Prefetch("verdicts", verdicts))
        .order_by("-created_at", "pk")
    )


def _events(case: Case, *, is_hidden: bool) -> list[Event]:
    events = Event.objects.filter(case_id=str(case.pk))
    if is_hidden:
        events = events.filter(type__in=NEUTRAL_EVENTS)
    return list(events.order_by("sequence")[:SHOWN_EVENTS])


def _deliveries(events: Sequence[Event]) -> list[Delivery]:
    return list(
        Delivery.objects.filter(event__in=[event.pk for event in events])
        .select_related("event", "endpoint")
        .order_by("created_at", "pk")
    )
