"""Events on their way, and rows aged instead of a moved clock."""

from datetime import timedelta
from typing import Any

import uuid_utils.compat as uuid
from django.db.models import F

from reviewapp.events import actions as events
from reviewapp.events.models import Event, OutboxEntry
from reviewapp.gating.models import Circuit
from reviewapp.registry.models import Stream
from reviewapp.webhooks import sending
from reviewapp.webhooks.models import Delivery
from reviewapp.webhooks.relay import relay_batch


def happened(stream: Stream, type_: str = "decision.made", **fields: Any) -> Event:
    """A published event of a case (a fresh one unless `case_id` and `sequence` are given)."""
    return events.record(
        events.Happening(
            type=type_,
            subject="case:example",
            actor="policy",
            payload={"case": "example", "amount": 1.5, "note": "grüezi"},
            team_id=stream.team_id,
            stream_id=stream.pk,
            **{"case_id": uuid.uuid7(), "sequence": 1, **fields},
        )
    )


def relay_all() -> None:
    while relay_batch():
        pass


def send_due() -> int:
    return sending.deliver(seconds=5)


def make_due() -> None:
    """Let the waits of the retries be over."""
    Delivery.objects.filter(state="pending").update(next_at=F("next_at") - timedelta(days=2))
    Circuit.objects.filter(opened_at__isnull=False).update(probe_at=F("probe_at") - timedelta(days=2))
    OutboxEntry.objects.update(available_at=F("available_at") - timedelta(days=2))
