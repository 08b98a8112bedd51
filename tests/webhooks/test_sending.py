"""From a delivery to the receiver and back into its row."""

import json
import threading
import time
from datetime import timedelta

import pytest
import uuid_utils.compat as uuid
from django.db.models import F
from django.test import override_settings
from standardwebhooks import Webhook

from reviewapp.events.models import Event
from reviewapp.gating.actions import holds
from reviewapp.gating.models import Circuit, Hold
from reviewapp.registry.actors import SYSTEM
from reviewapp.webhooks import actions, circuits, claiming, sending, tasks, transport
from reviewapp.webhooks.models import Delivery, DeliveryAttempt, Endpoint, EndpointSecret
from reviewapp.webhooks.transport import Answer
from tests.webhooks import deliveries
from tests.webhooks.receiver import Reply

pytestmark = pytest.mark.django_db


def wait_of(delivery: Delivery) -> float:
    delivery.refresh_from_db()
    last = DeliveryAttempt.objects.filter(delivery=delivery).order_by("-number").first()
    return (delivery.next_at - last.started_at).total_seconds()


def test_an_event_reaches_the_receiver_with_a_signature_that_verifies(receiver, endpoint, bare_stream):
    at = receiver()
    created = endpoint(at)
    event = deliveries.happened(bare_stream, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")

    assert deliveries.send_due() == 1

    (request,) = at.received
    assert Webhook(created.secret).verify(request.body, dict(request.headers))["data"]["note"] == "grüezi"
    assert request.headers["webhook-id"] == f"msg_{event.pk}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["traceparent"] == event.traceparent
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("delivered", 1, 200)
    attempt = DeliveryAttempt.objects.get()
    assert (attempt.number, attempt.status, attempt.error, attempt.answer) == (1, 200, "", "thank you")
    assert attempt.seconds > 0
    assert not sending.is_due()


def test_after_a_rotation_both_secrets_verify_and_after_a_day_the_new_one_alone(by, receiver, endpoint, bare_stream):
    at = receiver()
    created = endpoint(at)
    old, new = created.secret, actions.rotate(endpoint=created, by=by)
    deliveries.happened(bare_stream)
    deliveries.send_due()

    EndpointSecret.objects.exclude(expires_at=None).update(expires_at=F("expires_at") - timedelta(days=1))
    deliveries.happened(bare_stream)
    deliveries.send_due()

    during, after = at.received
    assert Webhook(old).verify(during.body, dict(during.headers))
    assert Webhook(new).verify(during.body, dict(during.headers))
    assert Webhook(new).verify(after.body, dict(after.headers))
    assert " " not in after.headers["webhook-signature"]


def test_a_failure_is_tried_again_later_with_the_same_id_and_body(receiver, endpoint, bare_stream):
    at = receiver(Reply(status=500, body=b"oh no"), Reply())
    created = endpoint(at)
    deliveries.happened(bare_stream)

    deliveries.send_due()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.last_status, delivery.lease_token) == ("pending", 500, None)
    assert 3.5 < wait_of(delivery) < 6.5
    assert deliveries.send_due() == 0
    deliveries.make_due()
    deliveries.send_due()

    first, second = at.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert Webhook(created.secret).verify(second.body, dict(second.headers))
    assert list(delivery.log.order_by("number").values_list("number", "status", "error", "answer")) == [
        (1, 500, "answered 500", "oh no"),
        (2, 200, "", "thank you"),
    ]


def test_the_tries_follow_the_schedule_and_end_in_death(receiver, endpoint, bare_stream):
    endpoint(receiver(Reply(status=503)))
    deliveries.happened(bare_stream)
    waits = []

    for _ in range(10):
        deliveries.send_due()
        delivery = Delivery.objects.get()
        waits.append(wait_of(delivery))
        deliveries.make_due()
        Circuit.objects.all().delete()

    assert (delivery.state, delivery.attempts, delivery.log.count()) == ("dead", 10, 10)
    assert delivery.closed_at is not None
    for waited, planned in zip(waits[:9], sending.SCHEDULE[1:], strict=True):
        assert 0.79 * planned.total_seconds() < waited < 1.21 * planned.total_seconds()
    assert sum(wait.total_seconds() for wait in sending.SCHEDULE) == 75 * 3600 + 35 * 60 + 5
    assert deliveries.send_due() == 0


def test_a_receiver_may_ask_for_a_longer_wait_but_not_for_ever(receiver, endpoint, bare_stream):
    endpoint(
        receiver(
            Reply(status=429, headers={"Retry-After": "1000"}), Reply(status=503, headers={"Retry-After": "99999999"})
        )
    )
    deliveries.happened(bare_stream)

    deliveries.send_due()
    assert 999 < wait_of(Delivery.objects.get()) < 1001
    deliveries.make_due()
    deliveries.send_due()

    assert 86_000 < wait_of(Delivery.objects.get()) < 86_401


