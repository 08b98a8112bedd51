"""Uploaded models whose check is under way or was refused of late."""

from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from reviewapp.registry.models import Bundle, ModelVersion, Stream

SHOWN = 5
SHOWN_FOR = timedelta(days=7)


def checks_of(stream: Stream) -> list[ModelVersion]:
    """Those being checked and those refused in the last days, newest first."""
    wanted = Q(bundle__state=Bundle.State.CHECKING) | Q(
        bundle__state=Bundle.State.REFUSED, created_at__gt=Now() - SHOWN_FOR
    )
    return list(stream.model_versions.filter(wanted).select_related("bundle").order_by("-number")[:SHOWN])


def is_waiting(stream: Stream) -> bool:
    return stream.model_versions.filter(bundle__state=Bundle.State.CHECKING).exists()
