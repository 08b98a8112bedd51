"""Who acted, for people: audit columns store `user:<id>`, `client:<id>`, `policy` or `system`."""

from collections.abc import Iterable
from uuid import UUID

from reviewapp.accounts.models import User
from reviewapp.registry.models import Client

PLAIN = {"policy": "the policy", "system": "the system", "": "", "anonymous": "somebody"}


class ActorNames:
    """The names of a page's actors, read in at most two queries."""

    def __init__(self, actors: Iterable[str | None]) -> None:
        ids: dict[str, set[UUID]] = {"user": set(), "client": set()}
        for actor in actors:
            kind, _, identity = (actor or "").partition(":")
            if kind in ids and identity:
                ids[kind].add(UUID(identity))
        self._users = {user.pk: user.name for user in User.objects.filter(pk__in=ids["user"])} if ids["user"] else {}
        self._clients = Client.objects.in_bulk(ids["client"]) if ids["client"] else {}

    def __getitem__(self, actor: str | None) -> str:
        kind, _, identity = (actor or "").partition(":")
        if kind == "user" and identity:
            return self._users.get(UUID(identity), "a former user")
        if kind == "client" and identity:
            client = self._clients.get(UUID(identity))
            return client.name if client else "a former client"
        return PLAIN.get(kind, kind)
