"""Alerts of the person's streams and of the installation."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.urls import reverse

from reviewapp.monitoring.models import Alert, Heartbeat
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Stream

SHOWN = 50
# By what an alert is about, the page on which something is done about it, and what that page is called.
_PLACES = {
    "breaker": ("breaker", "The breaker"),
    "certificate": ("certificate", "The certificate"),
    "stream": ("policy_harm", "Harm and segments"),
}


@dataclass(frozen=True)
class Listed:
    """An open alert with the page on which something is done about it; empty for the installation's."""

    alert: Alert
    url: str
    place: str


def open_alerts(actor: Actor) -> list[Listed]:
    found = _visible(actor).filter(closed_at__isnull=True).order_by("-opened_at", "pk")[:SHOWN]
    return [Listed(alert, *_place_of(alert)) for alert in found]


def closed_alerts(actor: Actor) -> list[Alert]:
    return list(_visible(actor).filter(closed_at__isnull=False).order_by("-closed_at", "pk")[:SHOWN])


def heartbeats() -> list[Heartbeat]:
    return list(Heartbeat.objects.annotate(database_now=Now()).order_by("process"))


def _visible(actor: Actor) -> QuerySet[Alert]:
    mine = Q(stream__in=Stream.objects.visible_to(actor)) | Q(stream__isnull=True)
    return Alert.objects.filter(mine).select_related("stream")


def _place_of(alert: Alert) -> tuple[str, str]:
    if alert.stream is None:
        return "", ""
    kind, _, id_ = alert.subject.partition(":")
    name, place = _PLACES.get(kind, ("models", f"Models of {alert.stream.name}"))
    slug: list[Any] = [alert.stream.slug]
    return reverse(name, args=[*slug, id_] if kind in {"breaker", "certificate"} else slug), place
