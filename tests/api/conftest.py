"""A client of the API that checks every answer against the published description."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from reviewapp.accounts.models import Team, User
from reviewapp.registry.actions import clients, streams
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.api.calling import Caller
from tests.factories import teams

NewKey = Callable[..., str]


@pytest.fixture
def new_key(db: Any) -> NewKey:
    """Makes keys: of the default team with every scope, unless told."""

    def make(
        *scopes: str, team: Team | None = None, only: tuple[Stream, ...] = (), name: str = "upstream", **options: Any
    ) -> str:
        return clients.create_key(
            team=team or streams.default_team(),
            client_name=name,
            scopes=scopes or clients.SCOPES,
            streams=only,
            by=SYSTEM,
            **options,
        )[1]

    return make


@pytest.fixture
def api(api_key: str) -> Caller:
    """A caller with a key of every scope."""
    return Caller(key=api_key)


@pytest.fixture
def foreign_api(new_key: NewKey) -> Caller:
    """A caller of another team, with every scope."""
    return Caller(key=new_key(team=teams.team("another-team"), name="stranger"))


@pytest.fixture
def nobody() -> Caller:
    return Caller()


@pytest.fixture
def person() -> Callable[[User], Caller]:
    """A caller with the session of a signed-in person."""

    def sign_in(user: User) -> Caller:
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        return Caller(client=client)

    return sign_in
