"""The demo's people, at least one per role, and its upstream system's key."""

from dataclasses import dataclass

from django.db import transaction

from reviewapp.accounts.models import Team, User
from reviewapp.monitoring.demo.keepsakes import Keepsakes
from reviewapp.registry.actions import clients
from reviewapp.registry.actors import SYSTEM, Actor
from reviewapp.registry.models import Membership, Role, Stream

CLIENT = "demo upstream"
DOMAIN = "demo.example"


@dataclass(frozen=True)
class Part:
    """Who somebody is in the demo. A role covers every stream of the team."""

    first_name: str
    last_name: str
    role: Role


CAST = {
    "reviewer": Part("Rosa", "Reviewer", Role.REVIEWER),
    "second_reviewer": Part("Ravi", "Reviewer", Role.REVIEWER),
    "lead": Part("Lena", "Lead", Role.LEAD),
    "policy_owner": Part("Paul", "Policy", Role.POLICY_OWNER),
    "second_policy_owner": Part("Pia", "Policy", Role.POLICY_OWNER),
    "model_owner": Part("Mona", "Model", Role.MODEL_OWNER),
    "auditor": Part("Amir", "Auditor", Role.AUDITOR),
}


@dataclass(frozen=True)
class Person:
    user: User
    password: str

    @property
    def actor(self) -> Actor:
        return Actor.for_user(self.user)


def ensure(team: Team, kept: Keepsakes) -> dict[str, Person]:
    """The cast, each able to sign in with the password kept for them."""
    return {name: _ensure_person(team, name, kept) for name in CAST}


@transaction.atomic
def _ensure_person(team: Team, name: str, kept: Keepsakes) -> Person:
    part, password = CAST[name], kept.password(name)
    email = f"{name.replace('_', '.')}@{DOMAIN}"
    user = User.objects.filter(email=email).first()
    if user is None:
        user = User.objects.create_user(email, password, first_name=part.first_name, last_name=part.last_name)
    elif not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    Membership.objects.get_or_create(team=team, user=user, stream=None, role=part.role)
    return Person(user, password)


def ensure_key(team: Team, kept: Keepsakes, *, streams: list[Stream]) -> str:
    """The upstream system's key; a new one when the kept one is no longer good."""
    text = kept.get("api_key")
    if text and clients.key_for(text):
        return text
    _, text = clients.create_key(team=team, client_name=CLIENT, scopes=clients.SCOPES, streams=streams, by=SYSTEM)
    return kept.keep("api_key", text)
