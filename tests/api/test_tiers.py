"""A first tier and the keeping of results over REST."""

from typing import Any

import pytest

from reviewapp.registry.models import Stream
from tests.api.calling import Caller
from tests.factories import bundles

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(stream: Stream) -> str:
    bundles.version(stream, "cheap")
    return f"streams/{stream.slug}/rollouts"


def step(name: str, **content: Any) -> dict[str, Any]:
    return {"step": name, "reason": "to see", **content}


def test_a_tier_is_started_and_stopped(api: Caller, path: str) -> None:
    started = api.post(path, step("tier", model_version=2, sure_from=0.9))
    assert started.status_code == 201
    assert started.json()["tier"] == {"model_version": 2, "sure_from": 0.9}
    assert (started.json()["step"], started.json()["primary"]) == ("serving", 1)

    assert api.post(path, step("stop_tier")).json()["tier"] is None
    assert api.post(path, step("stop_tier")).status_code == 409


def test_results_are_kept_and_dropped(api: Caller, path: str) -> None:
    assert api.post(path, step("keep_results")).json()["keeps_results"] is True
    assert api.post(path, step("drop_results")).json()["keeps_results"] is False
    assert api.post(path, step("drop_results")).status_code == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (step("tier", model_version=2), 422),
        (step("tier", model_version=2, sure_from=1.5), 422),
        (step("tier", model_version=99, sure_from=0.9), 404),
        (step("tier", model_version=1, sure_from=0.9), 409),
        (step("keep_results", model_version=2), 422),
        (step("promote", model_version=2, sure_from=0.9), 422),
    ],
)
def test_a_step_that_makes_no_sense_is_refused(api: Caller, path: str, body: dict[str, Any], status: int) -> None:
    assert api.post(path, body).status_code == status
