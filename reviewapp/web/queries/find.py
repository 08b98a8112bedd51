"""Cases by upstream's id or our own."""

from contextlib import suppress
from uuid import UUID

from django.db.models import Q

from reviewapp.cases.models import Case
from reviewapp.registry.actors import Actor

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
