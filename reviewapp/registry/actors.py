"""Who acts: a person, a client by its key, or the system itself."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q

from reviewapp.accounts.models import User
from reviewapp.domain.errors import Forbidden
from reviewapp.registry.models.client import ApiKey
from reviewapp.registry.models.stream import Membership, Role, Stream


@dataclass(frozen=True)
class Grant:
    """One membership, without the row: a role in a stream, or in all streams of a team."""

    team_id: UUID
    stream_id: UUID | None
    role: str


@dataclass(frozen=True)
class Actor:
    """The one who acts. `str(actor)` is what events and audit columns store."""

    kind: str
    id: str
    user: User | None = None
    key: ApiKey | None = None
    grants: tuple[Grant, ...] = ()
    key_stream_ids: frozenset[UUID] = field(default_factory=frozenset)

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}" if self.id else self.kind

    @classmethod
    def for_user(cls, user: User | AnonymousUser) -> "Actor":
        if not isinstance(user, User) or not user.is_active:
            return cls("anonymous", "")
        rows = Membership.objects.filter(user=user).values_list("team_id", "stream_id", "role")
        return cls("user", str(user.pk), user=user, grants=tuple(Grant(*row) for row in rows))

    @classmethod
    def for_key(cls, key: ApiKey) -> "Actor":
        """The key's `client` must be selected with it."""
        streams = frozenset(key.streams.values_list("pk", flat=True))
        return cls("client", str(key.client_id), key=key, key_stream_ids=streams)

    @property
    def is_system(self) -> bool:
        return self.kind == "system"

    @property
    def sees_everything(self) -> bool:
        return self.is_system or (self.user is not None and self.user.is_superuser)

    @cached_property
    def team_ids(self) -> frozenset[UUID]:
        """The teams whose shared things (endpoints, clients) the actor belongs to."""
        if self.key is not None:
            return frozenset({self.key.client.team_id})
        if self.sees_everything:
            return frozenset(Stream.objects.values_list("team_id", flat=True))
        return frozenset(grant.team_id for grant in self.grants)

    def stream_condition(self) -> Q:
        """The streams this actor may know of, as a condition on Stream."""
        if self.sees_everything:
            return Q()
        if self.key is not None:
            condition = Q(team_id=self.key.client.team_id)
            return condition & Q(pk__in=self.key_stream_ids) if self.key_stream_ids else condition
        teams = {grant.team_id for grant in self.grants if grant.stream_id is None}
        streams = {grant.stream_id for grant in self.grants if grant.stream_id is not None}
        return Q(team_id__in=teams) | Q(pk__in=streams)

    def has_role(self, stream: Stream, roles: Iterable[str]) -> bool:
        if self.sees_everything:
            return True
        wanted = set(roles)
        return any(
            grant.role in wanted and grant.team_id == stream.team_id and grant.stream_id in (None, stream.pk)
            for grant in self.grants
        )

    def has_team_role(self, team_id: UUID, roles: Iterable[str]) -> bool:
        """A role that covers the whole team, not one stream."""
        if self.sees_everything:
            return True
        wanted = set(roles)
        return any(g.role in wanted and g.team_id == team_id and g.stream_id is None for g in self.grants)

    def has_scope(self, scope: str) -> bool:
        return self.key is not None and scope in self.key.scopes


SYSTEM = Actor("system", "")


def check_role(actor: Actor, stream: Stream, *roles: Role) -> None:
    """Raise unless a person holds one of the roles in the stream; clients are checked by their key's scopes."""
    if actor.kind == "client" or actor.has_role(stream, roles):
        return
    names = " or ".join(str(role.label).lower() for role in roles)
    raise Forbidden(f"You need to be {names} in “{stream.name}” for this.", code="role_required")
