"""Gives an installation a stream that decides, a key for its sender and an endpoint for its decisions."""

import json
import sys

from reviewapp.registry.actions import clients
from reviewapp.registry.actors import SYSTEM, Actor
from reviewapp.registry.models import Role
from reviewapp.webhooks import actions
from tests.factories import streams, teams


def main() -> None:
    """Prints the stream's slug and the text of the key."""
    slug, receiver = sys.argv[1:]
    stream = streams.ready(slug=slug)
    _, key = clients.create_key(team=stream.team, client_name=slug, scopes=clients.SCOPES, by=SYSTEM)
    integrator = teams.member(f"Integrator {slug}", role=Role.INTEGRATOR)
    actions.create_endpoint(team=stream.team, url=receiver, by=Actor.for_user(integrator))
    print(json.dumps({"stream": stream.slug, "key": key}))  # noqa: T201 read by the test
