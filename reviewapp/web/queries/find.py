"""Cases by upstream's id or our own."""

from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from django.db.models import Q

from reviewapp.cases.models import Case, Review
from reviewapp.cases.permissions import oversees
from reviewapp.domain.states import CaseState
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Stream

SHOWN = 50


def newest(actor: Actor, stream: str) -> list[Case]:
    """The newest cases the person may know of, of one stream or of all."""
    cases = Case.objects.visible_to(actor)
    if stream:
        cases = cases.filter(stream__slug=stream)
    return list(cases.select_related("stream").order_by("-pk")[:SHOWN])


def matching(actor: Actor, text: str) -> list[Case]:
    """The cases whose external id or id is exactly this."""
    wanted = Q(external_id=text)
    with suppress(ValueError):
        wanted |= Q(pk=UUID(text))
    found = Case.objects.visible_to(actor).filter(wanted)
    return list(found.select_related("stream").order_by("-pk")[:SHOWN])


def with_states(actor: Actor, cases: Sequence[Case]) -> list[tuple[Case, str]]:
    """Each case with the state the person may know: one still to be read unseen does not tell that it is decided."""
    unseen = Review.objects.open().filter(case__in=cases).exclude(mode=Stream.Mode.ASSISTED)
    readers: dict[UUID, set[UUID | None]] = {}
    for case_id, reader in unseen.values_list("case", "claimed_by"):
        readers.setdefault(case_id, set()).add(reader)
    return [(case, _state(actor, case, readers.get(case.pk))) for case in cases]


def _state(actor: Actor, case: Case, readers: set[UUID | None] | None) -> str:
    is_reader = actor.user is not None and readers is not None and actor.user.pk in readers
    is_told = not readers or (oversees(actor, case.stream) and not is_reader)
    return case.state if is_told else CaseState.IN_REVIEW.value
