"""A database that does not answer in time: a page that says so, and nothing half done."""

import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connection, transaction
from django.urls import reverse

from reviewapp.cases.models import Case, Review
from tests.factories import cases

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def impatient() -> Iterator[None]:
    """Statements of this thread wait for a lock no longer than a moment."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")


@pytest.fixture
def elsewhere() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Holds what a function locks in another connection until the test is over."""
    is_over, threads = threading.Event(), []

    def hold(lock: Callable[[], object]) -> None:
        is_held = threading.Event()

        def run() -> None:
            with transaction.atomic():
                lock()
                is_held.set()
                is_over.wait(10)
            connection.close()

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        assert is_held.wait(5)

    yield hold
    is_over.set()
    for thread in threads:
        thread.join()


def lock_table(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")


@pytest.mark.usefixtures("impatient")
def test_a_write_that_waits_too_long_for_a_lock_is_told_to_try_again(stream, lead, signed_in, elsewhere):
    case, client = cases.decided(stream), signed_in(lead)
    elsewhere(lambda: Case.objects.select_for_update().get(pk=case.pk))

    response = client.post(reverse("case_reopen", args=[case.pk]), {"reason": "look again"})

    assert response.status_code == 503
    assert response["Retry-After"] == "2"
    assert "Nothing was kept" in response.content.decode()
    assert not Review.objects.exists()


@pytest.mark.usefixtures("impatient")
def test_a_script_is_told_so_in_its_own_language(stream, lead, signed_in, elsewhere):
    case, client = cases.decided(stream), signed_in(lead)
    elsewhere(lambda: Case.objects.select_for_update().get(pk=case.pk))

    response = client.post(reverse("case_replay", args=[case.pk]), headers={"Accept": "application/json"})

    assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("path", ["/find", "/api/v1/cases/01a1fc94-7f5a-7a57-b000-000000000000/export"])
def test_what_fails_before_the_page_begins_is_told_so_too(path, lead, signed_in, elsewhere):
    client = signed_in(lead)
    client.raise_request_exception = False
    elsewhere(lambda: lock_table("django_session"))

    response = client.get(path)

    assert response.status_code == 503
    assert response["Retry-After"] == "2"
    assert ("application/problem+json" in response["Content-Type"]) == path.startswith("/api/")


@pytest.mark.usefixtures("impatient")
def test_the_page_is_served_although_even_the_sessions_are_locked(lead, signed_in, elsewhere):
    client = signed_in(lead)
    client.raise_request_exception = False
    elsewhere(lambda: lock_table("django_session"))

    assert "Try again in a moment" in client.get("/find").content.decode()


def test_a_search_that_takes_too_long_is_advised_to_name_a_time(stream, lead, signed_in, elsewhere, monkeypatch):
    client = signed_in(lead)
    monkeypatch.setattr("reviewapp.web.queries.find.LONGEST", "50ms")
    elsewhere(lambda: lock_table("cases_decision"))

    response = client.get(reverse("find"), {"source": "auto"})

    assert response.status_code == 422
    assert "name a time as well" in response.content.decode()
