"""The people of the tests. All but the outsider belong to the default team and act in each of its streams."""

from typing import Any

import pytest

from reviewapp.accounts.models import User
from reviewapp.registry.actions import clients, streams
from reviewapp.registry.actors import SYSTEM, Actor
from reviewapp.registry.models import Role
from tests.factories import teams


def acting(user: User) -> Actor:
    """The person as the one who acts, with the roles of this moment."""
    return Actor.for_user(user)


@pytest.fixture
def rosa(db: Any) -> User:
    """A reviewer."""
    return teams.member("Rosa", role=Role.REVIEWER)


@pytest.fixture
def ravi(db: Any) -> User:
    """Another reviewer of the same streams."""
    return teams.member("Ravi", role=Role.REVIEWER)


@pytest.fixture
def lead(db: Any) -> User:
    return teams.member("Lena Lead", role=Role.LEAD)


@pytest.fixture
def policy_owner(db: Any) -> User:
    return teams.member("Petra Policy", role=Role.POLICY_OWNER)


@pytest.fixture
def model_owner(db: Any) -> User:
    return teams.member("Milo Model", role=Role.MODEL_OWNER)


@pytest.fixture
def auditor(db: Any) -> User:
    return teams.member("Aisha Audit", role=Role.AUDITOR)


@pytest.fixture
def integrator(db: Any) -> User:
    return teams.member("Ines Integrator", role=Role.INTEGRATOR)


@pytest.fixture
def outsider(db: Any) -> User:
    """A reviewer and lead of another team: of this team's things not even the existence is known to them."""
    other = teams.team("other-team")
    person = teams.member("Otto Outsider", role=Role.REVIEWER, team=other)
    teams.grant(person, role=Role.LEAD, team=other)
    return person


@pytest.fixture
def administrator(db: Any) -> User:
    return User.objects.create_superuser("ada.admin@example.org", password=teams.PASSWORD, first_name="Ada")


@pytest.fixture
def api_key(db: Any) -> str:
    """The text of a key of the default team with every scope."""
    return clients.create_key(team=streams.default_team(), client_name="upstream", scopes=clients.SCOPES, by=SYSTEM)[1]