@pytest.mark.parametrize("reply", [Reply(status=302, headers={"Location": "http://127.0.0.1:1/"}), Reply(status=400)])
def test_only_2xx_is_success(receiver, endpoint, bare_stream, reply):
    endpoint(receiver(reply))
    deliveries.happened(bare_stream)

    deliveries.send_due()

    assert Delivery.objects.get().state == "pending"


def test_410_disables_the_endpoint_and_the_rest_waits_for_its_return(by, receiver, endpoint, bare_stream):
    at = receiver(Reply(status=410), Reply())
    created = endpoint(at)
    deliveries.happened(bare_stream)
    deliveries.send_due()
    assert Delivery.objects.get().state == "dead"
    created.refresh_from_db()
    assert created.state == Endpoint.State.DISABLED
    assert "410" in created.state_reason
    assert Event.objects.get(type="endpoint.disabled").actor == "system"

    actions.enable(endpoint=created, by=by)
    deliveries.happened(bare_stream)
    actions.pause(endpoint=created, by=by)
    assert deliveries.send_due() == 0
    actions.enable(endpoint=created, by=by)

    assert deliveries.send_due() == 1


def test_in_a_case_the_next_event_waits_for_the_one_before_and_other_cases_do_not(receiver, endpoint, bare_stream):
    at = receiver(Reply(status=500), Reply())
    endpoint(at)
    case = uuid.uuid7()
    first = deliveries.happened(bare_stream, case_id=case, sequence=1)
    deliveries.send_due()
    second = deliveries.happened(bare_stream, "case.reopened", case_id=case, sequence=2)
    other = deliveries.happened(bare_stream)

    deliveries.send_due()
    assert [one.headers["webhook-id"] for one in at.received] == [f"msg_{first.pk}", f"msg_{other.pk}"]
    deliveries.make_due()
    deliveries.send_due()

    assert [one.headers["webhook-id"] for one in at.received[2:]] == [f"msg_{first.pk}", f"msg_{second.pk}"]


def test_a_dead_event_lets_the_next_one_of_its_case_go(receiver, endpoint, bare_stream):
    at = receiver(Reply(status=500), Reply())
    endpoint(at)
    case = uuid.uuid7()
    deliveries.happened(bare_stream, case_id=case, sequence=1)
    deliveries.relay_all()
    Delivery.objects.update(attempts=9)
    deliveries.send_due()
    deliveries.happened(bare_stream, "case.reopened", case_id=case, sequence=2)

    deliveries.send_due()

    assert list(Delivery.objects.order_by("sequence").values_list("state", flat=True)) == ["dead", "delivered"]


@pytest.mark.parametrize("is_global", [True, False])
def test_a_hold_stops_what_is_already_a_delivery(receiver, endpoint, bare_stream, is_global):
    at = receiver()
    endpoint(at)
    deliveries.happened(bare_stream)
    deliveries.relay_all()
    hold = holds.place(
        stream=None if is_global else bare_stream, scope=Hold.Scope.DELIVERIES, reason="a wrong model", by=SYSTEM
    )

    assert deliveries.send_due() == 0
    assert not sending.is_due()
    holds.lift(hold=hold, by=SYSTEM)

    assert deliveries.send_due() == 1


def test_after_five_failures_in_a_row_one_probe_a_minute_goes(receiver, endpoint, bare_stream):
    at = receiver(*[Reply(status=500)] * 6, Reply())
    created = endpoint(at)
    for _ in range(5):
        deliveries.happened(bare_stream)
        deliveries.send_due()
    for _ in range(3):
        deliveries.happened(bare_stream)
    assert Circuit.objects.get(subject=created.pk).failures == 5

    assert deliveries.send_due() == 0
    Circuit.objects.update(probe_at=F("probe_at") - timedelta(minutes=1))
    assert deliveries.send_due() == 1
    Circuit.objects.update(probe_at=F("probe_at") - timedelta(minutes=1))
    assert deliveries.send_due() == 2

    assert len(at.received) == 8
    assert not Circuit.objects.exists()
    assert Delivery.objects.filter(state="delivered").count() == 2


def test_a_success_between_failures_keeps_the_circuit_closed(endpoint):
    created = endpoint("https://hooks.example.com/")
    for _ in range(4):
        circuits.failed(created.pk)
    circuits.close(created.pk)

    circuits.failed(created.pk)

    assert Circuit.objects.get().opened_at is None


def test_a_slow_endpoint_keeps_no_other_waiting(receiver, endpoint, bare_stream):
    is_over = threading.Event()
    slow = receiver(Reply(before=lambda: is_over.wait(10)))
    fast = receiver(Reply(before=lambda: len(fast.received) == 30 and is_over.set()))
    endpoint(slow)
    endpoint(fast)
    for _ in range(30):
        deliveries.happened(bare_stream)

    started = time.monotonic()
    deliveries.send_due()

    assert is_over.is_set()
    assert len(fast.received) == 30
    assert time.monotonic() - started < 10


