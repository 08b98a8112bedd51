import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from reviewapp.domain.errors import DomainError
from reviewapp.registry.actions import streams, training, versions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.management.commands.create_api_key import find_team
from reviewapp.registry.management.commands.register_bundle import find_stream
from reviewapp.registry.models import ModelVersion, Stream


class Command(BaseCommand):
    help = (
        "Registers a model that upstream runs as a version of a stream: cases come with its probabilities, which are "
        "gated and audited like any other. Nothing of it runs here, so there is no replay, explanation or novelty."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the model's name, which cases quote as prediction.model")
        parser.add_argument("--stream", required=True, help="slug of the stream")
        parser.add_argument("--team", default=streams.DEFAULT_TEAM, help="slug of the stream's team (default)")
        parser.add_argument(
            "--open", default="", metavar="CLASSES", help="open the stream, with these classes, divided by commas"
        )
        parser.add_argument("--promote", action="store_true", help="make it the stream's primary at once")

    def handle(self, *_: Any, name: str, promote: bool, **options: Any) -> None:
        try:
            version, opened = register(name, slug=options["stream"], team=options["team"], classes=options["open"])
            if (promote or opened) and versions.primary_of(version.stream) != version:
                versions.roll_out(primary=version, by=SYSTEM, reason="Registered with register_external.")
        except DomainError as refusal:
            sys.exit(str(refusal))
        role = "now the primary" if promote or opened else "registered, not promoted"
        opening = f"Stream {version.stream.slug} opened. " if opened else ""
        self.stdout.write(f"{opening}{version.stream.slug} v{version.number} (external): {role}.")


@transaction.atomic
def register(name: str, *, slug: str, team: str, classes: str) -> tuple[ModelVersion, bool]:
    """The version, and whether its stream was opened; after a refusal neither is there."""
    answers = [one.strip() for one in classes.split(",") if one.strip()]
    stream = _open(slug, team, answers) if answers else find_stream(slug, team=team)
    return versions.register_external(stream=stream, name=name, by=SYSTEM), bool(answers)


def _open(slug: str, team: str, classes: list[str]) -> Stream:
    owner = find_team(team)
    planned = training.check_new_stream(team=owner, slug=slug, classes=classes)
    return streams.create(team=owner, slug=slug, name=planned.name, classes=classes, by=SYSTEM)
