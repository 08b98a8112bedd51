"""Teams, people and their roles."""

from itertools import count

from reviewapp.accounts.models import Team, User
from reviewapp.registry.actions.streams import default_team
from reviewapp.registry.models import Membership, Stream

PASSWORD = "a long and boring password"
_numbers = count(1)


def team(slug: str | None = None) -> Team:
    """A team of its own; without a slug a fresh one."""
    slug = slug or f"team-{next(_numbers)}"
    return Team.objects.get_or_create(slug=slug, defaults={"name": slug.replace("-", " ").capitalize()})[0]


def user(name: str = "", **fields: object) -> User:
    """A person without any role."""
    name = name or f"Person {next(_numbers)}"
    email = f"{name.lower().replace(' ', '.')}@example.org"
    return User.objects.create_user(email, password=PASSWORD, first_name=name, **fields)


def member(name: str = "", *, role: str, team: Team | None = None, stream: Stream | None = None) -> User:
    """A person with a role in one stream, or in every stream of the (default) team."""
    person = user(name)
    grant(person, role=role, team=team, stream=stream)
    return person


def grant(person: User, *, role: str, team: Team | None = None, stream: Stream | None = None) -> Membership:
    owner = stream.team if stream else team or default_team()
    return Membership.objects.create(team=owner, user=person, stream=stream, role=role)
