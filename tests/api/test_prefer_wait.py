"""`Prefer: wait=N`: an answer with the decision, for those who would ask again at once."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from reviewapp.api import limits
from reviewapp.api.cases import _PREFER_WAIT, MAX_WAIT
from tests.api.calling import Caller
from tests.factories import bundles, cases, streams

pytestmark = pytest.mark.django_db(transaction=True)


def _later(action: Callable[[], Any]) -> threading.Thread:
    def run() -> None:
        try:
            time.sleep(0.3)
            action()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_decision_in_time_is_answered(api: Caller) -> None:
    stream = streams.ready()
    worker = _later(cases.score_all)

    response = api.post(
        f"streams/{stream.slug}/cases",
        {"external_id": "a", "features": bundles.CLEARLY_INTACT},
        Prefer="respond-async, wait=5",
    )
    worker.join()

    assert response.status_code == 200
    assert response.json()["decision"]["class"] == "intact"
    assert response["Preference-Applied"] == "wait=5"


def test_a_case_for_people_is_answered_as_soon_as_that_is_known(api: Caller) -> None:
    stream = streams.ready()
    worker = _later(cases.score_all)
    began = time.monotonic()

    response = api.post(
        f"streams/{stream.slug}/cases", {"external_id": "a", "features": bundles.UNCLEAR}, Prefer="wait=5"
    )
    worker.join()

    assert response.status_code == 202
    assert response.json()["state"] == "in_review"
    assert time.monotonic() - began < 4.5


def test_without_a_decision_the_wait_ends_in_time(api: Caller) -> None:
    stream = streams.ready()
    began = time.monotonic()

    response = api.post(
        f"streams/{stream.slug}/cases", {"external_id": "a", "features": bundles.UNCLEAR}, Prefer="wait=1"
    )

    assert (response.status_code, response.json()["state"]) == (202, "scoring")
    assert 1.0 <= time.monotonic() - began < 4


def test_beyond_a_few_waiters_the_answer_comes_at_once(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = streams.ready()
    taken = [limits.WAITERS.acquire(blocking=False) for _ in range(4)]
    began = time.monotonic()
    try:
        response = api.post(
            f"streams/{stream.slug}/cases", {"external_id": "a", "features": bundles.UNCLEAR}, Prefer="wait=5"
        )
    finally:
        for _ in taken:
            limits.WAITERS.release()

    assert all(taken)
    assert response.status_code == 202
    assert "Preference-Applied" not in response
    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("wait=3", "3"),
        ("respond-async, wait=10", "10"),
        ("wait=2; foo=bar", "2"),
        ("handling=lenient,wait = 4", "4"),
        ("wait=-1", None),
        ("wait=abc", None),
        ("await=5", None),
        ("", None),
    ],
)
def test_the_preference_is_read_as_rfc_7240_says(text: str, seconds: str | None) -> None:
    found = _PREFER_WAIT.search(text)

    assert (found[1] if found else None) == seconds
    assert MAX_WAIT == 5
