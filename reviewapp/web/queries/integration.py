"""Endpoints, deliveries and keys of the person's teams."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Max, Prefetch

from reviewapp.accounts.models import Team
from reviewapp.domain.errors import NotFound
from reviewapp.registry.models import ApiKey, Stream
from reviewapp.webhooks.models import Delivery, DeliveryAttempt, Endpoint

PAGE = 50


def endpoints_of(teams: Sequence[Team]) -> list[Endpoint]:
    """The endpoints, each with the number of its latest secret."""
    found = Endpoint.objects.filter(team__in=teams).select_related("team").annotate(latest=Max("secrets__number"))
    return list(found.prefetch_related(_streams()).order_by("team__name", "url", "pk"))


def endpoint_of(teams: Sequence[Team], endpoint_id: UUID) -> Endpoint:
    found = Endpoint.objects.filter(team__in=teams, pk=endpoint_id).select_related("team").first()
    if found is None:
        raise NotFound("There is no such endpoint.")
    return found


def deliveries_of(
    teams: Sequence[Team], *, state: str = "", endpoint: UUID | None = None, before: UUID | None = None
) -> list[Delivery]:
    """A page of deliveries with their attempts, newest first, and one more where there is an older page."""
    log = Prefetch("log", DeliveryAttempt.objects.order_by("number"))
    found = Delivery.objects.filter(endpoint__team__in=teams).select_related("event", "endpoint").prefetch_related(log)
    filters: dict[str, Any] = {"state": state, "endpoint": endpoint, "pk__lt": before}
    found = found.filter(**{name: value for name, value in filters.items() if value})
    return list(found.order_by("-pk")[: PAGE + 1])


def delivery_of(teams: Sequence[Team], delivery_id: UUID) -> Delivery:
    found = (
        Delivery.objects.filter(endpoint__team__in=teams, pk=delivery_id).select_related("endpoint", "event").first()
    )
    if found is None:
        raise NotFound("There is no such delivery.")
    return found


def keys_of(teams: Sequence[Team]) -> list[ApiKey]:
    found = ApiKey.objects.filter(client__team__in=teams).select_related("client__team")
    return list(found.prefetch_related(_streams()).order_by("client__name", "-created_at", "pk"))


def key_of(teams: Sequence[Team], key_id: UUID) -> ApiKey:
    found = ApiKey.objects.filter(client__team__in=teams, pk=key_id).select_related("client").first()
    if found is None:
        raise NotFound("There is no such key.")
    return found


def _streams() -> "Prefetch[Any]":
    return Prefetch("streams", Stream.objects.order_by("name", "pk"))