def test_what_falls_due_while_a_receiver_answers_is_sent_meanwhile(receiver, endpoint, bare_stream):
    is_over = threading.Event()
    endpoint(receiver(Reply(before=lambda: is_over.wait(10))))
    endpoint(receiver(Reply(status=500), Reply(before=is_over.set)))
    deliveries.happened(bare_stream)
    deliveries.relay_all()

    started = time.monotonic()
    sending.deliver(seconds=9)

    assert is_over.is_set()
    assert time.monotonic() - started < 9.5
    assert Delivery.objects.filter(state="delivered").count() == 2


def test_a_private_address_is_refused_at_the_send_whatever_was_saved(receiver, endpoint, bare_stream):
    at = receiver()
    endpoint(at)
    deliveries.happened(bare_stream)

    with override_settings(WEBHOOK_ALLOW_PRIVATE=False):
        deliveries.send_due()

    assert at.received == []
    attempt = DeliveryAttempt.objects.get()
    assert attempt.status is None
    assert attempt.error


def test_a_result_is_written_by_the_holder_of_the_lease_alone(receiver, endpoint, bare_stream):
    endpoint(receiver())
    deliveries.happened(bare_stream)
    deliveries.relay_all()
    delivery = Delivery.objects.get()
    lost = claiming.claim(endpoint_id=delivery.endpoint_id, limit=1, is_probe=False)
    Delivery.objects.update(lease_until=F("lease_until") - timedelta(minutes=2))
    assert claiming.free_expired() == 1
    held = claiming.claim(endpoint_id=delivery.endpoint_id, limit=1, is_probe=False)

    sending._write(sending._Try(lost.token, delivery.pk, delivery.endpoint_id), Answer(200, 0.1))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.lease_token) == ("pending", held.token)
    sending._write(sending._Try(held.token, delivery.pk, delivery.endpoint_id), Answer(200, 0.1))

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("delivered", 2)
    assert list(delivery.log.order_by("number").values_list("error", flat=True)) == [claiming.LOST, ""]


def test_a_delivery_that_loses_its_sender_every_time_dies(endpoint, bare_stream):
    endpoint("https://hooks.example.com/")
    deliveries.happened(bare_stream)
    deliveries.relay_all()
    Delivery.objects.update(attempts=10, lease_token=uuid.uuid7(), lease_until=F("next_at") - timedelta(minutes=1))

    assert claiming.free_expired() == 1
    assert claiming.free_expired() == 0

    assert Delivery.objects.get().state == "dead"


def test_a_redelivery_has_all_its_tries_again_and_the_same_id(by, receiver, endpoint, bare_stream):
    at = receiver(Reply(status=500), Reply(), Reply())
    endpoint(at)
    deliveries.happened(bare_stream)
    deliveries.relay_all()
    Delivery.objects.update(attempts=9)
    deliveries.send_due()
    dead = Delivery.objects.get()
    assert dead.state == "dead"

    for _ in range(2):
        again = actions.redeliver(delivery=dead, by=by)
        assert (again.state, again.attempts) == ("pending", 0)
        deliveries.send_due()

    again.refresh_from_db()
    assert (again.state, again.attempts) == ("delivered", 1)
    assert len({one.headers["webhook-id"] for one in at.received}) == 1
    assert list(again.log.order_by("number").values_list("number", flat=True)) == [1, 2, 3]
    assert Event.objects.filter(type="delivery.redelivered").count() == 2


def test_a_ping_arrives(by, receiver, endpoint):
    at = receiver()
    created = endpoint(at, event_types=["case.reopened"])

    actions.ping(endpoint=created, by=by)
    deliveries.send_due()

    assert json.loads(at.received[0].body)["type"] == "endpoint.pinged"


def test_a_secret_kept_under_another_key_is_a_failure_in_words(receiver, endpoint, bare_stream):
    at = receiver()
    endpoint(at)
    deliveries.happened(bare_stream)

    with override_settings(SECRET_KEY="another key of more than thirty-two characters"):
        deliveries.send_due()

    assert at.received == []
    assert DeliveryAttempt.objects.get().error == sending.UNREADABLE


def test_a_fault_of_ours_is_a_failed_try_and_holds_nothing_up(monkeypatch, receiver, endpoint, bare_stream, caplog):
    good = receiver()
    bad = endpoint("http://127.0.0.1:1/")
    endpoint(good)
    deliveries.happened(bare_stream)
    post = transport.post

    def fail_for_bad(url: str, **arguments: object) -> Answer:
        return 1 / 0 if url == bad.url else post(url, **arguments)

    monkeypatch.setattr(transport, "post", fail_for_bad)
    deliveries.send_due()

    assert len(good.received) == 1
    assert DeliveryAttempt.objects.get(delivery__endpoint=bad).error == "could not be sent: ZeroDivisionError"
    assert "delivery.send_failed" in caplog.text


def test_the_tasks_relay_and_deliver(receiver, endpoint, bare_stream):
    at = receiver()
    endpoint(at)
    deliveries.happened(bare_stream)

    tasks.relay()
    assert Delivery.objects.get().state == "pending"
    tasks.deliver()

    assert Delivery.objects.get().state == "delivered"
    assert claiming.LEASE.total_seconds() / 2 > transport.TOTAL_SECONDS
