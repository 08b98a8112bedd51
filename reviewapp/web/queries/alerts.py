"""Alerts of the person's streams and of the installation."""

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from reviewapp.monitoring.models import Alert, Heartbeat
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Stream

SHOWN = 50


def open_alerts(actor: Actor) -> list[Alert]:
    return list(_visible(actor).filter(closed_at__isnull=True).order_by("-opened_at", "pk")[:SHOWN])


def closed_alerts(actor: Actor) -> list[Alert]:
    return list(_visible(actor).filter(closed_at__isnull=False).order_by("-closed_at", "pk")[:SHOWN])


def heartbeats() -> list[Heartbeat]:
    return list(Heartbeat.objects.annotate(database_now=Now()).order_by("process"))


def _visible(actor: Actor) -> QuerySet[Alert]:
    mine = Q(stream__in=Stream.objects.visible_to(actor)) | Q(stream__isnull=True)
    return Alert.objects.filter(mine).select_related("stream")
