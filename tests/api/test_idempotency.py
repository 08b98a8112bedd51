"""`Idempotency-Key`."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from reviewapp.api import idempotency
from reviewapp.api.models import IdempotencyKey
from reviewapp.cases.models import Label
from reviewapp.gating.models import Hold
from reviewapp.registry.models import Stream
from reviewapp.webhooks.models import Endpoint, EndpointSecret
from tests.api.calling import Caller
from tests.api.conftest import NewKey
from tests.factories import cases, streams

URL = "http://127.0.0.1:9/hook"


@pytest.mark.django_db
def test_the_same_call_has_one_effect_and_one_answer(api: Caller) -> None:
    first = api.post("endpoints", {"url": URL}, Idempotency_Key="once")
    again = api.post("endpoints", {"url": URL}, Idempotency_Key="once")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again["Location"] == first["Location"]
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert Endpoint.objects.count() == EndpointSecret.objects.count() == 1


@pytest.mark.django_db
def test_a_secret_in_a_stored_answer_cannot_be_read_there(api: Caller) -> None:
    secret = api.post("endpoints", {"url": URL}, Idempotency_Key="once").json()["secret"]

    assert secret.removeprefix("whsec_") not in str(IdempotencyKey.objects.get().body)


@pytest.mark.django_db
def test_another_body_or_another_call_under_the_same_key_is_refused(api: Caller, stream: Stream) -> None:
    api.post("endpoints", {"url": URL}, Idempotency_Key="once")

    body = api.post("endpoints", {"url": URL + "/2"}, Idempotency_Key="once")
    call = api.post(f"streams/{stream.slug}/hold", {"scope": "all", "reason": "x"}, Idempotency_Key="once")

    for response in (body, call):
        assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")
    assert not Hold.objects.exists()


@pytest.mark.django_db
def test_an_error_before_the_effect_is_not_stored(api: Caller, stream: Stream) -> None:
    wrong = api.post(f"streams/{stream.slug}/hold", {"scope": "all"}, Idempotency_Key="once")
    right = api.post(f"streams/{stream.slug}/hold", {"scope": "all", "reason": "a drill"}, Idempotency_Key="once")

    assert (wrong.status_code, right.status_code) == (422, 201)


@pytest.mark.django_db
def test_keys_of_two_clients_have_nothing_to_do_with_each_other(api: Caller, new_key: NewKey) -> None:
    other = Caller(key=new_key(name="second"))

    first = api.post("endpoints", {"url": URL}, Idempotency_Key="once")
    second = other.post("endpoints", {"url": URL + "/2"}, Idempotency_Key="once")

    assert (first.status_code, second.status_code) == (201, 201)


@pytest.mark.django_db
def test_a_key_of_more_than_thirty_days_ago_is_a_new_one(api: Caller, stream: Stream) -> None:
    body = {"scope": "all", "reason": "a drill"}
    api.post(f"streams/{stream.slug}/hold", body, Idempotency_Key="old")
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(days=30, seconds=1))

    anew = api.post(f"streams/{stream.slug}/hold", body, Idempotency_Key="old")

    assert anew.json()["code"] == "already_held"


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "é"])
def test_what_is_no_key_is_refused(api: Caller, key: str) -> None:
    response = api.post("endpoints", {"url": URL}, Idempotency_Key=key)

    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_invalid")


@pytest.mark.django_db
def test_intake_ignores_it(api: Caller, bare_stream: Stream) -> None:
    for name in ("a", "b"):
        body = {"external_id": name, "features": {}}
        assert api.post(f"streams/{bare_stream.slug}/cases", body, Idempotency_Key="once").status_code == 202


@pytest.mark.django_db(transaction=True)
def test_twins_in_flight_have_one_effect(api_key: str) -> None:
    case = cases.decided(streams.ready())
    answers: list[Any] = []
    barrier = threading.Barrier(6)

    def send() -> None:
        try:
            barrier.wait(20)
            caller = Caller(key=api_key)
            answers.append(caller.post(f"cases/{case.pk}/outcome", {"class": "damaged"}, Idempotency_Key="twin"))
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    done = [answer for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.json()["id"] for answer in done}) == 1
    assert sum("Idempotent-Replayed" not in answer for answer in done) == 1
    assert Label.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_twin_of_a_slow_call_is_told_to_come_back(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = streams.ready()
    began, may_end = threading.Event(), threading.Event()
    body = {"scope": "all", "reason": "a drill"}
    monkeypatch.setattr(idempotency, "LOCK_TIMEOUT", "100ms")
    real_store = idempotency._store

    def slow_store(*arguments: Any) -> None:
        began.set()
        may_end.wait(20)
        real_store(*arguments)

    monkeypatch.setattr(idempotency, "_store", slow_store)

    def send() -> None:
        try:
            api.post(f"streams/{stream.slug}/hold", body, Idempotency_Key="once")
        finally:
            connection.close()

    first = threading.Thread(target=send)
    first.start()
    assert began.wait(20)
    twin = Caller(key=api.headers["Authorization"].removeprefix("Bearer ")).post(
        f"streams/{stream.slug}/hold", body, Idempotency_Key="once"
    )
    may_end.set()
    first.join()

    assert (twin.status_code, twin.json()["code"]) == (409, "idempotency_in_flight")
    assert "Retry-After" in twin
    assert Hold.objects.count() == 1
