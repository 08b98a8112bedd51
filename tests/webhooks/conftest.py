from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reviewapp.accounts.models import User
from reviewapp.registry.actions.streams import default_team
from reviewapp.registry.actors import Actor
from reviewapp.webhooks import actions
from reviewapp.webhooks.models import Endpoint
from tests.people import acting
from tests.webhooks.receiver import Receiver, Reply


@pytest.fixture
def by(integrator: User) -> Actor:
    return acting(integrator)


@pytest.fixture
def receiver() -> Iterator[Callable[..., Receiver]]:
    """Starts receivers that answer the given replies."""
    started: list[Receiver] = []

    def start(*replies: Reply) -> Receiver:
        started.append(Receiver(*replies).__enter__())
        return started[-1]

    yield start
    for one in started:
        one.__exit__(None, None, None)


@pytest.fixture
def endpoint(by: Actor) -> Callable[..., Endpoint]:
    """Creates endpoints at receivers; the signing secret is kept as `secret`."""

    def create(at: Receiver | str, **options: Any) -> Endpoint:
        url = at if isinstance(at, str) else at.url
        created, secret = actions.create_endpoint(team=default_team(), url=url, by=by, **options)
        created.secret = secret
        return created

    return create
