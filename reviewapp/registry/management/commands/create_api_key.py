import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from reviewapp.accounts.models import Team
from reviewapp.domain.errors import DomainError, NotFound
from reviewapp.registry.actions import clients, streams
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream


class Command(BaseCommand):
    help = "Creates an API key and prints it once; only its digest is stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--client", required=True, help="the upstream system the key belongs to")
        parser.add_argument("--stream", nargs="+", default=[], help="slugs it is good for (every one of the team)")
        parser.add_argument("--scope", nargs="+", required=True, help=f"what it may do: {', '.join(clients.SCOPES)}")
        parser.add_argument("--team", default=streams.DEFAULT_TEAM, help="slug of the team (default)")
        parser.add_argument("--days", type=days, help="days until it expires (never)")

    def handle(self, *_args: Any, client: str, team: str, days: int | None, **options: list[str]) -> None:
        try:
            owner = find_team(team)
            _, text = clients.create_key(
                team=owner,
                client_name=client,
                scopes=options["scope"],
                streams=find_streams(owner, options["stream"]),
                expires_at=timezone.now() + timedelta(days=days) if days is not None else None,
                by=SYSTEM,
            )
        except DomainError as refusal:
            sys.exit(str(refusal))
        self.stderr.write("This is the only time the key is shown:")
        self.stdout.write(text)


def days(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"“{text}” is no number of days; give 1 or more.")
    return int(text)


def find_team(slug: str) -> Team:
    if slug == streams.DEFAULT_TEAM:
        return streams.default_team()
    team = Team.objects.filter(slug=slug).first()
    if team is None:
        raise NotFound(f"There is no team “{slug}”.")
    return team


def find_streams(team: Team, slugs: list[str]) -> list[Stream]:
    found = {stream.slug: stream for stream in team.streams.filter(slug__in=slugs)}
    missing = [slug for slug in slugs if slug not in found]
    if missing:
        raise NotFound(f"The team “{team.slug}” has no stream “{missing[0]}”.")
    return list(found.values())
