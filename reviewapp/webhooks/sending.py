"""Sending: claimed deliveries go out side by side, and each result is written by the holder of its lease."""

import random
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from cryptography.fernet import InvalidToken
from django.db import connection, transaction
from django.db.models import Max, Q
from django.db.models.functions import Now

from reviewapp.crashpoints import crashpoint
from reviewapp.registry.actors import SYSTEM
from reviewapp.webhooks import circuits, claiming, signing, transport
from reviewapp.webhooks.actions import disable_failing, disable_gone
from reviewapp.webhooks.models import Delivery, DeliveryAttempt, EndpointSecret
from reviewapp.webhooks.relay import relay_batch
from reviewapp.webhooks.transport import Answer

log = structlog.get_logger(__name__)

LANES = 12
POLL_SECONDS = 0.25
# The wait before each try; the first goes at once.
SCHEDULE = tuple(
    timedelta(seconds=seconds) for seconds in (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
JITTER = 0.2
GONE = 410
# The receiver, or what stands before it, is too busy: all its deliveries slow down, not only this one.
BUSY = frozenset({429, 502, 504})
UNREADABLE = "the signing secret cannot be read: it was kept under another SECRET_KEY; rotate it"
LONGEST_WAIT = timedelta(hours=24)
GIVEN_UP_AFTER = timedelta(days=5)


@dataclass(frozen=True, slots=True)
class _Try:
    token: UUID
    delivery_id: UUID
    endpoint_id: UUID


@dataclass(slots=True)
class _UnderWay:
    """What is on its way; the database is used by the caller's thread alone, the lanes only talk to receivers."""

    lanes: ThreadPoolExecutor
    futures: dict[Future[Answer], _Try] = field(default_factory=dict)

    def claim(self) -> int:
        """Fill the free lanes; one endpoint never takes more than half of those that are left."""
        taken = 0
        for endpoint_id, is_probe in claiming.due_endpoints():
            busy = Counter(one.endpoint_id for one in self.futures.values())[endpoint_id]
            free = LANES - len(self.futures)
            limit = min(max(1, (free + busy) // 2) - busy, free)
            if limit > 0:
                claimed = claiming.claim(endpoint_id=endpoint_id, limit=limit, is_probe=is_probe)
                self._send(claimed, endpoint_id)
                taken += len(claimed.ids)
        return taken

    def _send(self, claimed: claiming.Claimed, endpoint_id: UUID) -> None:
        if not claimed.ids:
            return
        crashpoint("delivering.before_send")
        try:
            now, secrets = _database_time(), _secrets(endpoint_id)
        except InvalidToken:
            for delivery_id in claimed.ids:
                _write(_Try(claimed.token, delivery_id, endpoint_id), Answer(None, 0.0, error=UNREADABLE))
            return
        deliveries = Delivery.objects.filter(pk__in=claimed.ids).select_related("event", "endpoint")
        for delivery in deliveries.order_by("next_at", "pk"):
            event, content = delivery.event, signing.body(delivery.event)
            headers = {
                "content-type": "application/json",
                **signing.headers(event=event, content=content, secret_texts=secrets, now=now),
                **({"traceparent": event.traceparent} if event.traceparent else {}),
            }
            future = self.lanes.submit(transport.post, delivery.endpoint.url, headers=headers, content=content)
            self.futures[future] = _Try(claimed.token, delivery.pk, endpoint_id)

    def collect(self) -> int:
        """Write the results that are in, waiting a moment for the first."""
        done, _ = wait(self.futures, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            one = self.futures.pop(future)
            crashpoint("delivering.after_send")
            _write(one, _result(future))
        return len(done)


def deliver(*, seconds: float) -> int:
    """Relay and send what is due, and what falls due meanwhile, for `seconds` at most; answers how many were sent.

    A try under way is always waited for, so it may return up to the total timeout of a try later.
    """
    end, sent = time.monotonic() + seconds, 0
    with ThreadPoolExecutor(LANES, thread_name_prefix="delivery") as lanes:
        under_way = _UnderWay(lanes)
        while True:
            is_time_left = time.monotonic() < end
            moved = relay_batch() + under_way.claim() if is_time_left else 0
            if not under_way.futures and not moved:
                return sent
            if under_way.futures:
                sent += under_way.collect()


def is_due() -> bool:
    """Whether a delivery could be sent now."""
    return bool(claiming.due_endpoints())


def _result(future: Future[Answer]) -> Answer:
    """A send that raises is a fault of ours; it must not hold up the other deliveries."""
    try:
        return future.result()
    except Exception as error:
        log.exception("delivery.send_failed")
        return Answer(None, 0.0, error=f"could not be sent: {type(error).__name__}")


def _write(one: _Try, answer: Answer) -> None:
    with transaction.atomic():
        delivery = claiming.locked_if_ours(one.delivery_id, one.token)
        if delivery is None:
            log.warning("delivery.lease_lost", delivery_id=str(one.delivery_id))
            return
        number = (delivery.log.aggregate(last=Max("number"))["last"] or 0) + 1
        DeliveryAttempt.objects.create(
            delivery=delivery,
            number=number,
            seconds=answer.seconds,
            status=answer.status,
            error=answer.error[:200],
            answer=answer.text[: transport.MAX_KEPT],
        )
        _settle(delivery, answer)
        crashpoint("delivering.before_commit")


def _settle(delivery: Delivery, answer: Answer) -> None:
    result: dict[str, object] = {"lease_token": None, "lease_until": None, "last_status": answer.status}
    if answer.is_success:
        result |= {"state": Delivery.State.DELIVERED, "closed_at": Now()}
        circuits.close(delivery.endpoint_id)
    else:
        _count(delivery, answer)
        if answer.status == GONE or delivery.attempts >= claiming.MAX_ATTEMPTS:
            result |= {"state": Delivery.State.DEAD, "closed_at": Now()}
        else:
            result |= {"next_at": Now() + _wait(delivery.attempts, answer)}
        if answer.status == GONE:
            disable_gone(delivery.endpoint, by=SYSTEM)
    Delivery.objects.filter(pk=delivery.pk).update(**result)


def _count(delivery: Delivery, answer: Answer) -> None:
    """Rest an endpoint that fails, and stop sending to one from which nothing good has come for days."""
    if answer.status in BUSY:
        circuits.slowed(delivery.endpoint_id, asked=_asked(answer))
    else:
        circuits.failed(delivery.endpoint_id)
    if circuits.has_failed_for(delivery.endpoint_id, GIVEN_UP_AFTER):
        disable_failing(delivery.endpoint, by=SYSTEM, period=GIVEN_UP_AFTER)


def _wait(attempts: int, answer: Answer) -> timedelta:
    """The wait after so many tries; a receiver may ask for a longer one."""
    planned = SCHEDULE[attempts] * random.uniform(1 - JITTER, 1 + JITTER)
    return max(planned, _asked(answer) or timedelta(0))


def _asked(answer: Answer) -> timedelta | None:
    """The receiver's Retry-After, as far as it is reasonable."""
    if answer.retry_after is None:
        return None
    return timedelta(seconds=min(answer.retry_after, LONGEST_WAIT.total_seconds()))


def _secrets(endpoint_id: UUID) -> list[str]:
    live = EndpointSecret.objects.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=Now()))
    kept = live.filter(endpoint=endpoint_id).order_by("-number").values_list("encrypted", flat=True)
    return [signing.decrypt(encrypted) for encrypted in kept]


def _database_time() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
