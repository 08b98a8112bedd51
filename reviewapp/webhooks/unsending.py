"""Taking an announcement back that was relayed and has reached nobody yet."""

from uuid import UUID

from reviewapp.cases.actions import recalls
from reviewapp.events.models import OutboxEntry
from reviewapp.webhooks.models import Delivery


def take_back(event_id: UUID) -> bool:
    """Turn an event's deliveries back into its outbox entry; False when one of them may have reached its receiver.

    Call it in the transaction that then removes the entry. An event that no endpoint listened to has left, too:
    whoever reads the feed knows of it.
    """
    if OutboxEntry.objects.filter(pk=event_id).exists():
        return True
    deliveries = list(Delivery.objects.select_for_update(of=("self",), no_key=True).filter(event=event_id))
    if not deliveries or any(_was_tried(delivery) for delivery in deliveries):
        return False
    Delivery.objects.filter(pk__in=[delivery.pk for delivery in deliveries]).delete()
    OutboxEntry.objects.create(event_id=event_id)
    return True


def recall_batch() -> int:
    """Recall the next decisions of a version that was rolled back; answers how many were looked at."""
    return recalls.recall_batch(take_back=take_back)


def _was_tried(delivery: Delivery) -> bool:
    return delivery.state != Delivery.State.PENDING or delivery.attempts > 0 or delivery.lease_token is not None
